"""Quality of damage masks, per class.

Counts of one photo each; models.evaluation.segmentation pools them over photos.
"""

import cv2
import numpy as np

from models.structures import check_array


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


def recall_regions_each(
    pred_masks: np.ndarray, gt_masks: np.ndarray, *, min_overlap: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """List the annotated patches and whether a share of each is predicted as damage of any class.

    Args:
        pred_masks: bool (C, H, W).
        gt_masks: bool (C, H, W).
        min_overlap: share of a patch's pixels, (0, 1].

    Returns:
        class_id, int64 (R,), area, int64 (R,) pixels, and is_found, bool (R,), by class and then place.
    """
    check_array("pred_masks", pred_masks, (None, None, None), np.bool_)
    check_array("gt_masks", gt_masks, pred_masks.shape, np.bool_)
    anything = pred_masks.any(axis=0)
    class_ids, areas, found = [], [], []
    for channel, mask in enumerate(gt_masks):
        count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        sizes = np.bincount(labels.ravel(), minlength=count)[1:]
        hits = np.bincount(labels[anything], minlength=count)[1:]
        class_ids.append(np.full(count - 1, channel + 1))
        areas.append(sizes)
        found.append(hits >= min_overlap * sizes)
    return np.concatenate(class_ids), np.concatenate(areas).astype(np.int64), np.concatenate(found)


def iou_seed_convention(
    intersection: np.ndarray, predicted: np.ndarray, annotated: np.ndarray, counted: np.ndarray
) -> np.ndarray:
    """IoU of each binary map as the seed seems to have counted it: the mean of foreground and background.

    Source: SEEDS E6, where 96.7 is reached only if background and photos without damage count. Here: per photo and
    class, (foreground IoU + background IoU) / 2, the foreground's being 1 where nothing is predicted nor annotated;
    averaged over photos and classes by the caller.

    Args:
        intersection: int (…,), pixels both predicted and annotated.
        predicted: int (…,), pixels.
        annotated: int (…,), pixels.
        counted: int (…,), pixels that count at all.

    Returns:
        float64 (…,), [0, 1].
    """
    union = predicted + annotated - intersection
    foreground = np.divide(intersection, union, out=np.ones(np.shape(union)), where=union > 0)
    sound_union = counted - intersection
    background = np.divide(counted - union, sound_union, out=np.ones(np.shape(union)), where=sound_union > 0)
    return (foreground + background) / 2
