"""What is drawn on a car's sides: windows, doors, fenders, handles, lamps and wheel openings, in (x, z)."""

from dataclasses import dataclass

import numpy as np

from models.renderer.car import BELT_LEVEL, ROOF_EDGE_LEVEL, Vehicle
from models.renderer.shapes import (
    BLACK,
    CHROME,
    LAMP,
    LAMP_DARK,
    RED,
    RUBBER,
    Shape,
    box,
    disc,
    line,
    moved,
    part,
    poly,
    rounded,
    scaled,
)

_SEAM_M = 0.0052


@dataclass(frozen=True)
class _Layout:
    """Where a side's main features stand; x and z, metres."""

    window: np.ndarray  # front low, rear low, rear high, front high
    door_front: float
    split: float  # between the doors
    door_rear: float
    sill: float
    arch: float  # radius of the wheel openings
    handle_z: float

    def belt_at(self, x: float) -> float:
        """Lower edge of the windows at x."""
        return float(np.interp(x, [self.window[1, 0], self.window[0, 0]], [self.window[1, 1], self.window[0, 1]]))


def draw_side(vehicle: Vehicle) -> list[Shape]:
    """Shapes of one side in (x, z); both sides share them.

    Args:
        vehicle: whose side.

    Returns:
        Shapes in drawing order.
    """
    rng = np.random.default_rng([vehicle.trim_seed, 1])
    layout = _lay_out(vehicle, rng)
    return [
        *_draw_windows(vehicle, layout, rng),
        *_draw_panels(vehicle, layout, rng),
        *_draw_handles(vehicle, layout, rng),
        *_draw_lamps(vehicle, rng),
        *_draw_openings(vehicle, layout, rng),
    ]


def _lay_out(vehicle: Vehicle, rng: np.random.Generator) -> _Layout:
    low, high = vehicle.level(BELT_LEVEL + 0.18), vehicle.level(ROOF_EDGE_LEVEL - 0.12)

    def along(level: np.ndarray, share: float) -> float:
        return float((level[0] + level[2]) / 2 + share * (level[0] - level[2]) / 2)

    def height(x: float, level: np.ndarray) -> float:
        return float(np.interp(x, [level[2], level[0]], [level[3], level[1]]))

    front_low, front_high = along(low, 0.80), along(high, 0.80)
    rear_low, rear_high = along(low, -0.84 if vehicle.style == "van" else -0.78), along(high, -0.80)
    top = (height(front_high, high) + height(rear_high, high)) / 2
    front_axle, rear_axle = vehicle.axle_x_m
    arch = vehicle.wheel_radius_m * 1.11
    split = (front_low + rear_low) / 2 + rng.uniform(-0.02, 0.12)
    belt_front, belt_rear = height(front_low, low), height(rear_low, low)
    return _Layout(
        window=poly((front_low, belt_front), (rear_low, belt_rear), (rear_high, top), (front_high, top)),
        door_front=min(front_low + 0.03, front_axle - arch - 0.03),
        split=split,
        door_rear=max(rear_axle + arch * 0.55, rear_low + 0.12),
        sill=float(vehicle.level(0.6)[[1, 3]].mean()) + 0.045,
        arch=arch,
        handle_z=(belt_front + belt_rear) / 2 - rng.uniform(0.10, 0.15),
    )


def _draw_windows(vehicle: Vehicle, layout: _Layout, rng: np.random.Generator) -> list[Shape]:
    window = layout.window
    frame = BLACK if rng.random() < 0.75 else CHROME
    if vehicle.style == "van" and rng.random() < 0.35:  # no windows behind the driver
        cab = window.copy()
        cab[1:3, 0] = layout.split
        return [Shape("glass", rounded(cab, 0.06))]
    low, top = window[:2, 1].mean() - 0.02, window[2, 1] + 0.01

    def post(x: float, half: float) -> Shape:
        return part(poly((x - half, low), (x + half, low), (x + half * 0.9, top), (x - half * 0.9, top)), BLACK)

    shapes = [part(rounded(scaled(window, 1.025, 1.07), 0.07), frame), Shape("glass", rounded(window, 0.06))]
    shapes.append(post(layout.split, 0.045))
    if layout.door_rear > window[2, 0] + 0.10:
        shapes.append(post(layout.door_rear + 0.01, 0.022))
    return shapes


def _draw_panels(vehicle: Vehicle, layout: _Layout, rng: np.random.Generator) -> list[Shape]:
    split, sill, arch, front = layout.split, layout.sill, layout.arch, layout.door_front
    front_axle, rear_axle = vehicle.axle_x_m
    radius = vehicle.wheel_radius_m
    front_door = poly(
        (split, layout.belt_at(split) - 0.03),
        (split + 0.01, 0.62),
        (split + 0.015, sill + 0.04),
        (split - 0.02, sill),
        (front - 0.10, sill),
        (front - 0.02, sill + 0.10),
        (front, 0.65),
        (front - 0.015, layout.belt_at(front) - 0.02),
    )
    foot = rear_axle + arch * 1.12
    rear_door = poly(
        (split - 0.02, sill),
        (foot + 0.03, sill),
        (foot, sill + 0.12),
        (rear_axle + arch * 0.86, radius + arch * 0.62),
        (layout.door_rear, radius + arch * 1.05),
        (layout.door_rear - 0.01, layout.belt_at(layout.door_rear) - 0.03),
    )
    nose_x, nose_z = vehicle.level(3.3)[:2]
    front_bumper = poly(
        (front_axle + arch * 0.98, radius + 0.22),
        (front_axle + arch * 0.98 + 0.10, nose_z - 0.06),
        (nose_x - 0.16, nose_z - 0.03),
    )
    tail_x, tail_z = vehicle.level(2.6)[2:4]
    rear_bumper = poly(
        (rear_axle - arch * 0.98, radius + 0.2), (rear_axle - arch * 1.15, tail_z), (tail_x + 0.05, tail_z + 0.01)
    )
    hood_x = np.linspace(nose_x - 0.22, layout.window[0, 0] + 0.12, 4)
    hood_levels = [vehicle.level(index) for index in (3.9, 4.2, 4.55, 4.85)]
    hood_z = [np.interp(x, [v[2], v[0]], [v[3], v[1]]) - 0.025 for x, v in zip(hood_x, hood_levels, strict=True)]
    shapes = [
        line(points, _SEAM_M)
        for points in (front_door, rear_door, front_bumper, rear_bumper, np.stack([hood_x, hood_z], axis=1))
    ]
    if rng.random() < 0.6:  # fuel filler
        x, z = rear_axle - 0.02 - rng.uniform(0, 0.1), radius + arch + 0.16
        lid = rounded(box(x - 0.08, z - 0.08, x + 0.08, z + 0.08), 0.04)
        shapes.append(line(np.concatenate([lid, lid[:1]]), 0.0036))
    if rng.random() < 0.3:  # rubbing strip
        z = 0.48 + rng.uniform(-0.05, 0.08)
        strip = box(rear_axle + arch + 0.06, z, front_axle - arch - 0.06, z + 0.045)
        shapes.append(part(rounded(strip, 0.02), RUBBER))
    return shapes


def _draw_handles(vehicle: Vehicle, layout: _Layout, rng: np.random.Generator) -> list[Shape]:
    grip = CHROME if rng.random() < 0.25 else tuple(0.75 * v for v in vehicle.albedo)
    hollow = tuple(0.3 * v for v in vehicle.albedo)
    shapes = []
    for x in (layout.split + 0.12, layout.door_rear + 0.16):
        z = layout.handle_z
        shapes.append(part(rounded(box(x - 0.095, z - 0.024, x + 0.095, z + 0.024), 0.03), hollow))
        shapes.append(part(rounded(box(x - 0.09, z - 0.005, x + 0.09, z + 0.02), 0.02), grip))
    return shapes


def _draw_lamps(vehicle: Vehicle, rng: np.random.Generator) -> list[Shape]:
    """Lamps wrap around the body's corners; front and rear draw the other half."""
    nose_x, nose_z = vehicle.level(3.3)[:2]
    head = moved(poly((0.1, -0.075), (0.1, 0.06), (-0.38, 0.055), (-0.22, -0.06)), nose_x, nose_z)
    lens = moved(poly((0.1, -0.05), (0.1, 0.04), (-0.30, 0.04), (-0.19, -0.04)), nose_x, nose_z)
    tail_x, tail_z = vehicle.level(3.6)[2:4]
    half = rng.uniform(0.06, 0.11) + (0.12 if vehicle.style == "van" else 0.0)
    tail = moved(poly((-0.1, -half), (0.28, -half * 0.8), (0.36, half), (-0.1, half)), tail_x, tail_z)
    return [
        part(rounded(head, 0.04), LAMP_DARK),
        part(rounded(lens, 0.03), LAMP),
        part(rounded(tail, 0.03), RED),
    ]


def _draw_openings(vehicle: Vehicle, layout: _Layout, rng: np.random.Generator) -> list[Shape]:
    front_x, rear_x = vehicle.level(0.2)[[0, 2]]
    shapes = [part(box(rear_x - 0.2, -0.2, front_x + 0.2, layout.sill - 0.05), RUBBER)]
    has_cladding = vehicle.style == "suv" or rng.random() < 0.25
    for axle in vehicle.axle_x_m:
        radius = vehicle.wheel_radius_m
        if has_cladding:
            shapes.append(part(disc(axle, radius, layout.arch + 0.06), RUBBER))
        else:
            shapes.append(line(disc(axle, radius, layout.arch + 0.028), 0.003))
        shapes.append(Shape("hole", disc(axle, radius + 0.015, layout.arch)))
    return shapes
