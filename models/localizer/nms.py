"""Non-maximum suppression: of boxes that overlap, keep the one with the highest score."""

import numpy as np

from models.structures import ContractError, check_array, pairwise_iou_xyxy


def suppress_boxes(
    boxes_xyxy: np.ndarray,
    scores: np.ndarray,
    *,
    score_threshold: float,
    iou_threshold: float,
    class_ids: np.ndarray | None = None,
    max_boxes: int = 100,
) -> np.ndarray:
    """Choose the boxes to keep.

    Args:
        boxes_xyxy: float (N, 4), any frame.
        scores: float (N,), [0, 1].
        score_threshold: a box with this score or less is dropped.
        iou_threshold: a box whose IoU with a kept one is greater is dropped; an equal one is kept.
        class_ids: int (N,); boxes of different classes never suppress each other. None: one class.
        max_boxes: at most so many are kept.

    Returns:
        int64 (K,), indices into the arguments, best score first; of equal scores the lower index first.

    Raises:
        ContractError: shapes disagree, or a score is NaN or outside [0, 1].

    Source: SEEDS E8: drop low scores, sort, drop IoU greater than the threshold.
    """
    count = len(scores)
    if boxes_xyxy.shape != (count, 4):
        raise ContractError(f"boxes_xyxy: expected shape ({count}, 4), found {boxes_xyxy.shape}")
    check_array("scores", scores, (None,), scores.dtype, value_range=(0.0, 1.0))
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] > score_threshold]
    kept: list[int] = []
    while len(order) and len(kept) < max_boxes:
        first, rest = order[0], order[1:]
        kept.append(int(first))
        iou = pairwise_iou_xyxy(boxes_xyxy[first : first + 1], boxes_xyxy[rest])[0]  # (R,)
        is_suppressed = iou > iou_threshold
        if class_ids is not None:
            is_suppressed &= class_ids[rest] == class_ids[first]
        order = rest[~is_suppressed]
    return np.array(kept, np.int64)
