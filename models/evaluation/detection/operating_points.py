"""Precision and recall of a detector at one score_threshold."""

from dataclasses import dataclass

import numpy as np

from models.evaluation.detection.matching import DetectionMatches


@dataclass(frozen=True)
class OperatingPoint:
    """A detector that shows the boxes of score >= score_threshold.

    Attributes:
        score_threshold: one for all classes.
        precision: float64 (C,), right ones among the shown; 0 where none is shown, NaN for a class without truth.
        recall: float64 (C,), right ones among the annotated; NaN for a class without truth.
        f1: float64 (C,), harmonic mean of the two; NaN likewise.
    """

    score_threshold: float
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray


def measure_operating_point(
    matches: DetectionMatches, *, score_threshold: float = 0.25, iou_threshold: float = 0.5
) -> OperatingPoint:
    """Measure precision and recall of each class.

    Args:
        matches: of any sample.
        score_threshold: a box with this score is shown.
        iou_threshold: one of matches.iou_thresholds.
    """
    is_match = matches.is_match[:, matches.column(iou_threshold)]
    is_shown = matches.scores >= score_threshold
    class_count = matches.gt_counts.shape[1]
    shown = np.bincount(matches.class_ids[is_shown], minlength=class_count)
    right = np.bincount(matches.class_ids[is_shown & is_match], minlength=class_count)
    return OperatingPoint(score_threshold, *_rates(right, shown, matches.gt_counts.sum(axis=0)))


def find_highest_f1(matches: DetectionMatches, *, iou_threshold: float = 0.5) -> OperatingPoint:
    """Find the score_threshold with the highest F1, averaged over the classes that have truth.

    Args:
        matches: of any sample.
        iou_threshold: one of matches.iou_thresholds.

    Returns:
        Of equal ones the highest score_threshold; 1 where nothing is right anywhere.

    Source: YOLOv5's val.py, which reports P and R there. Here: at every score that occurs, instead of smoothed over
    1000 steps; so measure it where a tenth of a point matters, with a score_threshold chosen on other photos.
    """
    is_match = matches.is_match[:, matches.column(iou_threshold)]
    totals = matches.gt_counts.sum(axis=0)
    is_last = np.append(matches.scores[1:] != matches.scores[:-1], True)[: len(matches.scores)]  # of equal scores
    sums = np.zeros(int(is_last.sum()))
    for class_id in np.flatnonzero(totals):
        is_own = matches.class_ids == class_id
        shown, right = np.cumsum(is_own)[is_last], np.cumsum(is_own & is_match)[is_last]
        sums += 2 * right / (shown + totals[class_id])
    highest = float(matches.scores[is_last][sums.argmax()]) if sums.max(initial=0) > 0 else 1.0
    return measure_operating_point(matches, score_threshold=highest, iou_threshold=iou_threshold)


def _rates(right: np.ndarray, shown: np.ndarray, totals: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and F1, float64 (C,) each."""
    has_truth = totals > 0
    precision = np.divide(right, shown, out=np.zeros(len(totals)), where=shown > 0)
    recall = np.divide(right, totals, out=np.zeros(len(totals)), where=has_truth)
    f1 = np.divide(2 * right, shown + totals, out=np.zeros(len(totals)), where=shown + totals > 0)
    return tuple(np.where(has_truth, values, np.nan) for values in (precision, recall, f1))
