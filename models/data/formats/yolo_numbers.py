"""YOLO's normalised numbers and pixels, there and back without a change.

A text of d decimals stands for any value within half a unit of its last digit. Reading takes, of the pixel coordinates
that it can stand for, the one with the fewest decimals; writing takes the fewest decimals, 6 or more, that are read as
the same coordinates.
"""

import re
from collections.abc import Sequence
from typing import Final

from models.data.formats.dataset import GRID_DECIMALS, to_grid

LEAST_DECIMALS: Final = 6
_MOST_DECIMALS: Final = 15
_SNAP_PX: Final = 0.01
"""Coarse texts are not moved by more than this."""
_OVERSHOOT_PX: Final = 0.5
"""How far rounding alone may carry a coordinate out of the photo."""
_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.(\d*))?|\.(\d+))(?:[eE]([+-]?\d{1,3}))?")


def parse_text(text: str) -> tuple[float, float] | None:
    """A finite decimal number and half a unit of its last digit; None for anything else."""
    if not (match := _NUMBER.fullmatch(text)):
        return None
    decimals = len(match[1] or match[2] or "") - int(match[3] or 0)
    value = float(text)
    return (value, 0.5 * 10.0**-decimals) if abs(value) < 1e9 else None


def decode_box(texts: Sequence[str], size_wh: tuple[int, int]) -> tuple[float, float, float, float] | None:
    """Read centre x, centre y, width, height.

    Args:
        texts: four numbers, normalised.
        size_wh: of the photo.

    Returns:
        xyxy, photo pixels, unchecked; None if a text is no finite number.
    """
    numbers = [parse_text(text) for text in texts]
    corners = []
    for centre, extent, pixels in zip(numbers[:2], numbers[2:], size_wh, strict=True):
        if centre is None or extent is None:
            return None
        doubt_px = (centre[1] + extent[1] / 2) * pixels
        corners.append([_snap((centre[0] + side * extent[0] / 2) * pixels, doubt_px, pixels) for side in (-1, 1)])
    (x_min, x_max), (y_min, y_max) = corners
    return x_min, y_min, x_max, y_max


def decode_points(texts: Sequence[str], size_wh: tuple[int, int]) -> list[tuple[float, float]] | None:
    """Read x, y, x, y …, normalised, to photo pixels, unchecked; None if a text is no finite number."""
    values = []
    for number, text in enumerate(texts):
        parsed = parse_text(text)
        if parsed is None:
            return None
        pixels = size_wh[number % 2]
        values.append(_snap(parsed[0] * pixels, parsed[1] * pixels, pixels))
    return list(zip(values[::2], values[1::2], strict=True))


def _snap(coordinate: float, doubt_px: float, pixels: int) -> float:
    """The shortest decimal number within the doubt; the photo's border if no more than the doubt is outside."""
    overshoot = max(-coordinate, coordinate - pixels)
    if 0 < overshoot <= min(doubt_px + 1e-9, _OVERSHOOT_PX):
        return 0.0 if coordinate < 0 else float(pixels)
    for decimals in range(GRID_DECIMALS):
        candidate = round(coordinate, decimals)
        if abs(candidate - coordinate) <= min(doubt_px, _SNAP_PX) + 1e-9:
            return candidate + 0.0
    return to_grid(coordinate)


def encode_box(box_xyxy: tuple[float, float, float, float], size_wh: tuple[int, int]) -> str:
    """Write a box as `cx cy w h` such that decode_box gives it back.

    Args:
        box_xyxy: photo pixels, inside the photo.
        size_wh: of the photo.
    """
    x_min, y_min, x_max, y_max = box_xyxy
    width, height = size_wh
    values = (
        (x_min + x_max) / 2 / width,
        (y_min + y_max) / 2 / height,
        (x_max - x_min) / width,
        (y_max - y_min) / height,
    )
    for decimals in range(LEAST_DECIMALS, _MOST_DECIMALS + 1):
        texts = [f"{value:.{decimals}f}" for value in values]
        if decode_box(texts, size_wh) == box_xyxy:
            return " ".join(texts)
    raise ValueError(f"box: {box_xyxy} of a photo of {width}x{height} has no exact normalised form")


def encode_points(points: tuple[tuple[float, float], ...], size_wh: tuple[int, int]) -> str:
    """Write a polygon as `x y x y …` such that decode_points gives it back; photo pixels, inside the photo."""
    texts = []
    for point in points:
        for axis, (coordinate, pixels) in enumerate(zip(point, size_wh, strict=True)):
            texts.append(_encode_coordinate(coordinate, pixels, axis))
    return " ".join(texts)


def _encode_coordinate(coordinate: float, pixels: int, axis: int) -> str:
    for decimals in range(LEAST_DECIMALS, _MOST_DECIMALS + 1):
        text = f"{coordinate / pixels:.{decimals}f}"
        value, doubt = parse_text(text) or (coordinate, 0.0)
        if _snap(value * pixels, doubt * pixels, pixels) == coordinate:
            return text
    raise ValueError(f"polygon: {'xy'[axis]} {coordinate} of {pixels} has no exact normalised form")
