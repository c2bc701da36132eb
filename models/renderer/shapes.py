"""Flat shapes and the colours of what is not painted metal; the vocabulary of a car's artwork."""

from dataclasses import dataclass

import numpy as np

BLACK, RUBBER, CHROME = (0.006, 0.006, 0.007), (0.02, 0.02, 0.021), (0.55, 0.56, 0.58)
LAMP, LAMP_DARK, RED, AMBER = (0.62, 0.66, 0.70), (0.10, 0.11, 0.12), (0.38, 0.008, 0.01), (0.75, 0.28, 0.02)
PLATE_WHITE, PLATE_YELLOW, INK = (0.72, 0.72, 0.68), (0.75, 0.50, 0.03), (0.02, 0.02, 0.025)
_ARC = np.linspace(0, 1, 6)[:, None]


@dataclass(frozen=True)
class Shape:
    """One flat shape in a zone's plane: (x, z) for a side, (y, z) for front and rear.

    Attributes:
        layer: "glass", "hole" (wheel opening), "line" (panel line), or "part" (anything else that is not paint).
        points: float64 (P, 2), plane coordinates, metres.
        colour: linear RGB of a part.
        width_m: stroke of an open line; 0 = filled.
    """

    layer: str
    points: np.ndarray
    colour: tuple[float, ...] = (0.0, 0.0, 0.0)
    width_m: float = 0.0


def part(points: np.ndarray, colour: tuple[float, ...], width_m: float = 0.0) -> Shape:
    """A part: filled, or an open stroke of width_m."""
    return Shape("part", points, colour, width_m)


def line(points: np.ndarray, width_m: float) -> Shape:
    """A panel line."""
    return Shape("line", points, width_m=width_m)


def poly(*points: tuple[float, float]) -> np.ndarray:
    """Corners as an array: float64 (P, 2)."""
    return np.array(points, float)


def box(left: float, low: float, right: float, high: float) -> np.ndarray:
    """Corners of an upright rectangle: float64 (4, 2)."""
    return poly((left, low), (right, low), (right, high), (left, high))


def disc(x: float, z: float, radius_x: float, radius_z: float | None = None) -> np.ndarray:
    """Border of a disc or an ellipse: float64 (48, 2)."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.stack([x + radius_x * np.cos(angle), z + (radius_z or radius_x) * np.sin(angle)], axis=1)


def moved(points: np.ndarray, right: float, up: float) -> np.ndarray:
    """Shift points, metres."""
    return points + np.array([right, up])


def scaled(points: np.ndarray, across: float, upright: float | None = None) -> np.ndarray:
    """Enlarge points about their middle."""
    middle = points.mean(axis=0)
    return middle + (points - middle) * np.array([across, across if upright is None else upright])


def mirrored(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points of the car's left half and the same on its right."""
    return points, points * np.array([-1.0, 1.0])


def rounded(points: np.ndarray, radius_m: float) -> np.ndarray:
    """Cut a polygon's corners with short arcs: float64 (6 P, 2)."""
    arcs = []
    for before, corner, after in zip(np.roll(points, 1, axis=0), points, np.roll(points, -1, axis=0), strict=True):
        leg_a, leg_b = before - corner, after - corner
        length_a, length_b = (max(float(np.hypot(*leg)), 1e-9) for leg in (leg_a, leg_b))
        a = corner + leg_a * min(radius_m / length_a, 0.45)
        b = corner + leg_b * min(radius_m / length_b, 0.45)
        arcs.append((1 - _ARC) ** 2 * a + 2 * _ARC * (1 - _ARC) * corner + _ARC**2 * b)
    return np.concatenate(arcs)
