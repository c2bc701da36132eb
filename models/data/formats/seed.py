"""The seed's JSON: annotations.json by images/, a list of {image_id, damage_level, regions: [{points, class_name}]}.

Extensions: width, height, split, group, vehicle_id, car_box_xyxy (one box labelled car), other_regions (damage of no
class of ours), boxes ({label, box_xyxy}), labels (of the whole photo), source_class of a region; the rest is context.
damage_level null is unknown.
"""

import difflib
import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

from models.data.formats import shapes
from models.data.formats.carry import Carries, Format, image_below_images, own_paths
from models.data.formats.dataset import CAR_LABEL, OTHER_LABEL, Box, Dataset, Photo, Polygon
from models.data.formats.faults import FaultLog, Place
from models.data.formats.images import check_image_id, find_image, settle_size
from models.data.formats.located_json import LocatedArray, LocatedObject, load_located
from models.structures import CLASS_IDS, DAMAGE_CLASSES, class_name_of

ANNOTATIONS_FILE: Final = "annotations.json"
_REQUIRED: Final = ("image_id", "damage_level", "regions")
_OPTIONAL: Final = (
    "width", "height", "split", "group", "vehicle_id", "car_box_xyxy", "other_regions", "boxes", "labels",
)  # fmt: skip
_NOTED: Final = ("view", "taken_at", "source_file", "source_class", "label_uncertain")
"""Context that is no slip of the pen for one of the above."""


def read(source: Path, log: FaultLog, *, measured: bool = True, unknown_levels: bool = True) -> Dataset:
    """Read a data folder, or its annotations.json.

    Args:
        source: the folder or the file.
        log: takes the faults.
        measured: compare sizes with the image files; False only asks that the files are there.
        unknown_levels: damage_level may be null.
    """
    path = source / ANNOTATIONS_FILE if source.is_dir() else source
    records = load_located(path, log)
    photos: list[tuple[Place, Photo]] = []
    if records is not None and not isinstance(records, LocatedArray):
        log.add(Place(path), "expected a list of photos")
    elif records is not None:
        for number, (record, line) in enumerate(zip(records, records.lines, strict=True)):
            place = Place(path, line, f"photo {number}")
            photo = _parse_record(log, place, record, path.parent, measured=measured, unknown_levels=unknown_levels)
            if photo is not None:
                photos.append((Place(path, line, photo.image_id), photo))
    return shapes.close_dataset(log, Place(path), photos, DAMAGE_CLASSES)


def _parse_record(
    log: FaultLog, place: Place, record: Any, folder: Path, *, measured: bool, unknown_levels: bool
) -> Photo | None:
    if not isinstance(record, LocatedObject):
        log.add(place, f"expected an object, found {record!r}")
        return None
    if isinstance(name := record.get("image_id"), str) and name.isprintable():
        place = Place(place.path, place.line, name)
    _check_keys(log, place, record)
    image_id = None
    if "image_id" in record:
        image_id = check_image_id(log, place.at(record.line_of("image_id"), "image_id"), record["image_id"])
    path = None
    if image_id:
        path = find_image(log, place, image_id, [folder / "images"])
    declared = None
    if "width" in record or "height" in record:
        here = place.at(record.line_of("width"))
        declared = shapes.check_size(log, here, record.get("width"), record.get("height"))
    size_wh = settle_size(log, place.at(record.line_of("width")), path, declared, measured=measured)
    names = {key: _parse_text(log, place, record, key) for key in ("group", "vehicle_id")}
    polygons = _parse_regions(log, place, record, size_wh, hairlines=shapes.allows_hairlines(names["vehicle_id"]))
    boxes = _parse_boxes(log, place, record, size_wh)
    labels = _parse_labels(log, place, record)
    split = shapes.check_split(log, place.at(record.line_of("split")), record.get("split"))
    level = _parse_level(log, place, record, unknown=unknown_levels)
    if image_id is None or size_wh is None:
        return None
    return Photo(
        image_id=image_id,
        width=size_wh[0],
        height=size_wh[1],
        damage_level=level,
        polygons=polygons,
        boxes=boxes,
        labels=labels,
        split=split,
        **names,
        context={key: value for key, value in record.items() if key not in (*_REQUIRED, *_OPTIONAL)},
        path=path,
    )


def _check_keys(log: FaultLog, place: Place, record: LocatedObject) -> None:
    for key in record.repeated:
        log.add(place.at(record.line_of(key)), f"key {key!r} stands twice")
    known = (*_REQUIRED, *_OPTIONAL, *_NOTED)
    for key in record:
        if key not in known and (meant := difflib.get_close_matches(key, known, 1, 0.85)):
            log.add(place.at(record.line_of(key)), f"wrong key {key!r}, is {meant[0]!r} meant?")
    for key in _REQUIRED:
        if key not in record:
            log.add(place, f"key {key!r} is missing")


def _parse_level(log: FaultLog, place: Place, record: LocatedObject, *, unknown: bool) -> int | None:
    level = record.get("damage_level")
    if (level is None and unknown) or "damage_level" not in record:
        return None
    if shapes.whole_number(level) in (0, 1):
        return level
    expected = "0, 1 or null" if unknown else "0 or 1"
    log.add(place.at(record.line_of("damage_level")), f"damage_level: expected {expected}, found {level!r}")
    return None


def _parse_text(log: FaultLog, place: Place, record: LocatedObject, key: str) -> str:
    value = record.get(key)
    if value in (None, ""):
        return ""
    value = str(value) if shapes.whole_number(value) is not None else value
    return shapes.check_name(log, place.at(record.line_of(key)), key, value) or ""


def _entries(log: FaultLog, place: Place, record: LocatedObject, key: str) -> list[tuple[Place, LocatedObject]]:
    values = record.get(key)
    if values is None:
        if key in record and key in _REQUIRED:
            log.add(place.at(record.line_of(key)), f"{key}: expected a list, found null")
        return []
    if not isinstance(values, LocatedArray):
        log.add(place.at(record.line_of(key)), f"{key}: expected a list, found {values!r}")
        return []
    found = []
    for number, (value, line) in enumerate(zip(values, values.lines, strict=True)):
        here = place.at(line, f"{key}[{number}]")
        if isinstance(value, LocatedObject):
            for repeated in value.repeated:
                log.add(here.at(value.line_of(repeated)), f"key {repeated!r} stands twice")
            found.append((here, value))
        else:
            log.add(here, f"expected an object, found {value!r}")
    return found


def _parse_regions(
    log: FaultLog, place: Place, record: LocatedObject, size_wh: shapes.SizeWh, *, hairlines: bool
) -> tuple[Polygon, ...]:
    polygons = []
    for key in ("regions", "other_regions"):
        for here, region in _entries(log, place, record, key):
            label = _parse_class(log, here, region) if key == "regions" else OTHER_LABEL
            if "points" not in region:
                log.add(here, "key 'points' is missing")
                continue
            points = shapes.check_points(
                log, here.at(region.line_of("points")), region["points"], size_wh, hairlines=hairlines
            )
            source_label = _parse_text(log, here, region, "source_class")
            for left in region.keys() - {"points", "class_name", "source_class"}:
                log.lose(f"regions' {left}")
            if points is not None and label is not None:
                polygons.append(Polygon(label, points, source_label))
    return tuple(polygons)


def _parse_class(log: FaultLog, place: Place, region: LocatedObject) -> str | None:
    if "class_name" not in region:
        log.add(place, "key 'class_name' is missing")
        return None
    class_id = shapes.whole_number(region["class_name"])
    try:
        return class_name_of(0 if class_id is None else class_id)
    except ValueError:
        known = ", ".join(f"{number} {name}" for name, number in CLASS_IDS.items())
        here = place.at(region.line_of("class_name"))
        log.add(here, f"unknown class: class_name must be one of {known}, found {region['class_name']!r}")
        return None


def _parse_boxes(log: FaultLog, place: Place, record: LocatedObject, size_wh: shapes.SizeWh) -> tuple[Box, ...]:
    boxes = []
    if (car_box := record.get("car_box_xyxy")) is not None:
        here = place.at(record.line_of("car_box_xyxy"), "car_box_xyxy")
        if (box_xyxy := shapes.check_box(log, here, car_box, size_wh)) is not None:
            boxes.append(Box(CAR_LABEL, box_xyxy))
    for here, entry in _entries(log, place, record, "boxes"):
        label = shapes.check_name(log, here.at(entry.line_of("label")), "label", entry.get("label"))
        box_xyxy = shapes.check_box(log, here.at(entry.line_of("box_xyxy")), entry.get("box_xyxy"), size_wh)
        if label is not None and box_xyxy is not None:
            boxes.append(Box(label, box_xyxy))
    return tuple(boxes)


def _parse_labels(log: FaultLog, place: Place, record: LocatedObject) -> tuple[str, ...]:
    labels = record.get("labels")
    if labels is None:
        return ()
    here = place.at(record.line_of("labels"), "labels")
    if not isinstance(labels, LocatedArray):
        log.add(here, f"expected a list of names, found {labels!r}")
        return ()
    checked = (shapes.check_name(log, here, "label", label) for label in labels)
    return tuple(label for label in checked if label is not None)


def fit(dataset: Dataset, losses: Counter[str]) -> Dataset:
    """Leave out polygons that are no damage: the schema has a number for a class of damage and none for others."""
    kinds = (*DAMAGE_CLASSES, OTHER_LABEL)
    photos = []
    for photo in dataset.photos:
        polygons = tuple(p for p in photo.polygons if p.label in kinds)
        losses["polygons of classes that are no damage (--rename OLD=NEW gives a class another name)"] += len(
            photo.polygons
        ) - len(polygons)
        reserved = {key: value for key, value in photo.context.items() if key not in (*_REQUIRED, *_OPTIONAL)}
        losses["context under the name of a key of the schema"] += len(photo.context) - len(reserved)
        hairlines = shapes.allows_hairlines(photo.vehicle_id)
        kept = tuple(p for p in polygons if hairlines or not p.is_hairline)
        losses["polygons that enclose no area"] += len(polygons) - len(kept)
        photos.append(Photo(**{**vars(photo), "polygons": kept, "context": reserved}))
    used = {label for photo in photos for label in photo.object_labels} - set(DAMAGE_CLASSES)
    labels = (*DAMAGE_CLASSES, *sorted(used))
    losses["class(es) without an object"] += len(set(dataset.labels) - set(labels))
    if dataset.labels != labels and not set(dataset.labels) - set(labels):
        losses["the order of classes"] += 1
    return Dataset(tuple(photos), labels)


def build_record(photo: Photo) -> dict[str, Any]:
    """Write a photo as the seed's schema has it; what is unknown is left out, but for damage_level, which is null."""
    regions = [_build_region(p) | {"class_name": CLASS_IDS[p.label]} for p in photo.polygons if p.label in CLASS_IDS]
    others = [_build_region(p) for p in photo.polygons if p.label == OTHER_LABEL]
    cars = [box for box in photo.boxes if box.label == CAR_LABEL]
    own_box = cars[0] if len(cars) == 1 else None
    boxes = [{"label": b.label, "box_xyxy": list(b.box_xyxy)} for b in photo.boxes if b is not own_box]
    optional = {
        "other_regions": others,
        "split": photo.split,
        "group": photo.group,
        "vehicle_id": photo.vehicle_id,
        "car_box_xyxy": list(own_box.box_xyxy) if own_box else None,
        "boxes": boxes,
        "labels": list(photo.labels),
    }
    return {
        "image_id": photo.image_id,
        "damage_level": photo.damage_level,
        "regions": regions,
        "width": photo.width,
        "height": photo.height,
        **{key: value for key, value in optional.items() if value},
        **photo.context,
    }


def _build_region(polygon: Polygon) -> dict[str, Any]:
    source = {"source_class": polygon.source_label} if polygon.source_label else {}
    return {"points": [list(point) for point in polygon.points], **source}


def write(dataset: Dataset, folder: Path) -> None:
    """Write annotations.json, one line a photo."""
    own_paths(dataset, image_below_images)
    lines = ",\n".join(json.dumps(build_record(photo)) for photo in dataset.photos)
    (folder / ANNOTATIONS_FILE).write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def looks_like(source: Path) -> bool:
    """Has the folder an annotations.json that is a list (or no JSON at all: reading will tell)?"""
    path = source / ANNOTATIONS_FILE if source.is_dir() else source
    if not path.is_file() or path.suffix.lower() != ".json":
        return False
    with path.open("rb") as file:
        start = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    return not start.startswith(b"{") if source.is_dir() else start.startswith(b"[")


SEED: Final = Format(
    name="seed",
    carries=Carries(
        polygons=True,
        boxes=True,
        hairlines=True,
        source_labels=True,
        labels=True,
        damage_level=True,
        split=True,
        group=True,
        context="any",
        classes=True,
    ),
    looks_like=looks_like,
    read=read,
    write=write,
    image_path=image_below_images,
    fit=fit,
)
