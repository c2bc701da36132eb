"""Axis-aligned boxes as float arrays, xyxy, pixels, max edge exclusive."""

import numpy as np


def box_area_px2(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Measure boxes.

    Args:
        boxes_xyxy: float (N, 4), any frame.

    Returns:
        float (N,), pixels squared; an inverted box has area 0.
    """
    extent = np.clip(boxes_xyxy[..., 2:] - boxes_xyxy[..., :2], 0, None)
    return extent[..., 0] * extent[..., 1]


def largest_box(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Choose the box of the greatest area, which is the car that gets cropped; of equal ones the first.

    Args:
        boxes_xyxy: float (N, 4), N >= 1, any frame.

    Returns:
        float (4,).
    """
    return boxes_xyxy[int(box_area_px2(boxes_xyxy).argmax())]


def pairwise_iou_xyxy(boxes_a_xyxy: np.ndarray, boxes_b_xyxy: np.ndarray) -> np.ndarray:
    """Intersection over union of every box of one set with every box of another.

    Args:
        boxes_a_xyxy: float (N, 4).
        boxes_b_xyxy: float (M, 4), same frame.

    Returns:
        float (N, M), [0, 1]; 0 where both boxes are empty.
    """
    a, b = np.asarray(boxes_a_xyxy, np.float64), np.asarray(boxes_b_xyxy, np.float64)
    low = np.maximum(a[:, None, :2], b[None, :, :2])  # (N, M, 2)
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    intersection = np.prod(np.clip(high - low, 0, None), axis=-1)  # (N, M)
    union = box_area_px2(a)[:, None] + box_area_px2(b)[None, :] - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


def clip_boxes_xyxy(boxes_xyxy: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Cut boxes at the borders of a frame.

    Args:
        boxes_xyxy: float (N, 4).
        size_hw: height and width of the frame, pixels.

    Returns:
        float (N, 4), a new array.
    """
    height, width = size_hw
    return np.clip(boxes_xyxy, 0, np.array([width, height, width, height]))
