"""Wheels, underbody and mirrors: the solid things that are not the body's surface."""

import cv2
import numpy as np

from models.renderer.car import BELT_LEVEL, Vehicle
from models.renderer.raster import PinholeCamera, SurfaceBuffers
from models.renderer.surroundings import Surroundings

_SUBPIXEL_BITS = 4
_TYRE_WIDTH_M = 0.21


class Overlay:
    """A layer of flat polygons over a photo: pre-multiplied square root of linear RGB, and opacity; uint8 (H, W, 4)."""

    def __init__(self, camera: PinholeCamera) -> None:
        self._camera = camera
        self.layer = np.zeros((*camera.size_hw, 4), np.uint8)

    def fill(self, points: np.ndarray, colour: np.ndarray, *, is_hull: bool = False) -> None:
        """Fill a polygon of points in the car frame, float (P, 3), with linear RGB; is_hull fills their hull."""
        pixels, depth = self._camera.project(points)
        if depth.min() < 0.1:
            return
        fixed = np.round(np.clip(pixels, -9000, 9000) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
        if is_hull:
            fixed = cv2.convexHull(fixed)
        value = (*(float(v) for v in np.sqrt(np.clip(colour, 0, 1)) * 255), 255)
        cv2.fillPoly(self.layer, [fixed], value, lineType=cv2.LINE_AA, shift=_SUBPIXEL_BITS)

    def compose(self, image: np.ndarray) -> None:
        """Lay the layer over a linear RGB float32 (H, W, 3), in place."""
        rows, columns = np.flatnonzero(self.layer[..., 3].any(axis=1)), np.flatnonzero(self.layer[..., 3].any(axis=0))
        if len(rows) == 0:
            return
        window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        layer = self.layer[window].astype(np.float32) / 255
        alpha = layer[..., 3:]
        image[window] *= 1 - alpha
        image[window] += layer[..., :3] ** 2 / np.maximum(alpha, 1e-3)


def _ring(x: float, y: float, z: float, radius: float, count: int = 40) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([x + radius * np.cos(angle), np.full(count, y), z + radius * np.sin(angle)], axis=1)


def _sector(
    x: float, y: float, z: float, radii: tuple[float, float], angles: tuple[float, float], pinch: float
) -> np.ndarray:
    """Opening between two spokes; pinch narrows its inner end."""
    middle, half = (angles[0] + angles[1]) / 2, (angles[1] - angles[0]) / 2
    outer = np.linspace(middle - half, middle + half, 7)
    inner = np.linspace(middle + half * pinch, middle - half * pinch, 4)
    angle = np.concatenate([outer, inner])
    radius = np.concatenate([np.full(7, radii[1]), np.full(4, radii[0])])
    return np.stack([x + radius * np.cos(angle), np.full(len(angle), y), z + radius * np.sin(angle)], axis=1)


def draw_running_gear(
    overlay: Overlay, vehicle: Vehicle, camera: PinholeCamera, surroundings: Surroundings, rng: np.random.Generator
) -> None:
    """Draw underbody and wheels, far side first; the body is laid over them later.

    Args:
        overlay: drawn into.
        vehicle: whose wheels.
        camera: who looks.
        surroundings: the light.
        rng: consumed; the wheels' turn.
    """
    ends = vehicle.level(0.5)
    x0, x1, width = ends[2], ends[0], vehicle.half_width_m
    plan = [(x0 * 0.93, 0.45), (x0 * 0.80, 0.80), (x1 * 0.80, 0.80), (x1 * 0.93, 0.45)]
    low = float(ends[[1, 3]].min())
    box = np.array([(x, side * y * width, z) for x, y in plan for side in (-1, 1) for z in (low - 0.05, low + 0.15)])
    turns = rng.uniform(0, 2 * np.pi, 4)
    near = 1.0 if camera.position[1] > 0 else -1.0
    wheels = [
        (x, side)
        for side in (-near, near)
        for x in sorted(vehicle.axle_x_m, key=lambda x: -abs(x - camera.position[0]))
    ]
    for number, (x, side) in enumerate(wheels):
        if number == 2:
            overlay.fill(box, np.full(3, 0.004), is_hull=True)
        _draw_wheel(overlay, vehicle, surroundings, x, side, float(turns[number]))


def _draw_wheel(
    overlay: Overlay, vehicle: Vehicle, surroundings: Surroundings, x: float, side: float, turn: float
) -> None:
    rng = np.random.default_rng([vehicle.rim_seed, 5])
    radius = vehicle.wheel_radius_m
    outer_y = side * (vehicle.half_width_m - 0.035)
    inner_y = outer_y - side * _TYRE_WIDTH_M
    normal = np.array([0, side, 0.15])
    sun = max(float(normal @ surroundings.sun_direction), 0.0) * surroundings.sun_colour
    light = surroundings.sky_light * 0.5 + surroundings.ground_light * 0.4 + sun
    overlay.fill(
        np.concatenate([_ring(x, outer_y, radius, radius), _ring(x, inner_y, radius, radius)]),
        light * 0.012,
        is_hull=True,
    )
    overlay.fill(_ring(x, outer_y + side * 0.004, radius, radius * 0.965), light * 0.028)
    overlay.fill(_ring(x, outer_y + side * 0.004, radius, radius * 0.80), light * 0.018)
    rim = radius * rng.uniform(0.66, 0.74)
    finish = rng.choice([0.62, 0.5, 0.35, 0.09, 0.05], p=[0.3, 0.25, 0.2, 0.15, 0.1])
    face_y = outer_y - side * 0.012
    overlay.fill(_ring(x, outer_y, radius, rim * 1.05), light * finish * 1.15)
    overlay.fill(_ring(x, face_y, radius, rim * 0.98), light * finish * 0.62)
    deep_y = outer_y - side * 0.09
    spokes = int(rng.choice([5, 6, 7, 9, 10]))
    fill_share, pinch = rng.uniform(0.55, 0.78), rng.uniform(0.25, 0.9)
    radii = (rim * rng.uniform(0.26, 0.36), rim * 0.91)
    has_cap = rng.random() < 0.15
    for spoke in range(spokes):
        middle = turn + 2 * np.pi * spoke / spokes
        half = np.pi / spokes * fill_share * (0.5 if has_cap else 1.0)
        opening = _sector(
            x, face_y, radius, (rim * 0.55, rim * 0.8) if has_cap else radii, (middle - half, middle + half), pinch
        )
        overlay.fill(opening, light * 0.012)
        if not has_cap:
            disc = _sector(
                x, deep_y, radius, (radii[0], rim * 0.62), (middle - half * 0.85, middle + half * 0.85), pinch
            )
            overlay.fill(disc, light * 0.10)
        # each spoke catches light by its turn
        gleam = 0.8 + 0.35 * np.cos(middle + np.pi / spokes - 1.2)
        edge = _sector(
            x,
            face_y,
            radius,
            (radii[0], rim * 0.97),
            (middle + half * 1.15, middle + 2 * np.pi / spokes - half * 1.15),
            1.0,
        )
        overlay.fill(edge, light * finish * gleam)
    overlay.fill(_ring(x, face_y, radius, rim * 0.24), light * finish * 0.8)
    overlay.fill(_ring(x, face_y, radius, rim * 0.15), light * finish * 0.45)


def draw_mirrors(
    overlay: Overlay, vehicle: Vehicle, camera: PinholeCamera, surroundings: Surroundings, buffers: SurfaceBuffers
) -> None:
    """Draw the outside mirrors, less what the body hides.

    Args:
        overlay: empty; drawn into.
        vehicle: whose mirrors.
        camera: who looks.
        surroundings: the light.
        buffers: the body, which may stand in front.
    """
    belt = vehicle.level(BELT_LEVEL + 0.3)
    x = float((belt[0] + belt[2]) / 2 + 0.66 * (belt[0] - belt[2]) / 2)
    z = float(vehicle.belt_z_m(np.array(x))) + 0.09
    albedo = (
        np.array(vehicle.albedo) if np.random.default_rng([vehicle.trim_seed, 9]).random() < 0.75 else np.full(3, 0.02)
    )
    upper = surroundings.sky_light * 0.8 + surroundings.sun_colour * 0.3
    lower = surroundings.sky_light * 0.35 + surroundings.ground_light * 0.5
    angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    cos, sin = (
        np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.7,
        np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** 0.7,
    )
    x0, y0, x1, y1 = buffers.window_xyxy
    sides = (-1.0, 1.0) if camera.position[1] > 0 else (1.0, -1.0)
    for side in sides:
        y = side * (belt[4] + 0.11)
        rings = [(dx, scale) for dx, scale in ((-0.06, 1.0), (0.02, 0.95), (0.07, 0.6))]
        shell = np.concatenate(
            [
                np.stack([np.full(28, x + dx), y + 0.105 * scale * cos, z + 0.068 * scale * sin], axis=1)
                for dx, scale in rings
            ]
        )
        foot = np.array(
            [(x + dx, side * (belt[4] - 0.02), z - 0.05 + dz) for dx in (-0.03, 0.05) for dz in (-0.015, 0.015)]
        )
        overlay.fill(
            np.concatenate([foot, [[x, y, z - 0.06], [x, y, z - 0.03]]]), np.full(3, 0.01) * lower, is_hull=True
        )
        overlay.fill(shell, albedo * lower + 0.01, is_hull=True)
        overlay.fill(shell[shell[:, 2] > z + 0.008], albedo * upper + 0.03 * surroundings.sky_light, is_hull=True)
        if camera.position[0] < x - 0.3:
            glass = np.stack([np.full(28, x - 0.065), y + 0.088 * cos, z + 0.052 * sin], axis=1)
            overlay.fill(glass, surroundings.sky_light * 0.35)
        mirror_m = np.linalg.norm(np.array([x, y, z]) - camera.position)
        rows, columns = np.nonzero(overlay.layer[y0:y1, x0:x1, 3])
        body_m = np.linalg.norm(buffers.position[rows, columns] - camera.position, axis=-1)
        is_hidden = (buffers.coverage[rows, columns] > 0.5) & (body_m < mirror_m - 0.12)
        overlay.layer[y0 + rows[is_hidden], x0 + columns[is_hidden]] = 0
