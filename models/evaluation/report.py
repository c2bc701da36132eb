"""Judges a set of predictors on annotated photos, by the path that serving takes, into one report.

In:   annotated photos, predictors, options. Out: JSON-ready measures by sample, real and rendered photos apart.
Must not know: how a report is shown.

Keys: the sample ("real", "rendered"), then "localizer", "gate" with the protocols "across_sources" and "within_source",
"segmentation", "end_to_end", "slices"; models.evaluation.definitions says what each measure means. A measure that a
sample does not allow is missing; NAME_interval_95 holds the bootstrap interval over groups of NAME.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.data.photos import AnnotatedPhoto
from models.evaluation.ahead import map_ahead
from models.evaluation.bootstrap import Resampler, put
from models.evaluation.end_to_end import evaluate_end_to_end
from models.evaluation.gating import evaluate_gate
from models.evaluation.judgement import PhotoJudgement, judge_photo
from models.evaluation.path import BATCH_PHOTOS, PathOptions, Predictors, load_sized, predict_photos
from models.evaluation.segmentation import evaluate_segmentation
from models.evaluation.slicing import evaluate_all_slices
from models.evaluation.within_source import (
    GateWindow,
    build_within_source_windows,
    cut_alike,
    group_of,
    share_of_pairs_in_order,
)
from models.mask_policies import MASK_POLICIES

LOGIT_SHIFTS: Final = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""Added to the logit of every class threshold: the rows of the operating curve."""
NOMINAL_ROW: Final = LOGIT_SHIFTS.index(0.0)
THRESHOLD_RANGE: Final = (0.002, 0.998)
STATED_RECALL: Final = 0.9
WINDOW_SEED: Final = 0

Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]
"""Passes an iterable on while showing how far it is: (items, what, how many)."""


@dataclass(frozen=True)
class Judged:
    """Everything that a report is made of.

    Attributes:
        judgements: of each photo.
        windows: of the within-source protocol.
        window_scores: float64, the gate's, one a window.
        thresholds: float64 (T, 3), the rows that were judged.
        policies: the mask policies that were judged.
    """

    judgements: list[PhotoJudgement]
    windows: list[GateWindow]
    window_scores: np.ndarray
    thresholds: np.ndarray
    policies: tuple[str, ...]

    def choose(self, is_chosen: Callable[[AnnotatedPhoto], bool]) -> "Judged":
        """The same of some photos only."""
        kept = [is_chosen(w.photo) for w in self.windows]
        return Judged(
            [j for j in self.judgements if is_chosen(j.photo)],
            [w for w, is_kept in zip(self.windows, kept, strict=True) if is_kept],
            self.window_scores[np.array(kept, bool)],
            self.thresholds,
            self.policies,
        )


def shift_thresholds(class_thresholds: np.ndarray, shifts: Sequence[float] = LOGIT_SHIFTS) -> np.ndarray:
    """Scale class thresholds together, float64 (3,) to (T, 3): their odds times exp(shift), kept off 0 and 1."""
    odds = class_thresholds / (1 - class_thresholds) * np.exp(np.asarray(shifts, np.float64))[:, None]
    return np.clip(odds / (1 + odds), *THRESHOLD_RANGE)


def show_nothing(items: Iterable[Any], _what: str, _total: int) -> Iterable[Any]:
    """Progress of a quiet run."""
    return items


def judge_photos(
    photos: Sequence[AnnotatedPhoto],
    predictors: Predictors,
    options: PathOptions,
    *,
    show_progress: Progress = show_nothing,
) -> Judged:
    """Run the path over photos once and keep the counts of every policy at every row of the operating curve.

    Raises:
        DataError: a photo is missing, is no image or has another size than its annotation says.
        ValueError: a class threshold of 0 or 1.
    """
    own = predictors.class_thresholds
    if ((own <= 0) | (own >= 1)).any():
        raise ValueError(f"segmenter/card.json: class thresholds: expected numbers in (0, 1), found {own.tolist()}")
    thresholds, policies = shift_thresholds(own), tuple(MASK_POLICIES)
    thresholds[NOMINAL_ROW] = own
    predictions = show_progress(predict_photos(photos, predictors, options), "photos", len(photos))
    judge = partial(judge_photo, options=options, thresholds=thresholds, policies=policies, nominal=NOMINAL_ROW)
    judgements = list(map_ahead(judge, predictions))
    real = [j for j in judgements if not j.photo.is_rendered]
    rendered = [j for j in judgements if j.photo.is_rendered]
    windows = [
        window
        for sample in (real, rendered)
        for window in build_within_source_windows(
            [j.photo for j in sample], [j.window for j in sample], seed=WINDOW_SEED
        )
    ]
    scores = score_windows(windows, predictors, show_progress=show_progress)
    return Judged(judgements, windows, scores, thresholds, policies)


def score_windows(
    windows: Sequence[GateWindow], predictors: Predictors, *, show_progress: Progress = show_nothing
) -> np.ndarray:
    """Let the gate score windows, all cut alike; float64 (N,)."""
    scores: list[float] = []
    batches = [windows[start : start + BATCH_PHOTOS] for start in range(0, len(windows), BATCH_PHOTOS)]
    for batch in show_progress(batches, "windows for the gate", len(batches)):
        crops = [cut_alike(load_sized(window.photo), window.window) for window in batch]
        scores += [float(score) for score in predictors.gate.predict_scores(crops)]
    return np.array(scores, np.float64)


def split_samples(judged: Judged) -> dict[str, Judged]:
    """Real and rendered photos apart; a kind without photos is left out."""
    samples = {
        "real": judged.choose(lambda photo: not photo.is_rendered),
        "rendered": judged.choose(lambda photo: photo.is_rendered),
    }
    return {name: chosen for name, chosen in samples.items() if chosen.judgements}


def evaluate_judged(
    judged: Judged,
    options: PathOptions,
    *,
    gate_score_threshold: float,
    contexts: Mapping[Path, Mapping[str, str]] | None = None,
    stated_recall: float = STATED_RECALL,
) -> dict[str, Any]:
    """Measure what one sample allows.

    Args:
        judged: of one sample, at least one photo.
        options: the policies that serve.
        gate_score_threshold: a photo scoring this or more goes on.
        contexts: of photos, by path, for slices.
        stated_recall: the gate recall for which a threshold is told.

    Returns:
        Section name to measures.
    """
    judgements = judged.judgements
    resampler = Resampler([group_of(j.photo) for j in judgements])
    shared = {"row": NOMINAL_ROW, "policies": judged.policies, "serving": options.policies}
    is_damaged = np.array([j.photo.damage_level == 1 for j in judgements], bool)
    sections: dict[str, Any] = {
        "photos": len(judgements),
        "groups": len(np.unique(resampler.group_ids)),
        "damaged_photos": int(is_damaged.sum()),
        "undamaged_photos": int((~is_damaged).sum()),
        "localizer": evaluate_localizer(judgements, resampler),
        "gate": {
            "across_sources": evaluate_gate(
                np.array([j.gate_score for j in judgements]),
                is_damaged,
                [group_of(j.photo) for j in judgements],
                score_threshold=gate_score_threshold,
                stated_recall=stated_recall,
            ),
            "within_source": evaluate_within_source(
                judged, score_threshold=gate_score_threshold, stated_recall=stated_recall
            ),
        },
        "segmentation": evaluate_segmentation(
            judgements, resampler, gate_score_threshold=gate_score_threshold, **shared
        ),
        "end_to_end": evaluate_end_to_end(
            judgements, resampler, thresholds=judged.thresholds, gate_score_threshold=gate_score_threshold, **shared
        ),
        "slices": evaluate_all_slices(judgements, contexts or {}, gate_score_threshold=gate_score_threshold, **shared),
    }
    return sections


def evaluate_localizer(judgements: Sequence[PhotoJudgement], resampler: Resampler) -> dict[str, Any]:
    """Measure the box that gets cropped on photos whose car is annotated."""
    is_boxed = np.array([j.car_iou is not None for j in judgements], bool)
    if not is_boxed.any():
        return {}
    overlaps = np.array([j.car_iou or 0.0 for j in judgements])
    measures: dict[str, Any] = {"photos_with_box": int(is_boxed.sum())}
    put(measures, "iou50_rate", resampler.mean(overlaps >= 0.5, is_boxed))
    put(measures, "iou75_rate", resampler.mean(overlaps >= 0.75, is_boxed))
    put(measures, "mean_iou", resampler.mean(overlaps, is_boxed))
    put(measures, "no_box_rate", resampler.mean([not j.is_car_found for j in judgements], is_boxed))
    return measures


def evaluate_within_source(judged: Judged, *, score_threshold: float, stated_recall: float) -> dict[str, Any]:
    """Measure the gate on windows of the same photos with and without damage, and on undamaged photos' windows."""
    windows, scores = judged.windows, judged.window_scores
    is_damaged = np.array([w.kind == "damage" for w in windows], bool)
    measures = evaluate_gate(
        scores,
        is_damaged,
        [group_of(w.photo) for w in windows],
        score_threshold=score_threshold,
        stated_recall=stated_recall,
    )
    if not measures:
        return {}
    measures = {f"{n[:-7]}_windows" if n.endswith("damaged_photos") else n: v for n, v in measures.items()}
    is_pair = np.array([w.kind != "undamaged_photo" for w in windows], bool)
    pairs = evaluate_gate(
        scores[is_pair],
        is_damaged[is_pair],
        [group_of(w.photo) for w in windows if w.kind != "undamaged_photo"],
        score_threshold=score_threshold,
        stated_recall=stated_recall,
    )
    for key in ("roc_auc", "roc_auc_interval_95"):
        if key in pairs:
            measures[key.replace("roc_auc", "roc_auc_same_photos")] = pairs[key]
    in_order, groups = share_of_pairs_in_order(windows, scores)
    put(measures, "pairs_in_order", Resampler(groups).mean(in_order, np.ones(len(in_order), bool)))
    return measures
