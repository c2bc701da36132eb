"""Quality of damage masks, per class.

Background never counts: a photo without the class adds nothing to the IoU, its false regions are counted apart.
"""

from collections.abc import Iterable

import cv2
import numpy as np

from models.structures import ContractError, check_array


def count_overlap(
    pred_masks: np.ndarray, gt_masks: np.ndarray, ignored: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count pixels of one photo.

    Args:
        pred_masks: bool (C, H, W).
        gt_masks: bool (C, H, W).
        ignored: bool (H, W); these pixels count for nothing.

    Returns:
        intersection, predicted and annotated pixels, int64 (C,) each.

    Raises:
        ContractError: shapes or dtypes differ.
    """
    check_array("pred_masks", pred_masks, (None, None, None), np.bool_)
    check_array("gt_masks", gt_masks, pred_masks.shape, np.bool_)
    counted = np.ones(pred_masks.shape[1:], bool) if ignored is None else ~ignored
    pred, gt = pred_masks & counted, gt_masks & counted
    return tuple(masks.sum(axis=(1, 2), dtype=np.int64) for masks in (pred & gt, pred, gt))


def iou_foreground_positives(counts: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> np.ndarray:
    """Intersection over union per class, pixels pooled over the photos that show the class.

    Args:
        counts: count_overlap of each photo.

    Returns:
        float64 (C,), [0, 1]; NaN for a class that no photo shows.
    """
    intersection, predicted, annotated = _pool_positives(counts)
    with np.errstate(invalid="ignore"):
        return intersection / np.where(annotated > 0, predicted + annotated - intersection, np.nan)


def dice_foreground_positives(counts: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> np.ndarray:
    """Dice coefficient per class, pixels pooled over the photos that show the class; float64 (C,), NaN for none."""
    intersection, predicted, annotated = _pool_positives(counts)
    with np.errstate(invalid="ignore"):
        return 2 * intersection / np.where(annotated > 0, predicted + annotated, np.nan)


def _pool_positives(
    counts: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = [np.stack(count) for count in counts]
    if not rows:
        raise ContractError("counts: expected at least one photo, found none")
    pooled = np.stack(rows)  # (photos, 3, C)
    shows = pooled[:, 2] > 0  # (photos, C)
    sums = (pooled * shows[:, None, :]).sum(axis=0).astype(np.float64)
    return sums[0], sums[1], sums[2]


def count_regions(masks: np.ndarray, *, min_area_px2: int) -> np.ndarray:
    """Count connected patches per class.

    Args:
        masks: bool (C, H, W).
        min_area_px2: smaller patches are not counted.

    Returns:
        int64 (C,).
    """
    check_array("masks", masks, (None, None, None), np.bool_)
    counts = []
    for mask in masks:
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        counts.append(int((stats[1:, cv2.CC_STAT_AREA] >= min_area_px2).sum()))
    return np.array(counts, np.int64)


def recall_regions(
    pred_masks: np.ndarray, gt_masks: np.ndarray, *, min_overlap: float
) -> tuple[np.ndarray, np.ndarray]:
    """Count annotated patches per class, and those of which at least a share is predicted as damage of any class.

    Args:
        pred_masks: bool (C, H, W).
        gt_masks: bool (C, H, W).
        min_overlap: share of a patch's pixels, (0, 1].

    Returns:
        found and annotated patches, int64 (C,) each.
    """
    check_array("pred_masks", pred_masks, (None, None, None), np.bool_)
    check_array("gt_masks", gt_masks, pred_masks.shape, np.bool_)
    anything = pred_masks.any(axis=0)
    found, annotated = np.zeros(len(gt_masks), np.int64), np.zeros(len(gt_masks), np.int64)
    for channel, mask in enumerate(gt_masks):
        count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        sizes = np.bincount(labels.ravel(), minlength=count)[1:]
        hits = np.bincount(labels[anything], minlength=count)[1:]
        annotated[channel] = count - 1
        found[channel] = int((hits >= min_overlap * sizes).sum())
    return found, annotated
