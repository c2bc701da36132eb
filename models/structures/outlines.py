"""outlines: masks as polygons that give them back, and what a paste leaves of the outlines that were there.

In:   masks, bool (H, W); outlines, (x, y) photo pixels. Out: outlines.
Must not know: files, labels, the GAN.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from models.structures.regions import rasterise_polygons, trace_polygon


def trace_all(mask: np.ndarray) -> list[np.ndarray]:
    """Trace a mask into polygons that, filled, give it back; what has a hole is cut in two until it has none.

    Args:
        mask: bool (H, W).

    Returns:
        int (P, 2) each, (x, y).
    """
    polygons = []
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    for label in range(1, count):
        x, y, width, height = (int(v) for v in stats[label, :4])
        patch = labels[y : y + height, x : x + width] == label
        polygons += [points + np.array([x, y]) for points in _trace_patch(patch)]
    return polygons


def find_visible(outline_xy: np.ndarray, pasted: np.ndarray) -> list[np.ndarray]:
    """Tell what a paste leaves of an outline.

    Args:
        outline_xy: (P, 2), photo frame.
        pasted: bool (H, W), True = a pixel of the paste.

    Returns:
        (Q, 2) each, photo frame: the outline itself where the paste covers none of it, else traced from the pixels that
        still show; none where nothing does.
    """
    mask = rasterise_polygons([outline_xy.tolist()], pasted.shape)
    if not (mask & pasted).any():
        return [outline_xy]
    return trace_all(mask & ~pasted)


def open_hairline(outline_xy: np.ndarray) -> np.ndarray:
    """Give an outline that encloses nothing, as of pixels in one row, an area, and the same pixels when filled.

    Args:
        outline_xy: (P, 2), P >= 3, pixels.

    Returns:
        (Q, 2): the outline itself, where it encloses something; else its corners and two more, a quarter of a pixel
        from the first, which rounding takes back.
    """
    if _enclosed_area_px2(outline_xy) > 0:
        return outline_xy
    x, y = outline_xy[0]
    return np.concatenate([[[x, y], [x + 0.25, y], [x, y + 0.25]], outline_xy])


def to_points(outlines_xy: Sequence[np.ndarray]) -> list[list[list[float]]]:
    """Outlines as JSON has them."""
    return [[[float(x), float(y)] for x, y in outline] for outline in outlines_xy]


def _enclosed_area_px2(outline_xy: np.ndarray) -> float:
    (x, y), (next_x, next_y) = outline_xy.T, np.roll(outline_xy, -1, axis=0).T
    return float(abs(np.dot(x, next_y) - np.dot(y, next_x)) / 2)


def _trace_patch(patch: np.ndarray) -> list[np.ndarray]:
    border = trace_polygon(patch)
    filled = cv2.fillPoly(np.zeros(patch.shape, np.uint8), [border.astype(np.int32)], 1).astype(bool)
    if (filled == patch).all():
        return [border]
    height, width = patch.shape
    if height >= width:
        parts = ((patch[: height // 2], (0, 0)), (patch[height // 2 :], (0, height // 2)))
    else:
        parts = ((patch[:, : width // 2], (0, 0)), (patch[:, width // 2 :], (width // 2, 0)))
    return [points + np.array(offset) for part, offset in parts for points in trace_all(part)]
