"""What a format can carry, and what a dataset loses on its way into it: counted, never silent."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from models.data.formats.dataset import Box, Dataset, Photo, Polygon, group_parts, surround
from models.data.formats.faults import FaultLog
from models.data.formats.images import IMAGE_SUFFIXES


@dataclass(frozen=True)
class Carries:
    """What of a dataset a format has a place for.

    Attributes:
        polygons: outlines; without them they become boxes, where boxes are carried.
        boxes: boxes.
        parts: which polygons are one object; without it each is an object, or their common box is.
        hairlines: outlines that enclose no area.
        source_labels: what annotators called a polygon.
        labels: labels of a whole photo.
        damage_level: 0, 1 or unknown.
        split: train, val or test.
        group: group and vehicle_id.
        context: "any" JSON value, "text" (printable, not empty) or "nothing".
        classes: the list of classes with its order, also those without any object.
    """

    polygons: bool = False
    boxes: bool = False
    parts: bool = False
    hairlines: bool = False
    source_labels: bool = False
    labels: bool = False
    damage_level: bool = False
    split: bool = False
    group: bool = False
    context: str = "nothing"
    classes: bool = False


@dataclass(frozen=True)
class Format:
    """One annotation format.

    Attributes:
        name: what the commands call it.
        carries: what it has a place for.
        looks_like: is a folder or file of this format?
        read: annotations of a folder or file, noting faults.
        write: annotations into a folder, for photos narrowed to what the format carries.
        image_path: where a photo's file stands below the folder.
        fit: narrows what `carries` cannot say; counts what it takes away.
    """

    name: str
    carries: Carries
    looks_like: Callable[[Path], bool]
    read: Callable[[Path, FaultLog], Dataset]
    write: Callable[[Dataset, Path], None]
    image_path: Callable[[Photo], str]
    fit: Callable[[Dataset, Counter[str]], Dataset] = lambda dataset, _: dataset


def narrow(dataset: Dataset, target: Format) -> tuple[Dataset, Counter[str]]:
    """Take away what a format cannot carry.

    Args:
        dataset: unchanged.
        target: the format.

    Returns:
        What it carries, and the losses, counted by description; no loss means an equal dataset.
    """
    losses: Counter[str] = Counter()
    carries = target.carries
    photos = tuple(_narrow_photo(photo, carries, losses) for photo in dataset.photos)
    narrowed = target.fit(Dataset(photos, dataset.labels), losses)
    return (narrowed if carries.classes else _narrow_classes(narrowed, losses)), losses


def _narrow_photo(photo: Photo, carries: Carries, losses: Counter[str]) -> Photo:
    changes: dict[str, Any] = {}
    polygons = photo.polygons
    if not carries.polygons and polygons:
        changes["polygons"] = ()
        if carries.boxes:
            changes["boxes"] = (*photo.boxes, *surround_objects(polygons, losses))
        else:
            losses["polygons"] += len(polygons)
    elif not carries.hairlines and any(p.is_hairline for p in polygons):
        polygons = changes["polygons"] = tuple(p for p in polygons if not p.is_hairline)
        losses["polygons that enclose no area"] += len(photo.polygons) - len(polygons)
    if carries.polygons and not carries.parts and (told := sum(len(own) > 1 for own in group_parts(polygons))):
        losses["objects in parts (each part becomes an object)"] += told
        polygons = changes["polygons"] = tuple(replace(p, part_of=0) for p in polygons)
    if carries.polygons and not carries.source_labels and (told := sum(bool(p.source_label) for p in polygons)):
        losses["source labels of polygons"] += told
        changes["polygons"] = tuple(replace(p, source_label="") for p in polygons)
    if not carries.boxes and photo.boxes:
        losses["boxes"] += len(photo.boxes)
        changes["boxes"] = ()
    for name, is_carried, nothing in (
        ("labels", carries.labels, ()),
        ("damage_level", carries.damage_level, None),
        ("split", carries.split, ""),
        ("group", carries.group, ""),
        ("vehicle_id", carries.group, ""),
    ):
        if not is_carried and getattr(photo, name) != nothing:
            losses[f"photos' {name}"] += 1
            changes[name] = nothing
    kept_context = {key: value for key, value in photo.context.items() if _is_carried(key, value, carries.context)}
    for key in photo.context.keys() - kept_context.keys():
        losses[f"photos' {key}"] += 1
    return replace(photo, **changes, context=kept_context)


def surround_objects(polygons: Sequence[Polygon], losses: Counter[str]) -> list[Box]:
    """Boxes of a photo's objects in place of their polygons, which are counted; one without extent has none."""
    boxes = []
    for parts in group_parts(polygons):
        x_min, y_min, x_max, y_max = surround(parts)
        if x_min < x_max and y_min < y_max:
            boxes.append(Box(parts[0].label, (x_min, y_min, x_max, y_max)))
            losses["polygons (their boxes are kept)"] += len(parts)
        else:
            losses["polygons"] += len(parts)
    return boxes


def _is_carried(key: str, value: Any, context: str) -> bool:
    if context == "text":
        return all(isinstance(t, str) and t.isprintable() and t == t.strip() and t for t in (key, value))
    return context == "any"


def _narrow_classes(dataset: Dataset, losses: Counter[str]) -> Dataset:
    """A format without a list of classes has those of its objects, by name."""
    used = {label for photo in dataset.photos for label in photo.object_labels}
    kept = tuple(label for label in dataset.labels if label in used)
    if unused := len(dataset.labels) - len(kept):
        losses["class(es) without an object"] += unused
    if kept != tuple(sorted(kept)):
        losses["the order of classes"] += 1
    return Dataset(dataset.photos, tuple(sorted(kept)))


def own_paths(dataset: Dataset, path_of: Callable[[Photo], str]) -> dict[str, Photo]:
    """Give every photo the path of its own that a format writes it to.

    Raises:
        ValueError: two photos would share one.
    """
    paths: dict[str, Photo] = {}
    for photo in dataset.photos:
        path = path_of(photo)
        if path in paths:
            raise ValueError(f"{photo.image_id} and {paths[path].image_id} would share the file {path}")
        paths[path] = photo
    return paths


def check_suffixes(dataset: Dataset) -> None:
    """Would a format that finds photos by their suffix find them all again?

    Raises:
        ValueError: a photo whose name has no image's suffix.
    """
    for photo in dataset.photos:
        if Path(photo.image_id).suffix.lower() not in IMAGE_SUFFIXES:
            known = ", ".join(sorted(IMAGE_SUFFIXES))
            raise ValueError(f"{photo.image_id}: this format finds photos by their suffix; expected one of {known}")


def image_below_images(photo: Photo) -> str:
    """Where most formats keep a photo: images/, whatever its split."""
    return f"images/{photo.image_id}"
