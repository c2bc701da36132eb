"""The body as one photo sees it: which zone, part, glass, opening or panel line lies under each pixel."""

from dataclasses import dataclass

import cv2
import numpy as np

from models.renderer.canvas import Canvas, paint_canvas
from models.renderer.car import Vehicle
from models.renderer.end_artwork import draw_front, draw_rear
from models.renderer.pixels import dot, spread
from models.renderer.raster import SurfaceBuffers
from models.renderer.shapes import Shape
from models.renderer.side_artwork import draw_side

ZONES = ("left", "right", "front", "rear")
_LINE_MIN_WIDTH_M = 0.0039  # narrower lines are trim: no panel edge that could shift

_WIDEST_LINE_PX = 1.8  # of the photo at 480 x 640; a wider dark line is a gap
_CANVAS_SHARPNESS = 1.25  # canvas pixels to a photo pixel


@dataclass(frozen=True)
class ZoneSight:
    """One zone as the photo sees it.

    Attributes:
        canvas: drawing surface at about the photo's resolution.
        map_xy: float32 (2, h, w), x and y of the canvas pixel under each window pixel.
        is_zone: bool (h, w), pixels of this zone.
    """

    canvas: Canvas
    map_xy: np.ndarray
    is_zone: np.ndarray

    def look_through(self, drawing: np.ndarray) -> np.ndarray:
        """Carry a canvas drawing, (hc, wc[, C]), into the window, (h, w[, C]); 0 outside the zone."""
        seen = cv2.remap(drawing, self.map_xy[0], self.map_xy[1], cv2.INTER_LINEAR)
        seen[~self.is_zone] = 0
        return seen


@dataclass(frozen=True)
class BodySight:
    """Everything flat on the body, in the window's frame.

    Attributes:
        zones: visible zones by name.
        part_albedo: float32 (h, w, 3), linear RGB.
        part, glass, hole, line: float32 (h, w), opacity, [0, 1].
    """

    zones: dict[str, ZoneSight]
    part_albedo: np.ndarray
    part: np.ndarray
    glass: np.ndarray
    hole: np.ndarray
    line: np.ndarray


def draw_zones(vehicle: Vehicle) -> dict[str, list[Shape]]:
    """Shapes of each zone of one vehicle."""
    side = draw_side(vehicle)
    return {"left": side, "right": side, "front": draw_front(vehicle), "rear": draw_rear(vehicle)}


def panel_lines(shapes: dict[str, list[Shape]]) -> dict[str, list[Shape]]:
    """Lines between panels, by zone."""
    return {
        zone: [s for s in drawn if s.layer == "line" and s.width_m >= _LINE_MIN_WIDTH_M]
        for zone, drawn in shapes.items()
    }


def sight_body(buffers: SurfaceBuffers, shapes: dict[str, list[Shape]], frame_scale: float) -> BodySight:
    """Find what lies under each pixel.

    Args:
        buffers: surface point and normal under each pixel.
        shapes: what is drawn on each zone.
        frame_scale: photo size relative to 480 x 640.

    Returns:
        The sight, in the buffers' window.
    """
    position, normal = buffers.position, buffers.normal
    is_seen = dot(normal, normal) > 0.5
    normal_x, normal_y, _ = cv2.split(normal)
    is_side = np.abs(normal_y) >= np.abs(normal_x)
    is_zone = {
        "left": is_seen & is_side & (normal_y >= 0),
        "right": is_seen & is_side & (normal_y < 0),
        "front": is_seen & ~is_side & (normal_x > 0),
        "rear": is_seen & ~is_side & (normal_x <= 0),
    }
    size = is_seen.shape
    parts, layers = np.zeros((*size, 4), np.uint8), np.zeros((*size, 3), np.uint8)
    zones = {}
    for name in ZONES:
        if np.count_nonzero(is_zone[name]) < 24:
            continue
        zones[name] = sight = _sight_zone(position, is_zone[name], 0 if name in ("left", "right") else 1, frame_scale)
        drawn_parts, drawn_layers = paint_canvas(sight.canvas, shapes[name])
        for target, drawn in ((parts, drawn_parts), (layers, drawn_layers)):
            seen = cv2.remap(drawn, sight.map_xy[0], sight.map_xy[1], cv2.INTER_LINEAR)
            np.copyto(target, seen, where=sight.is_zone[..., None])
    glass, hole, line = cv2.split(layers.astype(np.float32) * np.float32(1 / 255))
    alpha = parts[..., 3].astype(np.float32) * np.float32(1 / 255)
    root = parts[..., :3].astype(np.float32) * spread(1 / (255 * np.maximum(alpha, 1e-3)))
    return BodySight(zones, root * root, alpha, glass, hole, line)


def _sight_zone(position: np.ndarray, is_zone: np.ndarray, plane: int, frame_scale: float) -> ZoneSight:
    seen = position[is_zone][:, [plane, 2]]
    low, high = seen.min(axis=0) - 0.02, seen.max(axis=0) + 0.02
    # metres from pixel to pixel, sampled; the nearer part of the zone sets the scale
    here, right, down = np.s_[:-1:3, :-1:3], np.s_[:-1:3, 1::3], np.s_[1::3, :-1:3]
    flat = position[..., plane::2][..., :2] if plane == 0 else position[..., 1:]
    step = np.maximum(np.abs(flat[right] - flat[here]), np.abs(flat[down] - flat[here]))
    inside = is_zone[here] & is_zone[right] & is_zone[down]
    pixels_per_m = 1 / np.maximum(np.percentile(step[inside], 25, axis=0), 1e-4) if inside.any() else np.full(2, 30.0)
    scale = np.clip(_CANVAS_SHARPNESS * pixels_per_m, 12, 2200 / np.maximum(high - low, 1e-3))
    size_wh = np.ceil((high - low) * scale).astype(int) + 1
    canvas = Canvas(
        (float(low[0]), float(low[1])),
        (float(scale[0]), float(scale[1])),
        (int(size_wh[1]), int(size_wh[0])),
        _WIDEST_LINE_PX * _CANVAS_SHARPNESS * frame_scale,
    )
    low, scale = low.astype(np.float32), scale.astype(np.float32)
    map_xy = np.stack([(position[..., plane] - low[0]) * scale[0], (position[..., 2] - low[1]) * scale[1]])
    return ZoneSight(canvas, map_xy, is_zone)
