"""Checks of values that every format's reader shares: numbers, boxes, polygons, labels, whole datasets."""

import math
from collections.abc import Sequence
from typing import Any

from models.data.formats.dataset import (
    OTHER_LABEL,
    SPLIT_NAMES,
    TRACED_PREFIX,
    Dataset,
    Photo,
    Polygon,
    enclosed_area_px2,
    to_grid,
)
from models.data.formats.faults import FaultLog, Place
from models.structures import DAMAGE_CLASSES

SizeWh = tuple[int, int] | None


def finite_number(value: Any) -> float | None:
    """A JSON number as float, None for anything else, NaN and infinities included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def whole_number(value: Any) -> int | None:
    """A JSON whole number, None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def parse_number(text: str) -> float | None:
    """A finite number from text; None for anything else."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None


def check_name(log: FaultLog, place: Place, what: str, value: Any) -> str | None:
    """Is it a name: printable text without spaces around it? None where a fault was noted."""
    if isinstance(value, str) and value and value.isprintable() and value == value.strip():
        return value
    log.add(place, f"{what}: expected a name, found {value!r}")
    return None


def check_split(log: FaultLog, place: Place, value: Any) -> str:
    """Is it a split's name? Empty where a fault was noted, or where it is empty."""
    if value in ("", None):
        return ""
    if value not in SPLIT_NAMES:
        log.add(place, f"split: expected one of {', '.join(SPLIT_NAMES)}, found {value!r}")
        return ""
    return str(value)


def check_size(log: FaultLog, place: Place, width: Any, height: Any) -> SizeWh:
    """Are they a photo's width and height? None where a fault was noted."""
    if (wide := whole_number(width)) and (high := whole_number(height)) and wide > 0 and high > 0:
        return wide, high
    log.add(place, f"size: expected width and height, whole pixels of 1 or more, found {width!r} and {height!r}")
    return None


def check_box(log: FaultLog, place: Place, values: Any, size_wh: SizeWh) -> tuple[float, float, float, float] | None:
    """Is it a box (x_min, y_min, x_max, y_max) inside the photo? None where a fault was noted."""
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != 4:
        log.add(place, f"box: expected four numbers, found {values!r}")
        return None
    numbers = [finite_number(value) for value in values]
    if None in numbers:
        log.add(place, f"box: expected four finite numbers, found {list(values)!r}")
        return None
    x_min, y_min, x_max, y_max = (to_grid(number) for number in numbers if number is not None)
    before = len(log.faults)
    for axis, low, high, end in zip("xy", (x_min, y_min), (x_max, y_max), size_wh or (None, None), strict=True):
        if low >= high:
            log.add(place, f"box: {axis} from {low:g} to {high:g} is empty")
        if end is not None and (low < 0 or high > end):
            log.add(place, f"box: {axis} from {low:g} to {high:g} leaves the photo (0 to {end})")
    return None if len(log.faults) > before else (x_min, y_min, x_max, y_max)


def check_points(
    log: FaultLog, place: Place, points: Any, size_wh: SizeWh, *, hairlines: bool = False
) -> tuple[tuple[float, float], ...] | None:
    """Is it an outline inside the photo? None where a fault was noted.

    Args:
        log: takes the faults.
        place: of the polygon.
        points: (x, y) pairs.
        size_wh: of the photo, or None if unknown.
        hairlines: outlines that enclose no area are allowed, which a mask one pixel wide has.
    """
    if not isinstance(points, Sequence) or isinstance(points, str):
        log.add(place, f"polygon: expected a list of points, found {points!r}")
        return None
    before = len(log.faults)
    corners: list[tuple[float, float]] = []
    lines = getattr(points, "lines", [place.line] * len(points))
    for number, (point, line) in enumerate(zip(points, lines, strict=True)):
        here = place.at(line, f"points[{number}]")
        pair = isinstance(point, Sequence) and not isinstance(point, str) and len(point) == 2
        x, y = (finite_number(point[0]), finite_number(point[1])) if pair else (None, None)
        if x is None or y is None:
            log.add(here, f"expected two finite numbers, found {point!r}")
            continue
        x, y = to_grid(x), to_grid(y)
        for axis, value, end in zip("xy", (x, y), size_wh or (None, None), strict=True):
            if end is not None and not 0 <= value <= end:
                log.add(here, f"{axis} {value:g} leaves the photo (0 to {end})")
        corners.append((x, y))
    if len(points) < 3:
        log.add(place, f"polygon: expected 3 points or more, found {len(points)}")
    elif len(corners) == len(points) and not hairlines and enclosed_area_px2(tuple(corners)) == 0:
        log.add(place, "polygon: encloses no area")
    return None if len(log.faults) > before else tuple(corners)


def check_polygon(log: FaultLog, place: Place, label: str | None, points: Any, size_wh: SizeWh) -> Polygon | None:
    """Is it a polygon with a class, inside the photo? None where a fault was noted."""
    corners = check_points(log, place, points, size_wh)
    return None if corners is None or label is None else Polygon(label, corners)


def allows_hairlines(vehicle_id: str) -> bool:
    """Are a photo's polygons traced from masks?"""
    return vehicle_id.startswith(TRACED_PREFIX)


def close_dataset(
    log: FaultLog, path: Place, photos: Sequence[tuple[Place, Photo]], labels: Sequence[str] | None
) -> Dataset:
    """Make a dataset of what was read, noting what only the whole shows: nothing in it, duplicates, contradictions.

    Args:
        log: takes the faults.
        path: the source as a whole.
        photos: each with its record's place.
        labels: the classes that the source declares, or None if it declares none.
    """
    if not photos and not log.faults:
        log.add(path, "empty: no photo in it")
    first: dict[str, Place] = {}
    for place, photo in photos:
        if photo.image_id in first:
            other = first[photo.image_id]
            log.add(place, f"duplicate image_id {photo.image_id!r}, first at {other.path.name}:{other.line}")
        first.setdefault(photo.image_id, place)
        damages = sum(shape.label in (*DAMAGE_CLASSES, OTHER_LABEL) for shape in (*photo.polygons, *photo.boxes))
        if photo.damage_level == 0 and damages:
            log.add(place, f"damage_level: 0 contradicts {damages} damaged region{'s' * (damages > 1)}")
    used = sorted({label for _, photo in photos for label in photo.object_labels})
    declared = list(labels) if labels is not None else []
    return Dataset(
        tuple(photo for _, photo in photos), (*declared, *(label for label in used if label not in declared))
    )
