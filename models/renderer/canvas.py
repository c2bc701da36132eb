"""A drawing surface over part of a zone of the body."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from models.renderer.shapes import Shape

_SUBPIXEL_BITS = 4
_FAR_PX = 20_000  # beyond any canvas, within OpenCV's fixed-point range


@dataclass(frozen=True)
class Canvas:
    """A drawing surface over part of a zone's plane.

    Attributes:
        origin: plane coordinates of the first pixel's centre, metres.
        scale: pixels per metre along both axes of the plane.
        size_hw: pixels.
        widest_line_px: panel lines are drawn no wider; canvas pixels.
    """

    origin: tuple[float, float]
    scale: tuple[float, float]
    size_hw: tuple[int, int]
    widest_line_px: float

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """Plane coordinates, float (..., 2), metres, to canvas pixels."""
        return (np.asarray(points) - self.origin) * self.scale

    def draw(
        self, target: np.ndarray, points: np.ndarray, value: float | Sequence[float], width_m: float = 0.0
    ) -> None:
        """Draw a filled polygon, or an open line of width_m, into a uint8 canvas, anti-aliased."""
        fixed = np.round(np.clip(self.to_pixels(points), -_FAR_PX, _FAR_PX) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
        if width_m == 0:
            cv2.fillPoly(target, [fixed], value, lineType=cv2.LINE_AA, shift=_SUBPIXEL_BITS)
        else:
            thickness = max(round(width_m * float(np.mean(self.scale))), 1)
            cv2.polylines(target, [fixed], False, value, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)


def paint_canvas(canvas: Canvas, shapes: list[Shape]) -> tuple[np.ndarray, np.ndarray]:
    """Draw a zone's shapes.

    Args:
        canvas: where.
        shapes: what, in order.

    Returns:
        Parts, uint8 (h, w, 4): square root of the linear RGB times opacity, then opacity; and layers, uint8 (h, w, 3):
        glass, hole, panel line.
    """
    parts = np.zeros((*canvas.size_hw, 4), np.uint8)
    glass, hole, seam = (np.zeros(canvas.size_hw, np.uint8) for _ in range(3))
    for shape in shapes:
        if shape.layer == "part":
            canvas.draw(parts, shape.points, (*(float(np.sqrt(v) * 255) for v in shape.colour), 255), shape.width_m)
            canvas.draw(glass, shape.points, 0, shape.width_m)
        elif shape.layer == "line":
            # a line thinner than a pixel is drawn one pixel wide and weaker
            strength = min(1.0, max(shape.width_m * float(np.mean(canvas.scale)), 0.45))
            widest_m = canvas.widest_line_px / float(np.mean(canvas.scale))
            canvas.draw(seam, shape.points, 255 * strength, min(shape.width_m, widest_m))
        else:
            canvas.draw(glass if shape.layer == "glass" else hole, shape.points, 255)
    # a line stops at parts and glass
    seam = cv2.min(seam, 255 - cv2.max(np.ascontiguousarray(parts[..., 3]), glass))
    return parts, cv2.merge((glass, hole, seam))
