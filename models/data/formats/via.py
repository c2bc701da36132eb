"""VGG Image Annotator 2: via_project.json (or the exported table of photos alone) beside images/.

Polygons and rectangles have their class in region_attributes.label; split, group, vehicle_id, damage_level and textual
context are file_attributes. Sizes are the image files' own.
"""

import json
from pathlib import Path
from typing import Any, Final

from models.data.formats import shapes
from models.data.formats.carry import Carries, Format, image_below_images, own_paths
from models.data.formats.dataset import Box, Dataset, Photo, Polygon, to_grid
from models.data.formats.faults import FaultLog, Place
from models.data.formats.images import check_image_id, find_image, settle_size
from models.data.formats.located_json import LocatedArray, LocatedObject, load_located, looks_like_json

PROJECT_FILE: Final = "via_project.json"
_TABLE: Final = "_via_img_metadata"
_LABEL_KEYS: Final = ("label", "class", "class_name", "name", "type", "damage")
_FILE_KEYS: Final = ("split", "group", "vehicle_id", "damage_level")


def read(source: Path, log: FaultLog) -> Dataset:
    """Read every VIA file of a folder as one dataset."""
    photos: list[tuple[Place, Photo]] = []
    declared: dict[str, None] = {}
    for path in list_files(source, broken=True):
        content = load_located(path, log)
        if content is None:
            continue
        table = content.get(_TABLE, content) if isinstance(content, LocatedObject) else content
        if not isinstance(table, LocatedObject):
            log.add(Place(path), f"{_TABLE}: expected an object, a key a photo")
            continue
        declared.update(dict.fromkeys(_declared_labels(content)))
        for key in table.repeated:
            log.add(Place(path, table.line_of(key)), f"key {key!r} stands twice")
        for key, entry in table.items():
            photo = _parse_entry(log, Place(path, table.line_of(key), key), entry)
            if photo is not None:
                photos.append((Place(path, table.line_of(key), photo.image_id), photo))
    return shapes.close_dataset(log, Place(source), photos, tuple(declared) or None)


def list_files(source: Path, *, broken: bool = False) -> list[Path]:
    """VIA files of a folder, sorted; or the file itself; broken takes those that are no JSON along."""
    if source.is_file():
        return [source]
    return [path for path in sorted(source.glob("*.json")) if looks_like_json(path, _is_via, broken=broken)]


def _is_via(content: Any) -> bool:
    if not isinstance(content, dict):
        return False
    if _TABLE in content:
        return True
    return bool(content) and all(isinstance(v, dict) and {"filename", "regions"} <= v.keys() for v in content.values())


def _declared_labels(content: LocatedObject) -> list[str]:
    """Classes that the project offers for the attribute `label`."""
    found: Any = content
    for key in ("_via_attributes", "region", "label", "options"):
        found = found.get(key) if isinstance(found, LocatedObject) else None
    return list(found) if isinstance(found, LocatedObject) else []


def _parse_entry(log: FaultLog, place: Place, entry: Any) -> Photo | None:
    if not isinstance(entry, LocatedObject):
        log.add(place, f"expected an object, found {entry!r}")
        return None
    for key in entry.repeated:
        log.add(place.at(entry.line_of(key)), f"key {key!r} stands twice")
    name_place = place.at(entry.line_of("filename"), "filename")
    image_id = check_image_id(log, name_place, entry.get("filename"))
    folder = place.path.parent
    image = find_image(log, name_place, image_id, (folder / "images", folder)) if image_id else None
    size_wh = settle_size(log, name_place, image, None)
    if image_id:
        place = Place(place.path, place.line, image_id)
    told, context = _parse_file_attributes(log, place, entry)
    polygons: list[Polygon] = []
    boxes: list[Box] = []
    regions = entry.get("regions")
    if isinstance(regions, LocatedObject):  # version 1 of VIA numbers them
        rows = [(region, regions.line_of(key)) for key, region in regions.items()]
    elif isinstance(regions, LocatedArray):
        rows = list(zip(regions, regions.lines, strict=True))
    else:
        log.add(place.at(entry.line_of("regions")), f"regions: expected a list, found {regions!r}")
        rows = []
    for number, (region, line) in enumerate(rows):
        shape = _parse_region(log, place.at(line, f"regions[{number}]"), region, size_wh)
        if isinstance(shape, Polygon):
            polygons.append(shape)
        elif shape is not None:
            boxes.append(shape)
    if image_id is None or size_wh is None:
        return None
    return Photo(image_id, *size_wh, polygons=tuple(polygons), boxes=tuple(boxes), **told, context=context, path=image)


def _parse_file_attributes(log: FaultLog, place: Place, entry: LocatedObject) -> tuple[dict[str, Any], dict[str, Any]]:
    attributes, here = entry.get("file_attributes", LocatedObject()), place.at(entry.line_of("file_attributes"))
    if not isinstance(attributes, LocatedObject):
        log.add(here, f"file_attributes: expected an object, found {attributes!r}")
        return {}, {}
    told: dict[str, Any] = {"split": shapes.check_split(log, here, attributes.get("split"))}
    for key in ("group", "vehicle_id"):
        value = attributes.get(key)
        told[key] = (shapes.check_name(log, here, key, value) or "") if value not in (None, "") else ""
    level = attributes.get("damage_level")
    if level in ("0", "1"):
        told["damage_level"] = int(level)
    elif level not in (None, ""):
        log.add(here, f"damage_level: expected '0' or '1', found {level!r}")
    return told, {key: value for key, value in attributes.items() if key not in _FILE_KEYS and value not in (None, "")}


def _parse_region(log: FaultLog, place: Place, region: Any, size_wh: shapes.SizeWh) -> Polygon | Box | None:
    shape = region.get("shape_attributes") if isinstance(region, LocatedObject) else None
    if not isinstance(shape, LocatedObject):
        log.add(place, "shape_attributes: expected an object")
        return None
    label = _parse_label(log, place.at(region.line_of("region_attributes")), region.get("region_attributes"))
    kind = shape.get("name")
    place = place.at(region.line_of("shape_attributes"), str(kind))
    if kind == "rect":
        numbers = [shapes.finite_number(shape.get(key)) for key in ("x", "y", "width", "height")]
        if None in numbers:
            log.add(place, f"expected finite x, y, width, height, found {dict(shape)!r}")
            return None
        x, y, width, height = (number for number in numbers if number is not None)
        box_xyxy = shapes.check_box(log, place, [x, y, to_grid(x + width), to_grid(y + height)], size_wh)
        return Box(label, box_xyxy) if box_xyxy and label else None
    if kind == "polygon":
        xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
        if not isinstance(xs, LocatedArray) or not isinstance(ys, LocatedArray) or len(xs) != len(ys):
            log.add(place, "expected all_points_x and all_points_y, lists of one length")
            return None
        return shapes.check_polygon(log, place, label, list(zip(xs, ys, strict=True)), size_wh)
    if kind in ("circle", "ellipse", "point", "polyline"):
        log.lose(f"regions that are a {kind}")
    else:
        log.add(place, f"unknown shape {kind!r}")
    return None


def _parse_label(log: FaultLog, place: Place, attributes: Any) -> str | None:
    if isinstance(attributes, LocatedObject):
        keys = [key for key in _LABEL_KEYS if key in attributes] or list(attributes)
        if len(keys) > 1 and keys[0] not in _LABEL_KEYS:
            log.add(place, f"unknown class: which of {', '.join(keys)} is it? name it label")
            return None
        if keys:
            value = attributes[keys[0]]
            if isinstance(value, LocatedObject) and len(value) == 1:  # a checkbox
                value = next(iter(value))
            return shapes.check_name(log, place, "class", value)
    log.add(place, "unknown class: region_attributes has no label")
    return None


def write(dataset: Dataset, folder: Path) -> None:
    """Write a project that VIA opens."""
    own_paths(dataset, image_below_images)
    table = {}
    for photo in dataset.photos:
        size_bytes = photo.path.stat().st_size if photo.path else -1
        table[f"{photo.image_id}{size_bytes}"] = {
            "filename": photo.image_id,
            "size": size_bytes,
            "regions": [_build_region(shape) for shape in (*photo.polygons, *photo.boxes)],
            "file_attributes": _build_file_attributes(photo),
        }
    labels = {
        "type": "dropdown",
        "description": "",
        "options": dict.fromkeys(dataset.labels, ""),
        "default_options": {},
    }
    names = sorted({key for entry in table.values() for key in entry["file_attributes"]})
    text = {"type": "text", "description": "", "default_value": ""}
    head = {
        "_via_settings": {
            "ui": {},
            "core": {"buffer_size": "18", "filepath": {}, "default_filepath": "images/"},
            "project": {"name": "vehicle-damage"},
        },
        "_via_attributes": {"region": {"label": labels}, "file": dict.fromkeys(names, text)},
        "_via_data_format_version": "2.0.10",
        "_via_image_id_list": list(table),
    }
    rows = ",\n".join(f"{json.dumps(key)}: {json.dumps(entry)}" for key, entry in table.items())
    keys = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items())
    (folder / PROJECT_FILE).write_text(f'{{\n{keys},\n"{_TABLE}": {{\n{rows}\n}}\n}}\n', encoding="utf-8")


def _build_region(shape: Polygon | Box) -> dict[str, Any]:
    if isinstance(shape, Polygon):
        xs, ys = zip(*shape.points, strict=True)
        outline: dict[str, Any] = {"name": "polygon", "all_points_x": xs, "all_points_y": ys}
    else:
        x_min, y_min, x_max, y_max = shape.box_xyxy
        extent = {"width": to_grid(x_max - x_min), "height": to_grid(y_max - y_min)}
        outline = {"name": "rect", "x": x_min, "y": y_min, **extent}
    return {"shape_attributes": outline, "region_attributes": {"label": shape.label}}


def _build_file_attributes(photo: Photo) -> dict[str, str]:
    level = "" if photo.damage_level is None else str(photo.damage_level)
    told = {"split": photo.split, "group": photo.group, "vehicle_id": photo.vehicle_id, "damage_level": level}
    return {key: value for key, value in told.items() if value} | dict(photo.context)


def looks_like(source: Path) -> bool:
    """Is there a JSON file as VIA writes it?"""
    return looks_like_json(source, _is_via) if source.is_file() else bool(list_files(source))


VIA: Final = Format(
    name="via",
    carries=Carries(polygons=True, boxes=True, damage_level=True, split=True, group=True, context="text", classes=True),
    looks_like=looks_like,
    read=read,
    write=write,
    image_path=image_below_images,
)
