"""Detections painted into maps: boxes with small mask probs become probs per pixel and class.

In:   boxes, scores, mask probs, crop frame. Out: float32 (3, h, w), crop frame.
Must not know: networks, thresholds' origin, torch.
"""

from collections.abc import Sequence

import numpy as np

from models.structures import DAMAGE_CLASSES


def paint_objects(
    boxes_xyxy_crop: np.ndarray,
    channels: np.ndarray,
    scores: np.ndarray,
    mask_probs: np.ndarray,
    size_hw: tuple[int, int],
) -> np.ndarray:
    """Paint score × mask prob of each detection into its class; where several overlap the largest stays.

    Args:
        boxes_xyxy_crop: float (K, 4), inside the crop.
        channels: int (K,), indices into DAMAGE_CLASSES.
        scores: float (K,), [0, 1].
        mask_probs: float (K, S, S), [0, 1], over the box from edge to edge.
        size_hw: of the crop, pixels.

    Returns:
        float32 (3, h, w), [0, 1]: every pixel that a box touches gets its mask's value under the pixel's middle,
        bilinear, the outermost cells held to the edge.

    Source: He et al. 2017, arXiv 1703.06870, section 3.1. Here: pixels at the edge do not fade.
    """
    probs = np.zeros((len(DAMAGE_CLASSES), *size_hw), np.float32)
    for box, channel, score, mask in zip(boxes_xyxy_crop, channels, scores, mask_probs, strict=True):
        x0, y0, x1, y1 = (float(v) for v in box)
        rows, row_weights = _weigh_cells(y0, y1, size_hw[0], mask.shape[0])
        columns, column_weights = _weigh_cells(x0, x1, size_hw[1], mask.shape[1])
        patch = np.clip(row_weights @ mask @ column_weights.T, 0, 1) * score  # (rows, columns)
        seen = probs[channel, rows, columns]
        np.maximum(seen, patch, out=seen, casting="same_kind")
    return probs


def carry_thresholds(probs: np.ndarray, from_thresholds: Sequence[float], to_thresholds: Sequence[float]) -> np.ndarray:
    """Shift each class' log-odds so that one value becomes another; 0 and 1 stay, and so does every order.

    Args:
        probs: float32 (C, h, w), [0, 1].
        from_thresholds: (C,), each above 0 and below 1.
        to_thresholds: (C,), what they become.

    Returns:
        float32 (C, h, w), [0, 1].
    """
    source = np.asarray(from_thresholds, np.float64)[:, None, None]
    target = np.clip(np.asarray(to_thresholds, np.float64), 1e-6, 1 - 1e-6)[:, None, None]
    up, down = (target * (1 - source)).astype(np.float32), ((1 - target) * source).astype(np.float32)
    return probs * up / (probs * up + (1 - probs) * down)


def _weigh_cells(low: float, high: float, length: int, cells: int) -> tuple[slice, np.ndarray]:
    """Pixels that a box touches on one axis, and what share of each mask cell they show: float32 (n, cells)."""
    first = min(max(int(np.floor(low)), 0), length - 1)
    last = min(max(int(np.ceil(high)), first + 1), length)
    middles = np.arange(first, last) + 0.5
    places = (middles - low) / max(high - low, 1e-6) * cells - 0.5
    places = np.clip(places, 0, cells - 1)[:, None]
    weights = np.clip(1 - np.abs(places - np.arange(cells)), 0, None)
    return slice(first, last), weights.astype(np.float32)
