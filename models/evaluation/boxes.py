"""Quality of car boxes: the crop is one box a photo, so one box a photo is judged."""

from collections.abc import Sequence

import numpy as np

from models.structures import largest_box, pairwise_iou_xyxy


def iou_of_largest(pred_boxes_xyxy: np.ndarray, gt_box_xyxy: Sequence[float]) -> float:
    """IoU of the annotated car with the largest predicted box, which is the one that gets cropped.

    Args:
        pred_boxes_xyxy: float (K, 4).
        gt_box_xyxy: the car, same frame.

    Returns:
        [0, 1]; 0 where nothing was predicted.
    """
    if not len(pred_boxes_xyxy):
        return 0.0
    return float(pairwise_iou_xyxy(largest_box(pred_boxes_xyxy)[None], np.asarray(gt_box_xyxy, np.float64)[None])[0, 0])
