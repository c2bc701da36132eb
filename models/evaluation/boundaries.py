"""Quality of mask borders: how much of each border runs beside the other."""

from typing import Final

import cv2
import numpy as np

from models.structures import check_array

TOLERANCE_PX: Final = 2


def trace_boundary(mask: np.ndarray) -> np.ndarray:
    """Mark the pixels of a mask that touch a pixel outside it by a side; bool (H, W).

    The frame's edge is no border: what lies beyond it is unknown.
    """
    check_array("mask", mask, (None, None), np.bool_)
    padded = np.pad(mask, 1, mode="edge")
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inside


def count_boundary(pred_mask: np.ndarray, gt_mask: np.ndarray, *, tolerance_px: int = TOLERANCE_PX) -> np.ndarray:
    """Count border pixels and those of them near the other mask's border.

    Args:
        pred_mask: bool (H, W).
        gt_mask: bool (H, W).
        tolerance_px: near is a Euclidean distance of so much or less.

    Returns:
        int64 (4,): predicted ones that are near, predicted, annotated ones that are near, annotated.

    Source: Perazzi et al. 2016 (DAVIS), section 5.1, contour accuracy F, with its matching by dilation. Here: counts,
    so that photos can be pooled, and a tolerance in pixels of the photo.
    """
    check_array("gt_mask", gt_mask, pred_mask.shape, np.bool_)
    pred, gt = trace_boundary(pred_mask), trace_boundary(gt_mask)
    near_gt, near_pred = _widen(gt, tolerance_px), _widen(pred, tolerance_px)
    return np.array([(pred & near_gt).sum(), pred.sum(), (gt & near_pred).sum(), gt.sum()], np.int64)


def boundary_f(counts: np.ndarray) -> np.ndarray:
    """Harmonic mean of the borders' precision and recall.

    Args:
        counts: float or int (…, 4), as count_boundary has them, summed over photos.

    Returns:
        float64 (…,), [0, 1]; 0 where no border is near or predicted, NaN where none is annotated.
    """
    near_pred, pred, near_gt, gt = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    precision = np.divide(near_pred, pred, out=np.zeros_like(pred), where=pred > 0)
    recall = np.divide(near_gt, gt, out=np.full_like(gt, np.nan), where=gt > 0)
    total = precision + recall
    f = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    return np.where(np.isnan(recall), np.nan, f)


def _widen(boundary: np.ndarray, radius_px: int) -> np.ndarray:
    """Add all pixels within a Euclidean distance."""
    offsets = np.arange(-radius_px, radius_px + 1)
    disk = (offsets[:, None] ** 2 + offsets**2 <= radius_px**2).astype(np.uint8)
    return cv2.dilate(boundary.astype(np.uint8), disk).astype(bool)
