"""COCO's averages on weighted photos: from the matches that pycocotools made, any number of samples at little cost."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.evaluation.coco.precision import CocoOutcome
from models.evaluation.detection.average_precision import weighted_average_precision
from models.evaluation.detection.matching import DetectionMatches

SIZES = {"AP": 0, "AP_S": 1, "AP_M": 2, "AP_L": 3}
SINGLE_THRESHOLDS = {"AP50": 0.5, "AP75": 0.75}


def resample_measures(outcome: CocoOutcome, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Measure B samples that hold photo p weights[b, p] times.

    Args:
        outcome: of P photos.
        weights: int (B, P), not negative.

    Returns:
        By name of MEASURES: float64 (B,), the mean over the classes that a sample shows; NaN where it shows none.
    """
    found: dict[str, np.ndarray] = {}
    for name, size in SIZES.items():
        rows = [matches[size] for matches in outcome.matches]
        columns = [
            _mean_over_classes(rows, column, float(threshold), weights)
            for column, threshold in enumerate(outcome.iou_thresholds)
        ]
        found[name] = np.mean(columns, axis=0)
        if name == "AP":
            for single, threshold in SINGLE_THRESHOLDS.items():
                found[single] = columns[int(np.argmin(np.abs(outcome.iou_thresholds - threshold)))]
    return found


def _mean_over_classes(
    rows: Sequence[Sequence[Mapping[str, Any] | None]], column: int, iou_threshold: float, weights: np.ndarray
) -> np.ndarray:
    """Average precision at one threshold, float64 (B,); rows are of class c and photo p at [c][p]."""
    photo_ids, class_ids, scores, is_match = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)], []
    is_match.append(np.zeros((0, 1), bool))
    gt_counts = np.zeros((weights.shape[1], len(rows)), np.int64)
    for class_id, photos in enumerate(rows):
        for photo_id, row in enumerate(photos):
            if row is None:
                continue
            gt_counts[photo_id, class_id] = np.sum(np.asarray(row["gtIgnore"]) == 0)
            counts = ~np.asarray(row["dtIgnore"][column], bool)
            scores.append(np.asarray(row["dtScores"], np.float64)[counts])
            is_match.append(np.asarray(row["dtMatches"][column] > 0)[counts, None])
            photo_ids.append(np.full(len(scores[-1]), photo_id))
            class_ids.append(np.full(len(scores[-1]), class_id))
    order = np.argsort(-np.concatenate(scores), kind="stable")
    matches = DetectionMatches(
        np.concatenate(photo_ids)[order],
        np.concatenate(class_ids)[order],
        np.concatenate(scores)[order],
        np.concatenate(is_match)[order],
        gt_counts,
        (iou_threshold,),
    )
    values = weighted_average_precision(matches, weights, iou_threshold=iou_threshold)  # (B, C)
    shown = np.isfinite(values)
    sums, counts = np.where(shown, values, 0).sum(axis=1), shown.sum(axis=1)
    return np.divide(sums, counts, out=np.full(len(values), np.nan), where=counts > 0)
