"""The evaluate command's work: a store and data folders in; report.json, report.html and, if wanted, overlays out."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from models.data.photos import AnnotatedPhoto, DataError, choose_split, load_photos
from models.evaluation.overlays import choose_worst, write_overlays
from models.evaluation.page import build_page
from models.evaluation.path import PathOptions, Predictors
from models.evaluation.report import Judged, evaluate_judged, judge_photos, split_samples
from models.evaluation.slicing import load_contexts
from models.object_store import open_store
from models.store import ModelSet, ModelStore
from models.structures import DAMAGE_CLASSES

JSON_NAME: Final = "report.json"
PAGE_NAME: Final = "report.html"


@dataclass(frozen=True)
class EvaluationOptions:
    """What is evaluated and how.

    Attributes:
        data: data folders.
        out: folder that the report is written to.
        models: model store, a folder or a URL; its promoted set is judged.
        split: "train", "val" or "test"; None: val, or all of a folder without val.
        path: margin, least area, mask policies.
        gate_score_threshold: photos below it are let go; None: the gate's card says.
        finder: how the set's finder is used, one of FINDER_USES.
        gate_recall: the recall for which a gate threshold is told, (0, 1].
        overlays: pictures of so many of the worst photos of each kind are written; 0 writes none.
    """

    data: tuple[Path, ...]
    out: Path
    models: str
    split: str | None
    path: PathOptions
    gate_score_threshold: float | None
    finder: str
    gate_recall: float
    overlays: int


def run_evaluation(options: EvaluationOptions) -> dict[str, Any]:
    """Judge the promoted set and write the report.

    Returns:
        The report, as written to report.json.

    Raises:
        DataError: a folder, annotation or photo is missing or wrong, or no photo of the split is annotated with damage.
        StoreError: no promoted set, or files that its cards do not vouch for.
        ValueError: an option or a card's threshold out of bounds.
    """
    require_libraries()
    photos = load_judged(options.data) if options.split is None else load_annotated(options.data, options.split)
    model_set = ModelStore(open_store(options.models)).load_promoted()
    predictors = Predictors.load(model_set.versions, finder=options.finder)
    gate_score_threshold = options.gate_score_threshold
    if gate_score_threshold is None:
        gate_score_threshold = predictors.gate_score_threshold
    judged = judge_photos(photos, predictors, options.path, show_progress=show_bar)
    report = _head(options, model_set, gate_score_threshold, judged)
    contexts = load_contexts(options.data)
    for name, sample in split_samples(judged).items():
        report[name] = evaluate_judged(
            sample,
            options.path,
            gate_score_threshold=gate_score_threshold,
            contexts=contexts,
            stated_recall=options.gate_recall,
        )
    report = drop_nan(report)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / JSON_NAME).write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    (options.out / PAGE_NAME).write_text(build_page(report), encoding="utf-8")
    if options.overlays:
        worst = choose_worst(judged, options.path, count=options.overlays, gate_score_threshold=gate_score_threshold)
        write_overlays(worst, predictors, options.path, options.out / "overlays")
    return report


def load_judged(folders: Sequence[Path]) -> list[AnnotatedPhoto]:
    """The val photos of each folder; all photos of a folder without any, which is there to be measured against.

    Raises:
        DataError: as load_photos; also where no photo has an annotated region.
    """
    photos: list[AnnotatedPhoto] = []
    for folder in folders:
        own = load_photos([folder])
        photos += [photo for photo in own if photo.split == "val"] or own
    return _require_damage(photos, "of these folders")


def load_annotated(folders: Sequence[Path], split: str) -> list[AnnotatedPhoto]:
    """The photos of a split, which can be judged.

    Raises:
        DataError: also where no photo of the split has an annotated region.
    """
    return _require_damage(choose_split(load_photos(folders), split), f"of split {split!r}")


def _require_damage(photos: list[AnnotatedPhoto], which: str) -> list[AnnotatedPhoto]:
    if not any(photo.polygons for photo in photos):
        raise DataError(f"data: no photo {which} has an annotated damage: there is nothing to measure against")
    return photos


def require_libraries() -> None:
    """Refuse to start what would end for want of a library.

    Raises:
        ValueError: naming it.
    """
    for name in ("matplotlib", "scipy"):
        if find_spec(name) is None:
            raise ValueError(f"evaluation needs vehicle-damage[train]: {name} is not installed")


def show_bar(items: Iterable[Any], what: str, total: int) -> Iterable[Any]:
    """Pass items on, with a bar on stderr where it is a terminal."""
    from rich.console import Console  # noqa: PLC0415 - imported by what runs only
    from rich.progress import track  # noqa: PLC0415

    console = Console(stderr=True)
    return track(items, what, total=total, console=console, disable=not console.is_terminal)


def drop_nan(value: Any) -> Any:
    """The same report with None for numbers that are not defined: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: drop_nan(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [drop_nan(own) for own in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _head(
    options: EvaluationOptions, model_set: ModelSet, gate_score_threshold: float, judged: Judged
) -> dict[str, Any]:
    """What the numbers belong to."""
    path = options.path
    return {
        "model_set": model_set.digest,
        "versions": {network: version.card.version for network, version in model_set.versions.items()},
        "split": options.split or "val, or the whole folder",
        "data": [str(folder) for folder in options.data],
        "options": {
            "crop_margin_ratio": path.crop_margin_ratio,
            "min_region_area_px2": path.min_region_area_px2,
            "finder": options.finder,
            **{f"{name}_policy": policy for name, policy in zip(DAMAGE_CLASSES, path.policies, strict=True)},
            "judged_policies": ", ".join(judged.policies),
        },
        "thresholds": {
            "localizer_score_threshold": model_set.versions["localizer"].card.thresholds["score_threshold"],
            "gate_score_threshold": gate_score_threshold,
            **{
                f"{name}_score_threshold": model_set.versions["segmenter"].card.thresholds[f"{name}_score_threshold"]
                for name in DAMAGE_CLASSES
            },
        },
    }
