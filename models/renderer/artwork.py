"""What is drawn on the body: glass, lamps, grille, plate, handles, wheel openings and panel lines, as flat shapes.

Each zone of the body is drawn in its own plane, metres: the sides in (x, z), front and rear in (y, z).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from models.renderer.car import BELT_LEVEL, ROOF_EDGE_LEVEL, Vehicle

ZONES = ("left", "right", "front", "rear")
_SUBPIXEL_BITS = 4


@dataclass(frozen=True)
class Shape:
    """One flat shape in a zone's plane.

    Attributes:
        layer: "glass", "hole", "line" (panel line), or "part" (anything that is not paint).
        points: float64 (P, 2), plane coordinates, metres.
        colour: linear RGB of a part.
        width_m: stroke of an open line; 0 = filled.
    """

    layer: str
    points: np.ndarray
    colour: tuple[float, float, float] = (0.0, 0.0, 0.0)
    width_m: float = 0.0


def _poly(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points, float)


def _disc(x: float, z: float, radius_x: float, radius_z: float | None = None) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.stack([x + radius_x * np.cos(angle), z + (radius_z or radius_x) * np.sin(angle)], axis=1)


def _rounded(points: np.ndarray, radius_m: float) -> np.ndarray:
    """Cut a polygon's corners with short arcs; float64 (P, 2)."""
    rounded = []
    for before, corner, after in zip(np.roll(points, 1, axis=0), points, np.roll(points, -1, axis=0), strict=True):
        leg_a, leg_b = before - corner, after - corner
        length_a, length_b = np.linalg.norm(leg_a), np.linalg.norm(leg_b)
        a = corner + leg_a / max(length_a, 1e-9) * min(radius_m, length_a * 0.45)
        b = corner + leg_b / max(length_b, 1e-9) * min(radius_m, length_b * 0.45)
        t = np.linspace(0, 1, 6)[:, None]
        rounded.append((1 - t) ** 2 * a + 2 * t * (1 - t) * corner + t**2 * b)
    return np.concatenate(rounded)


_BLACK, _RUBBER, _CHROME = (0.006, 0.006, 0.007), (0.02, 0.02, 0.021), (0.55, 0.56, 0.58)
_LAMP, _LAMP_DARK, _RED, _AMBER = (0.62, 0.66, 0.70), (0.10, 0.11, 0.12), (0.38, 0.008, 0.01), (0.75, 0.28, 0.02)
_PLATE, _INK = (0.72, 0.72, 0.68), (0.02, 0.02, 0.025)


def draw_side(vehicle: Vehicle) -> list[Shape]:
    """Shapes of one side in (x, z); both sides share them."""
    rng = np.random.default_rng([vehicle.trim_seed, 1])
    shapes: list[Shape] = []
    low, high = vehicle.level(BELT_LEVEL + 0.18), vehicle.level(ROOF_EDGE_LEVEL - 0.12)

    def pillar(level: np.ndarray, share: float) -> float:
        middle, half = (level[0] + level[2]) / 2, (level[0] - level[2]) / 2
        return middle + share * half

    def at(x: float, level: np.ndarray) -> float:
        return float(np.interp(x, [level[2], level[0]], [level[3], level[1]]))

    front_low, front_high = pillar(low, 0.80), pillar(high, 0.80)
    rear_low, rear_high = pillar(low, -0.84 if vehicle.style == "van" else -0.78), pillar(high, -0.80)
    front_axle, rear_axle = vehicle.axle_x_m
    arch = vehicle.wheel_radius_m * 1.11
    split_b = (front_low + rear_low) / 2 + rng.uniform(-0.02, 0.12)
    door_rear = max(rear_axle + arch * 0.55, rear_low + 0.12)
    door_front = min(front_low + 0.03, front_axle - arch - 0.03)
    sill = float(vehicle.level(0.6)[[1, 3]].mean()) + 0.045
    window_top = (at(front_high, high) + at(rear_high, high)) / 2
    # windows: one band with pillars across
    band = _poly((front_low, at(front_low, low)), (rear_low, at(rear_low, low)), (rear_high, window_top), (front_high, window_top))
    middle = band.mean(axis=0)
    shapes.append(Shape("part", _rounded(middle + (band - middle) * [1.025, 1.07], 0.07), _BLACK if rng.random() < 0.75 else _CHROME))
    is_panel_van = vehicle.style == "van" and rng.random() < 0.35
    glass = band.copy()
    if is_panel_van:
        glass[1, 0], glass[2, 0] = split_b, split_b
        shapes.pop()
    shapes.append(Shape("glass", _rounded(glass, 0.06)))
    def post(x: float, width: float) -> Shape:
        return Shape("part", _poly((x - width, low[[1, 3]].mean() - 0.02), (x + width, low[[1, 3]].mean() - 0.02), (x + width * 0.9, window_top + 0.01), (x - width * 0.9, window_top + 0.01)), _BLACK)
    if not is_panel_van:
        shapes.append(post(split_b, 0.045))
        if door_rear > rear_high + 0.10:
            shapes.append(post(door_rear + 0.01, 0.022))
    # lines of doors, fenders and bumpers
    belt_b, belt_front = at(split_b, low), at(door_front, low)
    line = 0.0075
    shapes.append(Shape("line", _poly((split_b, belt_b - 0.03), (split_b + 0.01, 0.62), (split_b + 0.015, sill + 0.04), (split_b - 0.02, sill), (door_front - 0.10, sill), (door_front - 0.02, sill + 0.10), (door_front, 0.65), (door_front - 0.015, belt_front - 0.02)), width_m=line))
    door_bottom = rear_axle + arch * 1.12
    shapes.append(Shape("line", _poly((split_b - 0.02, sill), (door_bottom + 0.03, sill), (door_bottom, sill + 0.12), (rear_axle + arch * 0.86, vehicle.wheel_radius_m + arch * 0.62), (door_rear, vehicle.wheel_radius_m + arch * 1.05), (door_rear - 0.01, at(door_rear, low) - 0.03)), width_m=line))
    nose = vehicle.level(3.3)
    bumper_x = front_axle + arch * 0.98
    shapes.append(Shape("line", _poly((bumper_x, vehicle.wheel_radius_m + 0.22), (bumper_x + 0.10, nose[1] - 0.06), (nose[0] - 0.16, nose[1] - 0.03)), width_m=line))
    rear_bumper = vehicle.level(2.6)
    shapes.append(Shape("line", _poly((rear_axle - arch * 0.98, vehicle.wheel_radius_m + 0.2), (rear_axle - arch * 1.15, rear_bumper[3]), (rear_bumper[2] + 0.05, rear_bumper[3] + 0.01)), width_m=line))
    hood = [vehicle.level(v) for v in (3.9, 4.2, 4.55, 4.85)]
    hood_x = np.linspace(nose[0] - 0.22, front_low + 0.12, 4)
    shapes.append(Shape("line", np.array([(x, at(x, level) - 0.025) for x, level in zip(hood_x, hood, strict=True)]), width_m=line))
    if rng.random() < 0.6:
        tank_x, tank_z = rear_axle - 0.02 - rng.uniform(0, 0.1), vehicle.wheel_radius_m + arch + 0.16
        shapes.append(Shape("line", np.concatenate([p := _rounded(_poly((tank_x - 0.08, tank_z - 0.08), (tank_x + 0.08, tank_z - 0.08), (tank_x + 0.08, tank_z + 0.08), (tank_x - 0.08, tank_z + 0.08)), 0.04), p[:1]]), width_m=0.005))
    handle_z = at(split_b, low) - rng.uniform(0.10, 0.15)
    handle = _CHROME if rng.random() < 0.25 else tuple(0.75 * v for v in vehicle.albedo)
    for x in (split_b + 0.12, door_rear + 0.16):
        shapes.append(Shape("part", _rounded(_poly((x - 0.095, handle_z - 0.024), (x + 0.095, handle_z - 0.024), (x + 0.095, handle_z + 0.024), (x - 0.095, handle_z + 0.024)), 0.03), tuple(0.3 * v for v in vehicle.albedo)))
        shapes.append(Shape("part", _rounded(_poly((x - 0.09, handle_z - 0.005), (x + 0.09, handle_z - 0.005), (x + 0.09, handle_z + 0.02), (x - 0.09, handle_z + 0.02)), 0.02), handle))
    # lamps wrap around the corners
    lamp_z = nose[1] + rng.uniform(-0.02, 0.03)
    shapes.append(Shape("part", _rounded(_poly((nose[0] + 0.1, lamp_z - 0.075), (nose[0] + 0.1, lamp_z + 0.06), (nose[0] - 0.38, lamp_z + 0.055), (nose[0] - 0.22, lamp_z - 0.06)), 0.04), _LAMP_DARK))
    shapes.append(Shape("part", _rounded(_poly((nose[0] + 0.1, lamp_z - 0.05), (nose[0] + 0.1, lamp_z + 0.04), (nose[0] - 0.30, lamp_z + 0.04), (nose[0] - 0.19, lamp_z - 0.04)), 0.03), _LAMP))
    tail = vehicle.level(3.6)
    tail_half = rng.uniform(0.06, 0.11) + (0.12 if vehicle.style == "van" else 0.0)
    shapes.append(Shape("part", _rounded(_poly((tail[2] - 0.1, tail[3] - tail_half), (tail[2] + 0.28, tail[3] - tail_half * 0.8), (tail[2] + 0.36, tail[3] + tail_half), (tail[2] - 0.1, tail[3] + tail_half)), 0.03), _RED))
    has_cladding = vehicle.style == "suv" or rng.random() < 0.25
    for axle in vehicle.axle_x_m:
        if has_cladding:
            shapes.append(Shape("part", _disc(axle, vehicle.wheel_radius_m, arch + 0.06), _RUBBER))
        else:
            shapes.append(Shape("line", _disc(axle, vehicle.wheel_radius_m, arch + 0.028), width_m=0.004))
        shapes.append(Shape("hole", _disc(axle, vehicle.wheel_radius_m + 0.015, arch)))
    ends = vehicle.level(0.2)
    shapes.append(Shape("part", _poly((ends[0] + 0.2, -0.2), (ends[2] - 0.2, -0.2), (ends[2] - 0.2, sill - 0.05), (ends[0] + 0.2, sill - 0.05)), _RUBBER))
    shapes.insert(0, shapes.pop())
    if rng.random() < 0.3:
        mould = 0.48 + rng.uniform(-0.05, 0.08)
        shapes.append(Shape("part", _rounded(_poly((front_axle - arch - 0.06, mould), (front_axle - arch - 0.06, mould + 0.045), (rear_axle + arch + 0.06, mould + 0.045), (rear_axle + arch + 0.06, mould)), 0.02), _RUBBER))
    return shapes


def _mirrored(points: np.ndarray) -> list[np.ndarray]:
    return [points, points * [-1, 1]]


def draw_front(vehicle: Vehicle) -> list[Shape]:
    """Shapes of the front in (y, z)."""
    rng = np.random.default_rng([vehicle.trim_seed, 2])
    shapes: list[Shape] = []
    nose, bumper, low = vehicle.level(3.3), vehicle.level(2.0), vehicle.level(0.8)
    cowl, roof, width = vehicle.level(BELT_LEVEL + 0.05), vehicle.level(ROOF_EDGE_LEVEL - 0.05), vehicle.half_width_m
    glass = _poly((-cowl[4] * 0.88, cowl[1] + 0.01), (cowl[4] * 0.88, cowl[1] + 0.01), (roof[4] * 0.84, roof[1] - 0.01), (-roof[4] * 0.84, roof[1] - 0.01))
    shapes.append(Shape("part", _rounded(glass * [1.03, 1] + [0, -0.012], 0.08), _BLACK))
    shapes.append(Shape("glass", _rounded(glass + [0, 0.02], 0.08)))
    for wiper in ((-0.05, 0.42), (0.35, 0.72)):
        shapes.append(Shape("part", _poly((wiper[0] * cowl[4], cowl[1] + 0.03), (wiper[1] * cowl[4], cowl[1] + 0.055)), _BLACK, 0.016))
    shapes.append(Shape("line", _poly((-width * 0.80, cowl[1] - 0.015), (width * 0.80, cowl[1] - 0.015)), width_m=0.02))
    top = nose[1] + 0.075
    shapes.append(Shape("line", _poly((-width * 0.86, cowl[1] - 0.06), (-width * 0.80, top + 0.02), (-width * 0.5, top - 0.005), (width * 0.5, top - 0.005), (width * 0.80, top + 0.02), (width * 0.86, cowl[1] - 0.06)), width_m=0.0075))
    inner, drop = rng.uniform(0.42, 0.56), rng.uniform(0.06, 0.11)
    lamp = _poly((width * inner, nose[1] + 0.03), (width * 1.1, nose[1] + 0.07), (width * 1.1, nose[1] - 0.06), (width * (inner + 0.06), nose[1] - drop))
    for points in _mirrored(lamp):
        shapes.append(Shape("part", _rounded(points, 0.04), _LAMP_DARK))
        middle = points.mean(axis=0)
        shapes.append(Shape("part", _rounded(middle + (points - middle) * 0.84, 0.03), (0.30, 0.33, 0.36)))
        for share in (0.32, 0.62):
            at = points[0] * (1 - share) + points[1] * share
            shapes.append(Shape("part", _disc(at[0], nose[1] - 0.012, 0.052), _LAMP))
            shapes.append(Shape("part", _disc(at[0] + 0.008, nose[1] - 0.005, 0.022), (0.95, 0.95, 0.95)))
    reach, deep = width * (inner - 0.04), rng.uniform(0.10, 0.22)
    grille = _poly((-reach, nose[1] + 0.03), (reach, nose[1] + 0.03), (reach * 0.82, nose[1] + 0.03 - deep), (-reach * 0.82, nose[1] + 0.03 - deep))
    if rng.random() < 0.6:
        shapes.append(Shape("part", _rounded(grille * [1.03, 1] + [0, 0.01], 0.05), _CHROME))
    shapes.append(Shape("part", _rounded(grille, 0.04), _BLACK))
    for z in np.arange(nose[1] + 0.015 - deep + 0.03, nose[1] + 0.02, 0.035):
        shapes.append(Shape("part", _poly((-reach * 0.84, z), (reach * 0.84, z)), (0.05, 0.05, 0.055), 0.008))
    shapes.append(Shape("part", _disc(0, nose[1] + 0.03 - deep / 2, 0.058), _CHROME))
    shapes.append(Shape("part", _disc(0, nose[1] + 0.03 - deep / 2, 0.042), (0.08, 0.09, 0.11)))
    intake_top = bumper[1] - 0.06
    shapes.append(Shape("part", _rounded(_poly((-width * 0.62, intake_top), (width * 0.62, intake_top), (width * 0.52, low[1]), (-width * 0.52, low[1])), 0.05), _RUBBER))
    for z in np.arange(low[1] + 0.03, intake_top - 0.01, 0.03):
        shapes.append(Shape("part", _poly((-width * 0.5, z), (width * 0.5, z)), (0.008, 0.008, 0.009), 0.012))
    for points in _mirrored(_rounded(_poly((width * 0.68, intake_top + 0.02), (width * 0.88, intake_top + 0.03), (width * 0.86, low[1] + 0.06), (width * 0.70, low[1] + 0.05)), 0.04)):
        shapes.append(Shape("part", points, _RUBBER))
    for side in (-1, 1):
        shapes.append(Shape("part", _disc(side * width * 0.77, (intake_top + low[1]) / 2 + 0.05, 0.045), _LAMP))
    shapes += _plate(0.0, bumper[1] - 0.005, rng)
    shapes.append(Shape("line", _poly((-width * 0.95, bumper[1] + 0.075), (-width * 0.55, bumper[1] + 0.07)), width_m=0.006))
    shapes.append(Shape("line", _poly((width * 0.55, bumper[1] + 0.07), (width * 0.95, bumper[1] + 0.075)), width_m=0.006))
    return shapes


def draw_rear(vehicle: Vehicle) -> list[Shape]:
    """Shapes of the rear in (y, z)."""
    rng = np.random.default_rng([vehicle.trim_seed, 3])
    shapes: list[Shape] = []
    tail, bumper, low, width = vehicle.level(3.6), vehicle.level(2.0), vehicle.level(0.6), vehicle.half_width_m
    belt, roof = vehicle.level(BELT_LEVEL + 0.15), vehicle.level(ROOF_EDGE_LEVEL - 0.1)
    glass = _poly((-belt[4] * 0.80, belt[3] + 0.01), (belt[4] * 0.80, belt[3] + 0.01), (roof[4] * 0.82, roof[3] - 0.03), (-roof[4] * 0.82, roof[3] - 0.03))
    shapes.append(Shape("part", _rounded(glass * [1.02, 1] + [0, -0.01], 0.08), _BLACK))
    shapes.append(Shape("glass", _rounded(glass + [0, 0.012], 0.08)))
    shapes.append(Shape("part", _poly((-0.02, belt[3] + 0.03), (0.40 * width, belt[3] + 0.05)), _BLACK, 0.016))
    half = rng.uniform(0.06, 0.11) + (0.12 if vehicle.style == "van" else 0.0)
    inner = rng.uniform(0.50, 0.74)
    for points in _mirrored(_poly((width * inner, tail[3] - half * 0.7), (width * 1.1, tail[3] - half), (width * 1.1, tail[3] + half), (width * (inner + 0.03), tail[3] + half * 0.8))):
        shapes.append(Shape("part", _rounded(points, 0.03), _RED))
        middle = points.mean(axis=0)
        shapes.append(Shape("part", _rounded(middle + (points - middle) * [0.75, 0.35] + [0, half * 0.35], 0.02), (0.62, 0.03, 0.03)))
        shapes.append(Shape("part", _rounded(middle + (points - middle) * [0.55, 0.22] - [0, half * 0.4], 0.02), _LAMP if rng.random() < 0.5 else _AMBER))
    lid_bottom = bumper[3] + 0.08 if vehicle.style != "van" else low[3] + 0.12
    gate = _poly((-width * 0.80, belt[3] - 0.02), (-width * 0.76, tail[3] - half), (-width * 0.66, lid_bottom), (width * 0.66, lid_bottom), (width * 0.76, tail[3] - half), (width * 0.80, belt[3] - 0.02))
    shapes.append(Shape("line", gate, width_m=0.008))
    if vehicle.style == "van" and rng.random() < 0.5:
        shapes.append(Shape("line", _poly((0.0, belt[3] - 0.02), (0.0, lid_bottom)), width_m=0.012))
    shapes.append(Shape("line", _poly((-width * 0.97, bumper[3] + 0.06), (-width * 0.70, bumper[3] + 0.055)), width_m=0.006))
    shapes.append(Shape("line", _poly((width * 0.70, bumper[3] + 0.055), (width * 0.97, bumper[3] + 0.06)), width_m=0.006))
    if rng.random() < 0.5:
        shapes.append(Shape("part", _poly((-0.42, tail[3] - 0.015), (0.42, tail[3] - 0.015), (0.42, tail[3] + 0.012), (-0.42, tail[3] + 0.012)), _CHROME))
    shapes.append(Shape("part", _disc(0, tail[3] + 0.07, 0.048), _CHROME))
    shapes.append(Shape("part", _rounded(_poly((-width * 0.6, low[3] - 0.06), (width * 0.6, low[3] - 0.06), (width * 0.66, low[3] + 0.07), (-width * 0.66, low[3] + 0.07)), 0.04), _RUBBER))
    for side in (-1, 1):
        z = bumper[3] - 0.08
        shapes.append(Shape("part", _rounded(_poly((side * width * 0.62, z - 0.02), (side * width * 0.86, z - 0.02), (side * width * 0.86, z + 0.02), (side * width * 0.62, z + 0.02)), 0.015), (0.30, 0.01, 0.01)))
    if rng.random() < 0.7:
        shapes.append(Shape("part", _disc(width * 0.55, low[3] - 0.01, 0.045, 0.03), _CHROME))
        shapes.append(Shape("part", _disc(width * 0.55, low[3] - 0.01, 0.036, 0.022), _BLACK))
    shapes += _plate(0.0, tail[3] - 0.10 if rng.random() < 0.6 else bumper[3], rng)
    return shapes


def _plate(y: float, z: float, rng: np.random.Generator) -> list[Shape]:
    colour = _PLATE if rng.random() < 0.8 else (0.75, 0.50, 0.03)
    shapes = [
        Shape("part", _rounded(_poly((y - 0.27, z - 0.065), (y + 0.27, z - 0.065), (y + 0.27, z + 0.065), (y - 0.27, z + 0.065)), 0.01), _BLACK),
        Shape("part", _poly((y - 0.26, z - 0.055), (y + 0.26, z - 0.055), (y + 0.26, z + 0.055), (y - 0.26, z + 0.055)), colour),
    ]
    for number in range(int(rng.integers(5, 8))):  # strokes that read as letters without spelling anything
        x = y - 0.19 + number * 0.062
        strokes = rng.uniform([-0.02, -0.036], [0.02, 0.036], (3, 2)) * [1, 1.0] + [x, z]
        strokes[0], strokes[2] = (x - 0.018, z - 0.034), (x + 0.016, z + 0.034)
        shapes.append(Shape("part", strokes, _INK, 0.012))
    return shapes


@dataclass(frozen=True)
class Canvas:
    """A drawing surface over part of a zone's plane.

    Attributes:
        origin: plane coordinates of the first pixel's centre, metres.
        scale: pixels per metre along both axes of the plane.
        size_hw: pixels.
    """

    origin: tuple[float, float]
    scale: tuple[float, float]
    size_hw: tuple[int, int]

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """Plane coordinates, float (..., 2), metres, to canvas pixels."""
        return (np.asarray(points) - self.origin) * self.scale

    def draw(self, target: np.ndarray, points: np.ndarray, value, width_m: float = 0.0) -> None:
        """Draw a filled polygon, or an open line of width_m, into a uint8 canvas, anti-aliased."""
        fixed = np.round(np.clip(self.to_pixels(points), -20000, 20000) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
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
        Parts, uint8 (h, w, 4): square root of the linear RGB, then opacity; and layers, uint8 (h, w, 3): glass, hole,
        panel line.
    """
    parts = np.zeros((*canvas.size_hw, 4), np.uint8)
    layers = np.zeros((*canvas.size_hw, 3), np.uint8)
    glass, hole, line = (np.zeros(canvas.size_hw, np.uint8) for _ in range(3))
    for shape in shapes:
        if shape.layer == "part":
            value = (*(float(np.sqrt(v) * 255) for v in shape.colour), 255)
            canvas.draw(parts, shape.points, value, shape.width_m)
            canvas.draw(glass, shape.points, 0, shape.width_m)
        elif shape.layer == "glass":
            canvas.draw(glass, shape.points, 255)
        elif shape.layer == "hole":
            canvas.draw(hole, shape.points, 255)
        else:
            strength = min(1.0, max(shape.width_m * float(np.mean(canvas.scale)), 0.45))
            canvas.draw(line, shape.points, 255 * strength, shape.width_m)
    # a part covers what lies under it; a line stops at parts and glass
    line = cv2.min(line, 255 - cv2.max(parts[..., 3], glass))
    layers[..., 0], layers[..., 1], layers[..., 2] = glass, hole, line
    return parts, layers


SIDE_DRAWERS = {"left": draw_side, "right": draw_side, "front": draw_front, "rear": draw_rear}
