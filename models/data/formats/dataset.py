"""Annotated photos in memory: what every annotation format is read into and written from.

Coordinates are photo pixels, max edge exclusive, EXIF orientation applied, on a grid of a millionth of a pixel: finer
digits are rounded when read, so that a sum of two coordinates is exact in every format. Order of polygons and boxes
within a photo carries no meaning.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

SPLIT_NAMES: Final[tuple[str, ...]] = ("train", "val", "test")
CAR_LABEL: Final = "car"
"""Label of a box around the vehicle; the seed's car_box_xyxy."""
OTHER_LABEL: Final = "other"
"""Label of damage of no class of ours; the seed's other_regions."""
TRACED_PREFIX: Final = "rendered-"
"""How vehicle_id of a rendered photo begins: its polygons are traced from masks, hairlines included."""
GRID_DECIMALS: Final = 6


def to_grid(coordinate: float) -> float:
    """Round a coordinate to a millionth of a pixel; no negative zero."""
    return round(float(coordinate), GRID_DECIMALS) + 0.0


@dataclass(frozen=True)
class Polygon:
    """One outline.

    Attributes:
        label: its class by name.
        points: (x, y) of at least three corners, in order, not closed.
        source_label: what the annotators called it, or empty.
        part_of: a photo's polygons of one label and one number above 0 are parts of one object; 0: an object itself.
    """

    label: str
    points: tuple[tuple[float, float], ...]
    source_label: str = ""
    part_of: int = 0

    @property
    def bounding_box_xyxy(self) -> tuple[float, float, float, float]:
        """The smallest box around it, photo frame."""
        xs, ys = zip(*self.points, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def is_hairline(self) -> bool:
        """Does it enclose no area? Computed in whole millionths of a pixel, so exactly."""
        return enclosed_area_px2(self.points) == 0


@dataclass(frozen=True)
class Box:
    """One box.

    Attributes:
        label: its class by name.
        box_xyxy: photo frame.
    """

    label: str
    box_xyxy: tuple[float, float, float, float]


@dataclass(frozen=True)
class Photo:
    """One photo with what is known of it; empty or None where it is not.

    Attributes:
        image_id: the file's name, or its path below the folder of images, with forward slashes.
        width: pixels.
        height: pixels.
        damage_level: 0 undamaged, 1 damaged, None unknown.
        polygons: outlines.
        boxes: boxes, the vehicle's among them.
        labels: of the whole photo.
        split: one of SPLIT_NAMES.
        group: photos of one group show one car.
        vehicle_id: the car itself.
        context: what else is noted of it (weather, light …), JSON values.
        path: the image file; two photos that differ in nothing else are equal.
    """

    image_id: str
    width: int
    height: int
    damage_level: int | None = None
    polygons: tuple[Polygon, ...] = ()
    boxes: tuple[Box, ...] = ()
    labels: tuple[str, ...] = ()
    split: str = ""
    group: str = ""
    vehicle_id: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = field(default=None, compare=False)

    @property
    def object_labels(self) -> set[str]:
        """Labels of its polygons and boxes."""
        return {shape.label for shape in (*self.polygons, *self.boxes)}


@dataclass(frozen=True)
class Dataset:
    """Photos and the classes their polygons and boxes may have.

    Attributes:
        photos: in the source's order.
        labels: class names, in the order of class ids.
    """

    photos: tuple[Photo, ...]
    labels: tuple[str, ...]

    def rename_labels(self, renamed: Mapping[str, str]) -> "Dataset":
        """Give classes other names; two may become one.

        Raises:
            ValueError: a name to change that no class has.
        """
        if unknown := sorted(set(renamed) - set(self.labels)):
            raise ValueError(f"rename: no class {unknown[0]!r}, there are {', '.join(self.labels) or 'none'}")

        def renew(shapes: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(replace(shape, label=renamed.get(shape.label, shape.label)) for shape in shapes)

        photos = tuple(replace(p, polygons=renew(p.polygons), boxes=renew(p.boxes)) for p in self.photos)
        return Dataset(photos, tuple(dict.fromkeys(renamed.get(label, label) for label in self.labels)))


def group_parts(polygons: Sequence[Polygon]) -> list[tuple[Polygon, ...]]:
    """The polygons of a photo object by object, each where its first part stands."""
    objects: dict[tuple[str, int], list[Polygon]] = {}
    for place, polygon in enumerate(polygons):
        objects.setdefault((polygon.label, polygon.part_of or -1 - place), []).append(polygon)
    return [tuple(parts) for parts in objects.values()]


def surround(polygons: Sequence[Polygon]) -> tuple[float, float, float, float]:
    """The smallest box around all of them, xyxy, photo frame."""
    x_min, y_min, x_max, y_max = zip(*(polygon.bounding_box_xyxy for polygon in polygons), strict=True)
    return min(x_min), min(y_min), max(x_max), max(y_max)


def enclosed_area_px2(points: tuple[tuple[float, float], ...]) -> float:
    """Area inside an outline by the shoelace formula, exact on the coordinates' grid."""
    scale = 10**GRID_DECIMALS
    corners = [(round(x * scale), round(y * scale)) for x, y in points]
    twice = sum(
        x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True)
    )  # whole numbers: no rounding
    return abs(twice) / (2 * scale * scale)
