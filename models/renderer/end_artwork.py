"""What is drawn on a car's front and rear: windows, lamps, grille, plate and panel lines, in (y, z)."""

import numpy as np

from models.renderer.car import BELT_LEVEL, ROOF_EDGE_LEVEL, Vehicle
from models.renderer.shapes import (
    AMBER,
    BLACK,
    CHROME,
    INK,
    LAMP,
    LAMP_DARK,
    PLATE_WHITE,
    PLATE_YELLOW,
    RED,
    RUBBER,
    Shape,
    box,
    disc,
    line,
    mirrored,
    moved,
    part,
    poly,
    rounded,
    scaled,
)

_SEAM_M = 0.0052
_BUMPER_SEAM_M = 0.0045


def draw_front(vehicle: Vehicle) -> list[Shape]:
    """Shapes of the front in (y, z), in drawing order."""
    rng = np.random.default_rng([vehicle.trim_seed, 2])
    width, nose_z = vehicle.half_width_m, float(vehicle.level(3.3)[1])
    bumper_z, low_z = float(vehicle.level(2.0)[1]), float(vehicle.level(0.8)[1])
    lamp_inner = rng.uniform(0.42, 0.56)
    return [
        *_draw_windscreen(vehicle),
        *_draw_head_lamps(width, nose_z, lamp_inner, rng),
        *_draw_grille(width * (lamp_inner - 0.04), nose_z, rng),
        *_draw_intake(width, bumper_z - 0.06, low_z),
        *_draw_plate(bumper_z - 0.005, rng),
        *(line(p, _BUMPER_SEAM_M) for p in mirrored(_width_line(width, 0.55, 0.95, bumper_z + 0.07))),
    ]


def draw_rear(vehicle: Vehicle) -> list[Shape]:
    """Shapes of the rear in (y, z), in drawing order."""
    rng = np.random.default_rng([vehicle.trim_seed, 3])
    width, tail_z = vehicle.half_width_m, float(vehicle.level(3.6)[3])
    bumper_z, low_z = float(vehicle.level(2.0)[3]), float(vehicle.level(0.6)[3])
    lamp_half = rng.uniform(0.06, 0.11) + (0.12 if vehicle.style == "van" else 0.0)
    return [
        *_draw_rear_window(vehicle),
        *_draw_tail_lamps(width, tail_z, lamp_half, rng),
        *_draw_gate(vehicle, tail_z - lamp_half, rng),
        *(line(p, _BUMPER_SEAM_M) for p in mirrored(_width_line(width, 0.70, 0.97, bumper_z + 0.055))),
        *_draw_rear_trim(width, tail_z, bumper_z, low_z, rng),
        *_draw_plate(tail_z - 0.10 if rng.random() < 0.6 else bumper_z, rng),
    ]


def _width_line(width: float, inner: float, outer: float, z: float) -> np.ndarray:
    """A nearly level line on one half; inner and outer are shares of the half width."""
    return poly((width * inner, z), (width * outer, z + 0.005))


def _draw_windscreen(vehicle: Vehicle) -> list[Shape]:
    cowl, roof, width = vehicle.level(BELT_LEVEL + 0.05), vehicle.level(ROOF_EDGE_LEVEL - 0.05), vehicle.half_width_m
    cowl_z, top = float(cowl[1]), float(vehicle.level(3.3)[1]) + 0.075
    half_low, half_high = cowl[4] * 0.88, roof[4] * 0.84
    glass = poly((-half_low, cowl_z), (half_low, cowl_z), (half_high, roof[1]), (-half_high, roof[1]))
    hood = poly(
        (-width * 0.86, cowl_z - 0.06),
        (-width * 0.80, top + 0.02),
        (-width * 0.5, top - 0.005),
        (width * 0.5, top - 0.005),
        (width * 0.80, top + 0.02),
        (width * 0.86, cowl_z - 0.06),
    )
    wipers = [
        part(poly((a * cowl[4], cowl_z + 0.03), (b * cowl[4], cowl_z + 0.055)), BLACK, 0.016)
        for a, b in ((-0.05, 0.42), (0.35, 0.72))
    ]
    return [
        part(rounded(moved(scaled(glass, 1.03, 1.0), 0, -0.01), 0.08), BLACK),
        Shape("glass", rounded(moved(glass, 0, 0.02), 0.08)),
        *wipers,
        line(poly((-width * 0.80, cowl_z - 0.025), (width * 0.80, cowl_z - 0.025)), 0.012),
        line(hood, _SEAM_M),
    ]


def _draw_head_lamps(width: float, nose_z: float, inner: float, rng: np.random.Generator) -> list[Shape]:
    drop = rng.uniform(0.06, 0.11)
    lamp = poly(
        (width * inner, nose_z + 0.03),
        (width * 1.1, nose_z + 0.07),
        (width * 1.1, nose_z - 0.06),
        (width * (inner + 0.06), nose_z - drop),
    )
    shapes = []
    for points in mirrored(lamp):
        shapes.append(part(rounded(points, 0.04), LAMP_DARK))
        shapes.append(part(rounded(scaled(points, 0.84), 0.03), (0.30, 0.33, 0.36)))
        for share in (0.32, 0.62):
            y = points[0, 0] * (1 - share) + points[1, 0] * share
            shapes.append(part(disc(y, nose_z - 0.012, 0.052), LAMP))
            shapes.append(part(disc(y + 0.008, nose_z - 0.005, 0.022), (0.95, 0.95, 0.95)))
    return shapes


def _draw_grille(reach: float, nose_z: float, rng: np.random.Generator) -> list[Shape]:
    deep, top = rng.uniform(0.10, 0.22), nose_z + 0.03
    grille = poly((-reach, top), (reach, top), (reach * 0.82, top - deep), (-reach * 0.82, top - deep))
    shapes = [part(rounded(grille, 0.04), BLACK)]
    if rng.random() < 0.6:
        shapes.insert(0, part(rounded(moved(scaled(grille, 1.03, 1.0), 0, 0.01), 0.05), CHROME))
    for z in np.arange(top - deep + 0.015, top - 0.01, 0.035):
        shapes.append(part(poly((-reach * 0.84, z), (reach * 0.84, z)), (0.05, 0.05, 0.055), 0.008))
    middle = top - deep / 2
    return [*shapes, part(disc(0, middle, 0.058), CHROME), part(disc(0, middle, 0.042), (0.08, 0.09, 0.11))]


def _draw_intake(width: float, top: float, low: float) -> list[Shape]:
    mouth = poly((-width * 0.62, top), (width * 0.62, top), (width * 0.52, low), (-width * 0.52, low))
    shapes = [part(rounded(mouth, 0.05), RUBBER)]
    for z in np.arange(low + 0.03, top - 0.01, 0.03):
        shapes.append(part(poly((-width * 0.5, z), (width * 0.5, z)), (0.008, 0.008, 0.009), 0.012))
    pocket = poly(
        (width * 0.68, top + 0.02), (width * 0.88, top + 0.03), (width * 0.86, low + 0.06), (width * 0.70, low + 0.05)
    )
    for points in mirrored(rounded(pocket, 0.04)):
        shapes.append(part(points, RUBBER))
    for side in (-1, 1):
        shapes.append(part(disc(side * width * 0.77, (top + low) / 2 + 0.05, 0.045), LAMP))
    return shapes


def _draw_rear_window(vehicle: Vehicle) -> list[Shape]:
    belt, roof = vehicle.level(BELT_LEVEL + 0.15), vehicle.level(ROOF_EDGE_LEVEL - 0.1)
    half_low, half_high, low, high = belt[4] * 0.80, roof[4] * 0.82, belt[3] + 0.01, roof[3] - 0.03
    glass = poly((-half_low, low), (half_low, low), (half_high, high), (-half_high, high))
    return [
        part(rounded(moved(scaled(glass, 1.02, 1.0), 0, -0.01), 0.08), BLACK),
        Shape("glass", rounded(moved(glass, 0, 0.012), 0.08)),
        part(poly((-0.02, low + 0.02), (0.40 * vehicle.half_width_m, low + 0.04)), BLACK, 0.016),
    ]


def _draw_tail_lamps(width: float, z: float, half: float, rng: np.random.Generator) -> list[Shape]:
    inner = rng.uniform(0.50, 0.74)
    lower = LAMP if rng.random() < 0.5 else AMBER
    lamp = poly(
        (width * inner, z - half * 0.7),
        (width * 1.1, z - half),
        (width * 1.1, z + half),
        (width * (inner + 0.03), z + half * 0.8),
    )
    shapes = []
    for points in mirrored(lamp):
        shapes.append(part(rounded(points, 0.03), RED))
        shapes.append(part(rounded(moved(scaled(points, 0.75, 0.35), 0, half * 0.35), 0.02), (0.62, 0.03, 0.03)))
        shapes.append(part(rounded(moved(scaled(points, 0.55, 0.22), 0, -half * 0.4), 0.02), lower))
    return shapes


def _draw_gate(vehicle: Vehicle, lamp_low: float, rng: np.random.Generator) -> list[Shape]:
    width, is_van = vehicle.half_width_m, vehicle.style == "van"
    top = float(vehicle.level(BELT_LEVEL + 0.15)[3]) - 0.02
    low = float(vehicle.level(0.6)[3]) + 0.12 if is_van else float(vehicle.level(2.0)[3]) + 0.08
    half = poly((width * 0.66, low), (width * 0.76, lamp_low), (width * 0.80, top))
    shapes = [line(np.concatenate([mirrored(half)[1][::-1], half]), _SEAM_M)]
    if is_van and rng.random() < 0.5:  # two wing doors
        shapes.append(line(poly((0.0, top), (0.0, low)), 0.008))
    return shapes


def _draw_rear_trim(
    width: float, tail_z: float, bumper_z: float, low_z: float, rng: np.random.Generator
) -> list[Shape]:
    skirt = poly(
        (-width * 0.6, low_z - 0.06),
        (width * 0.6, low_z - 0.06),
        (width * 0.66, low_z + 0.07),
        (-width * 0.66, low_z + 0.07),
    )
    shapes = [part(disc(0, tail_z + 0.07, 0.048), CHROME), part(rounded(skirt, 0.04), RUBBER)]
    if rng.random() < 0.5:
        shapes.insert(0, part(box(-0.42, tail_z - 0.015, 0.42, tail_z + 0.012), CHROME))
    for points in mirrored(box(width * 0.62, bumper_z - 0.10, width * 0.86, bumper_z - 0.06)):
        shapes.append(part(rounded(points, 0.015), (0.30, 0.01, 0.01)))
    if rng.random() < 0.7:
        shapes.append(part(disc(width * 0.55, low_z - 0.01, 0.045, 0.03), CHROME))
        shapes.append(part(disc(width * 0.55, low_z - 0.01, 0.036, 0.022), BLACK))
    return shapes


def _draw_plate(z: float, rng: np.random.Generator) -> list[Shape]:
    """A number plate whose strokes read as letters without spelling anything."""
    colour = PLATE_WHITE if rng.random() < 0.8 else PLATE_YELLOW
    shapes = [part(rounded(box(-0.27, z - 0.065, 0.27, z + 0.065), 0.01), BLACK)]
    shapes.append(part(box(-0.26, z - 0.055, 0.26, z + 0.055), colour))
    for number in range(int(rng.integers(5, 8))):
        y = -0.19 + number * 0.062
        bend = rng.uniform(-1, 1, 2) * [0.02, 0.036]
        stroke = poly((y - 0.018, z - 0.034), (y + bend[0], z + bend[1]), (y + 0.016, z + 0.034))
        if rng.random() < 0.6:
            stroke = np.concatenate(
                [stroke, poly((y - 0.018, z + 0.034), (y + 0.018, z - 0.034))[: rng.integers(1, 3)]]
            )
        shapes.append(part(stroke, INK, 0.012))
    return shapes
