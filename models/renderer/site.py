"""Where on the seen body damage can be.

All arrays are in the window's frame, the part of the photo that the body fills.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from models.renderer.body import BodySight
from models.renderer.canvas import Canvas
from models.renderer.pixels import dot
from models.renderer.raster import SurfaceBuffers
from models.renderer.shapes import Shape

LINE_STEP_M = 0.01
_GAP_ROOM_PX = 7  # at 480 x 640, between a panel line that may open and the border of what is seen of its zone


@dataclass(frozen=True)
class Site:
    """Where damage can be.

    Attributes:
        buffers: surface point and normal under each pixel.
        sight: what is drawn there.
        is_paint: bool (h, w), pixels that show painted metal and nothing in front of it.
        pixels_per_m: float32 (h, w), photo pixels per metre for a surface that faces the camera.
        depth_px: float32 (h, w), distance to the nearest pixel that is not paint.
        line_runs: visible stretches of panel lines: zone, and float64 (R, 2), plane coordinates one centimetre apart.
        frame_scale: photo size relative to 480 x 640.
    """

    buffers: SurfaceBuffers
    sight: BodySight
    is_paint: np.ndarray
    pixels_per_m: np.ndarray
    depth_px: np.ndarray
    line_runs: tuple[tuple[str, np.ndarray], ...]
    frame_scale: float

    def holds_every_damage(self) -> bool:
        """Whether each damage class finds room here; asked of every photo, damaged or not."""
        has_run = any(
            len(run) * LINE_STEP_M * self._run_scale(zone) > 32 * self.frame_scale for zone, run in self.line_runs
        )
        return has_run and float(self.depth_px.max()) > 17 * self.frame_scale

    def without(self, covered: np.ndarray) -> "Site":
        """The same site less pixels that something covers, bool (h, w)."""
        is_paint = self.is_paint & ~covered
        return replace(self, is_paint=is_paint, depth_px=depth_of(is_paint))

    def pick_pixel(self, min_depth_px: float, rng: np.random.Generator) -> tuple[int, int]:
        """A painted pixel, (x, y), at least min_depth_px from the paint's border where there is one."""
        rows, columns = np.nonzero(self.depth_px >= min(min_depth_px, float(self.depth_px.max())))
        chosen = int(rng.integers(len(rows)))
        return int(columns[chosen]), int(rows[chosen])

    def _run_scale(self, zone: str) -> float:
        return float(self.sight.zones[zone].canvas.scale[1]) / 1.4


def depth_of(is_paint: np.ndarray) -> np.ndarray:
    """Distance to the nearest pixel that is not paint, or to the window's border: float32 (h, w)."""
    bordered = np.pad(is_paint.astype(np.uint8), 1)
    return cv2.distanceTransform(bordered, cv2.DIST_L2, 3)[1:-1, 1:-1]


def survey_site(
    buffers: SurfaceBuffers,
    sight: BodySight,
    lines: dict[str, list[Shape]],
    camera_position: np.ndarray,
    focal_px: float,
    hidden: np.ndarray,
    frame_scale: float,
) -> Site:
    """Find where damage can be.

    Args:
        buffers: surface point and normal under each pixel.
        sight: what is drawn there.
        lines: panel lines of each zone.
        camera_position: float (3,), car frame, metres.
        focal_px: focal length, pixels.
        hidden: float32 (h, w), opacity of what stands in front of the body.
        frame_scale: photo size relative to 480 x 640.
    """
    is_paint = (
        (buffers.coverage > 0.99) & (sight.part < 0.02) & (sight.glass < 0.02) & (sight.hole < 0.02) & (hidden < 0.02)
    )
    away = buffers.position - camera_position.astype(np.float32)
    distance = np.sqrt(dot(away, away))
    # grazing pixels hide more than they show
    facing = -dot(away, buffers.normal) / np.maximum(distance, 1e-3)
    is_paint &= facing > 0.18
    runs = []
    reach = 2 * max(round(_GAP_ROOM_PX * frame_scale), 1) + 1
    for zone, seen in sight.zones.items():
        is_free = seen.is_zone & is_paint & (facing > 0.3)
        is_roomy = cv2.erode(is_free.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
        lookup = np.zeros((seen.canvas.size_hw[0] // 2 + 2, seen.canvas.size_hw[1] // 2 + 2), np.uint8)
        at = (seen.map_xy[:, is_roomy] / 2).astype(np.int32)
        lookup[at[1], at[0]] = 1
        lookup = cv2.morphologyEx(lookup, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
        for shape in lines[zone]:
            runs += [(zone, run) for run in _visible_runs(shape.points, seen.canvas, lookup)]
    pixels_per_m = np.float32(focal_px) / np.maximum(distance, 0.1)
    return Site(buffers, sight, is_paint, pixels_per_m, depth_of(is_paint), tuple(runs), frame_scale)


def _visible_runs(points: np.ndarray, canvas: Canvas, lookup: np.ndarray) -> list[np.ndarray]:
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    steps = np.arange(0, lengths[-1], LINE_STEP_M)
    dense = np.stack([np.interp(steps, lengths, column) for column in points.T], axis=1)
    at = np.round(canvas.to_pixels(dense) / 2).astype(int)
    inside = (at >= 0).all(axis=1) & (at[:, 0] < lookup.shape[1]) & (at[:, 1] < lookup.shape[0])
    is_visible = np.zeros(len(dense), bool)
    is_visible[inside] = lookup[at[inside, 1], at[inside, 0]] > 0
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_visible.view(np.int8), [0]])))
    return [dense[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= 5]
