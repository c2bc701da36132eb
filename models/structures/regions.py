"""Regions: one connected patch of damage, and polygons to masks and back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from models.structures.arrays import check_array


@dataclass(frozen=True)
class Region:
    """One connected patch of one damage class, photo frame.

    Attributes:
        class_id: 1 scratch, 2 dent, 3 spacing.
        points: outer border, (x, y) pixels, photo frame, at least three, in order, not closed.
        score: mean probability over the patch, [0, 1].
        area_px2: pixels of the patch, holes excluded.
        box_xyxy: whole photo pixels, max edge exclusive.
    """

    class_id: int
    points: tuple[tuple[float, float], ...]
    score: float
    area_px2: int
    box_xyxy: tuple[int, int, int, int]


def rasterise_polygons(polygons: Iterable[Sequence[Sequence[float]]], size_hw: tuple[int, int]) -> np.ndarray:
    """Fill polygons into one mask.

    Args:
        polygons: each a list of (x, y), pixels; points outside the frame are cut off.
        size_hw: height and width of the frame, pixels.

    Returns:
        bool (H, W); True inside any polygon, its border included.
    """
    mask = np.zeros(size_hw, np.uint8)
    for points in polygons:
        corners = np.round(np.asarray(points, np.float64).reshape(-1, 2)).astype(np.int32)
        cv2.fillPoly(mask, [corners], 1)
    return mask.astype(bool)


def trace_polygon(patch: np.ndarray) -> np.ndarray:
    """Trace the outer border of the largest connected part of a mask.

    Args:
        patch: bool (H, W) with at least one True pixel.

    Returns:
        int (P, 2), (x, y), P >= 3: a patch one or two pixels large repeats a point.
    """
    check_array("patch", patch, (None, None), np.bool_)
    contours, _ = cv2.findContours(patch.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    border = max(contours, key=lambda c: (cv2.contourArea(c), len(c))).reshape(-1, 2)
    if len(border) < 3:
        border = np.concatenate([border, np.repeat(border[-1:], 3 - len(border), axis=0)])
    return border
