"""Slices of a sample: the same rate in a group of photos or regions against its complement.

In:   judgements at the thresholds that serve. Out: rows for the report, by outcome and partition.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from models.data.photos import ANNOTATIONS_NAME, DataError
from models.data.slices import evaluate_slices
from models.evaluation.end_to_end import EndToEndCounts
from models.evaluation.judgement import PhotoJudgement
from models.structures import class_name_of

DARK_LUMINANCE: Final = 60.0
CLOSE_UP_SHARE: Final = 0.9
SMALL_PX2: Final = 32**2
MEDIUM_PX2: Final = 96**2
CONTEXT_KEYS: Final = ("view", "light", "weather")
"""Record keys that say under what circumstances a photo was taken; a record's "context" object may hold more."""


def evaluate_all_slices(
    judgements: Sequence[PhotoJudgement],
    contexts: Mapping[Path, Mapping[str, str]],
    *,
    row: int,
    policies: Sequence[str],
    serving: Sequence[str],
    gate_score_threshold: float,
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Compare every slice with its complement.

    Args:
        judgements: of one sample.
        contexts: of photos, by path; those without are in the slice "unknown".
        row: the nominal row of thresholds.
        policies: those that were judged.
        serving: the policy of each class that serves.
        gate_score_threshold: photos below it are let go.

    Returns:
        Outcome ("damaged_photo_recalled", "annotated_region_found", "undamaged_photo_unaccused") to partition to rows,
        as models.data.slices.SliceRow has them; partitions with one slice tell nothing and are left out.
    """
    counts = EndToEndCounts.of(judgements, policies=policies, serving=serving)
    passes = counts.scores >= gate_score_threshold
    recalled, unaccused = counts.is_hit[:, row] & passes, (counts.regions[:, row] * passes) == 0
    partitions = _photo_partitions(judgements, contexts)
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for outcome, successes, is_counted in (
        ("damaged_photo_recalled", recalled, counts.is_damaged),
        ("undamaged_photo_unaccused", unaccused, counts.is_undamaged),
    ):
        found[outcome] = _compare(
            {
                name: [
                    (label_of(judgement), bool(success))
                    for judgement, success, counted in zip(judgements, successes, is_counted, strict=True)
                    if counted
                ]
                for name, label_of in partitions.items()
            }
        )
    regions = [region for judgement in judgements if judgement.masks for region in judgement.masks.annotated]
    found["annotated_region_found"] = _compare(
        {
            "class": [(class_name_of(region.class_id), region.is_found["serving"]) for region in regions],
            "size": [(size_of(region.area_px2), region.is_found["serving"]) for region in regions],
        }
    )
    return {outcome: tables for outcome, tables in found.items() if tables}


def size_of(area_px2: int) -> str:
    """COCO's sizes: below 32² small, below 96² medium, else large; photo pixels."""
    if area_px2 < SMALL_PX2:
        return "small"
    return "medium" if area_px2 < MEDIUM_PX2 else "large"


def is_close_up(judgement: PhotoJudgement) -> bool:
    """No car box, or one over more than CLOSE_UP_SHARE of the photo: the annotated box, else the localizer's window."""
    photo = judgement.photo
    if photo.car_box_xyxy is not None:
        x0, y0, x1, y1 = photo.car_box_xyxy
        area_px2 = (x1 - x0) * (y1 - y0)
    elif photo.is_rendered or not judgement.is_car_found:  # a rendered photo without a box shows no whole car
        return True
    else:
        height, width = judgement.window.size_hw
        area_px2 = height * width
    return area_px2 > CLOSE_UP_SHARE * photo.width * photo.height


def load_contexts(folders: Iterable[Path]) -> dict[Path, dict[str, str]]:
    """Read what annotations say of the circumstances of each photo, by the path of its image.

    Raises:
        DataError: a "context" is no object.
    """
    contexts: dict[Path, dict[str, str]] = {}
    for folder in folders:
        for record in json.loads((folder / ANNOTATIONS_NAME).read_text()):
            told = record.get("context") or {}
            if not isinstance(told, dict):
                raise DataError(
                    f"{folder / ANNOTATIONS_NAME}: {record['image_id']}: context: expected an object, found {told!r}"
                )
            own = {key: record[key] for key in CONTEXT_KEYS if record.get(key)} | told
            if flat := {str(k): str(v) for k, v in own.items() if isinstance(v, str | bool)}:
                contexts[folder / "images" / record["image_id"]] = flat
    return contexts


def _photo_partitions(
    judgements: Sequence[PhotoJudgement], contexts: Mapping[Path, Mapping[str, str]]
) -> dict[str, Callable[[PhotoJudgement], str]]:
    """Name every way to part photos, with the label of a photo under it."""
    partitions: dict[str, Callable[[PhotoJudgement], str]] = {
        "luminance": lambda j: "dark" if j.luminance < DARK_LUMINANCE else "bright",
        "distance": lambda j: "close_up" if is_close_up(j) else "whole_car",
    }
    for key in sorted({key for j in judgements for key in contexts.get(j.photo.path, {})}):
        partitions[f"context_{key}"] = lambda j, key=key: contexts.get(j.photo.path, {}).get(key, "unknown")
    return partitions


def _compare(trials: Mapping[str, Sequence[tuple[str, bool]]]) -> dict[str, list[dict[str, Any]]]:
    """Rows of each partition, whose trials are (label, success)."""
    tables = {}
    for name, own in trials.items():
        labels = sorted({label for label, _ in own})
        if len(labels) < 2:
            continue
        successes = [sum(success for label, success in own if label == slice_) for slice_ in labels]
        totals = [sum(label == slice_ for label, _ in own) for slice_ in labels]
        tables[name] = [asdict(r) for r in evaluate_slices(successes, totals, labels)]
    return tables
