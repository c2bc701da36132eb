"""Average precision of weighted photos: sorted once, then any number of weightings at little cost."""

from typing import Final

import numpy as np

from models.evaluation.detection.matching import DetectionMatches

RECALL_POINTS: Final = np.linspace(0, 1, 101)
BLOCK_VALUES: Final = 4_000_000


def average_precision(matches: DetectionMatches) -> np.ndarray:
    """Measure the photos as they are.

    Returns:
        float64 (C, T), [0, 1]; NaN for a class without any annotated box. Column 0 of COCO's thresholds is ap_50, the
        mean of its columns ap_50_95.
    """
    ones = np.ones((1, len(matches.gt_counts)), np.int64)
    columns = [weighted_average_precision(matches, ones, iou_threshold=t)[0] for t in matches.iou_thresholds]
    return np.stack(columns, axis=1)


def weighted_average_precision(
    matches: DetectionMatches, weights: np.ndarray, *, iou_threshold: float = 0.5
) -> np.ndarray:
    """Measure B samples that hold photo p weights[b, p] times.

    Args:
        matches: of P photos and C classes.
        weights: int (B, P), not negative.
        iou_threshold: one of matches.iou_thresholds.

    Returns:
        float64 (B, C), [0, 1]; NaN where no annotated box of the class is drawn.

    Source: COCO's evaluation: the falling envelope of precision at 101 recalls. Here: precision is looked up only
    where a prediction is right, which is where the envelope has its steps; copies of a photo stand side by side.
    """
    column = matches.column(iou_threshold)
    totals = weights @ matches.gt_counts  # (B, C)
    found = np.full(totals.shape, np.nan)
    for class_id in range(totals.shape[1]):
        is_own = matches.class_ids == class_id
        photo_ids, is_match = matches.photo_ids[is_own], matches.is_match[is_own, column]
        last = np.flatnonzero(is_match).max(initial=-1) + 1  # wrong ones after the last right one count for nothing
        photo_ids, is_match = photo_ids[:last], is_match[:last]
        step = max(BLOCK_VALUES // max(last, 1), 1)
        for start in range(0, len(weights), step):
            block = slice(start, start + step)
            found[block, class_id] = _areas(weights[block], photo_ids, is_match, totals[block, class_id])
    return found


def _areas(weights: np.ndarray, photo_ids: np.ndarray, is_match: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Mean of the envelope at RECALL_POINTS, float64 (B,); weights (B, P), photo_ids and is_match (D,), totals (B,)."""
    right = np.cumsum(weights[:, photo_ids[is_match]], axis=1)  # (B, R): of the R right ones
    drawn = np.cumsum(weights[:, photo_ids], axis=1)[:, is_match]
    precisions = np.divide(right, drawn, out=np.zeros(right.shape), where=drawn > 0)
    envelope = np.maximum.accumulate(precisions[:, ::-1], axis=1)[:, ::-1]
    # One sorted search for all rows: row b's counts are raised above those of the rows before it.
    needed = _needed_counts(totals)  # (B, 101)
    room = int(max(right.max(initial=0), needed.max(initial=0))) + 1
    raised = (np.arange(len(weights)) * room)[:, None]
    places = np.searchsorted((right + raised).ravel(), (needed + raised).ravel()).reshape(needed.shape)
    places -= (np.arange(len(weights)) * right.shape[1])[:, None]  # R where the recall is not reached
    padded = np.concatenate([envelope, np.zeros((len(weights), 1))], axis=1)
    areas = np.take_along_axis(padded, np.clip(places, 0, right.shape[1]), axis=1).mean(axis=1)
    return np.where(totals > 0, areas, np.nan)


def _needed_counts(totals: np.ndarray) -> np.ndarray:
    """The least count whose share of a total reaches each recall, int64 (B, 101), exactly as the quotient rounds."""
    own = np.maximum(totals, 1)[:, None]
    counts = np.ceil(RECALL_POINTS * own).astype(np.int64)
    counts -= (counts - 1) / own >= RECALL_POINTS
    counts += counts / own < RECALL_POINTS
    return counts
