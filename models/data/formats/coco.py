"""COCO: annotations/instances_<split>.json with images, annotations (bbox xywh, segmentation) and categories."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Final

from models.data.formats import shapes
from models.data.formats.carry import Carries, Format, image_below_images, own_paths
from models.data.formats.dataset import (
    SPLIT_NAMES,
    Box,
    Dataset,
    Photo,
    Polygon,
    enclosed_area_px2,
    group_parts,
    surround,
    to_grid,
)
from models.data.formats.faults import FaultLog, Place
from models.data.formats.images import check_image_id, find_image, settle_size
from models.data.formats.located_json import LocatedArray, LocatedObject, load_located, looks_like_json
from models.data.formats.run_lengths import decode_run_lengths
from models.structures.outlines import open_hairline, trace_all

_TABLES: Final = ("images", "annotations", "categories")
_SHAPES = dict[Any, tuple[list[Polygon], list[Box]]]


def read(source: Path, log: FaultLog) -> Dataset:
    """Read every COCO file of a folder as one dataset."""
    photos: list[tuple[Place, Photo]] = []
    labels: dict[str, None] = {}
    for path in list_files(source, broken=True):
        content = load_located(path, log)
        if content is None:
            continue
        if not isinstance(content, LocatedObject):
            log.add(Place(path), f"expected an object with {', '.join(_TABLES)}")
            continue
        root = source if source.is_dir() else source.parent
        found, names = _parse_file(log, path, content, root)
        photos += found
        labels.update(dict.fromkeys(names))
    return shapes.close_dataset(log, Place(source), photos, tuple(labels))


def list_files(source: Path, *, broken: bool = False) -> list[Path]:
    """COCO files of a folder, sorted; or the file itself; broken takes those that are no JSON along."""
    if source.is_file():
        return [source]
    places = (source, source / "annotations", *(source / name for name in (*SPLIT_NAMES, "valid")))
    return [
        path
        for place in places
        for path in sorted(place.glob("*.json"))
        if looks_like_json(path, _is_coco, broken=broken)
    ]


def _is_coco(content: Any) -> bool:
    return isinstance(content, dict) and "images" in content and bool({"annotations", "categories"} & content.keys())


def _split_of(path: Path, root: Path) -> str:
    """Split by a file's name (instances_val2017.json, val.json) or by its folder (valid/_annotations.coco.json)."""
    words = [path.stem, *path.relative_to(root).parts[:-1]]
    for word in words:
        for part in word.replace("-", "_").replace(".", "_").split("_"):
            name = part.rstrip("0123456789")
            if name in SPLIT_NAMES or name == "valid":
                return "val" if name == "valid" else name
    return ""


def _entries(log: FaultLog, path: Path, content: LocatedObject, table: str) -> Iterator[tuple[Place, LocatedObject]]:
    rows = content.get(table)
    if not isinstance(rows, LocatedArray):
        log.add(Place(path, content.line_of(table)), f"{table}: expected a list, found {type(rows).__name__}")
        return
    for number, (row, line) in enumerate(zip(rows, rows.lines, strict=True)):
        place = Place(path, line, f"{table}[{number}]")
        if not isinstance(row, LocatedObject):
            log.add(place, f"expected an object, found {row!r}")
            continue
        for repeated in row.repeated:
            log.add(place.at(row.line_of(repeated)), f"key {repeated!r} stands twice")
        yield place, row


def _parse_file(
    log: FaultLog, path: Path, content: LocatedObject, root: Path
) -> tuple[list[tuple[Place, Photo]], list[str]]:
    names = _parse_categories(log, path, content)
    frames: dict[Any, tuple[Place, str, tuple[int, int] | None, Path | None]] = {}
    for place, row in _entries(log, path, content, "images"):
        key = shapes.whole_number(row.get("id"))
        if key is None or key in frames:
            log.add(place.at(row.line_of("id")), f"id: expected a whole number of its own, found {row.get('id')!r}")
            continue
        name_place = place.at(row.line_of("file_name"), "file_name")
        image_id = check_image_id(log, name_place, row.get("file_name")) or ""
        image = find_image(log, name_place, image_id, _image_folders(path, root)) if image_id else None
        declared = shapes.check_size(log, place.at(row.line_of("width")), row.get("width"), row.get("height"))
        here = Place(path, place.line, image_id or place.what)
        frames[key] = (here, image_id, settle_size(log, here.at(row.line_of("width")), image, declared), image)
    found: _SHAPES = {key: ([], []) for key in frames}
    seen: set[int] = set()
    for place, row in _entries(log, path, content, "annotations"):
        key = shapes.whole_number(row.get("id"))
        if key is not None and key in seen:
            log.add(place.at(row.line_of("id")), f"duplicate id {key}")
        seen |= set() if key is None else {key}
        if (image_key := shapes.whole_number(row.get("image_id"))) not in frames:
            log.add(place.at(row.line_of("image_id")), f"image_id: there is no image {row.get('image_id')!r}")
            continue
        _parse_annotation(log, place, row, names, frames[image_key][2], found[image_key])
    split = _split_of(path, root)
    photos = [
        (place, Photo(name, *size, polygons=tuple(found[key][0]), boxes=tuple(found[key][1]), split=split, path=image))
        for key, (place, name, size, image) in frames.items()
        if name and size is not None
    ]
    return photos, [names[key] for key in sorted(names)]


def _image_folders(path: Path, root: Path) -> tuple[Path, ...]:
    split = _split_of(path, root)
    return (path.parent, path.parent / "images", root / "images", root, root / "images" / split, root / split)


def _parse_categories(log: FaultLog, path: Path, content: LocatedObject) -> dict[int, str]:
    names: dict[int, str] = {}
    for place, row in _entries(log, path, content, "categories"):
        key = shapes.whole_number(row.get("id"))
        name = shapes.check_name(log, place.at(row.line_of("name")), "name", row.get("name"))
        if key is None or key in names:
            log.add(place.at(row.line_of("id")), f"id: expected a whole number of its own, found {row.get('id')!r}")
        elif name in names.values():
            log.add(place.at(row.line_of("name")), f"category {name!r} stands twice")
        elif name is not None:
            names[key] = name
    return names


def _parse_annotation(
    log: FaultLog,
    place: Place,
    row: LocatedObject,
    names: dict[int, str],
    size_wh: shapes.SizeWh,
    found: tuple[list[Polygon], list[Box]],
) -> None:
    polygons, boxes = found
    label = names.get(shapes.whole_number(row.get("category_id")))  # type: ignore[arg-type]
    if label is None:
        log.add(
            place.at(row.line_of("category_id")),
            f"unknown class: category_id {row.get('category_id')!r} is none of {', '.join(map(str, names)) or 'none'}",
        )
    if row.get("iscrowd") == 1:
        log.lose("annotations of crowds, which are no object each")
        return
    if "keypoints" in row:
        log.lose("annotations' keypoints")
    outlines = row.get("segmentation")
    if outlines:
        here = place.at(row.line_of("segmentation"), "segmentation")
        parts: list[Polygon] = []
        if isinstance(outlines, LocatedArray):
            parts = _parse_outlines(log, place, outlines, label, size_wh)
        elif isinstance(outlines, LocatedObject):
            parts = _trace_mask(log, here, outlines, label, size_wh)
        else:
            log.add(here, f"expected a list of outlines or a run-length mask, found {outlines!r}")
        number = 1 + max((polygon.part_of for polygon in polygons), default=0) if len(parts) > 1 else 0
        polygons += [replace(part, part_of=number) for part in parts]
        return
    here = place.at(row.line_of("bbox"), "bbox")
    corners = _parse_bbox(log, here, row.get("bbox"))
    box_xyxy = corners and shapes.check_box(log, here, corners, size_wh)
    if box_xyxy and label is not None:
        boxes.append(Box(label, box_xyxy))


def _parse_outlines(
    log: FaultLog, place: Place, outlines: LocatedArray, label: str | None, size_wh: shapes.SizeWh
) -> list[Polygon]:
    """One polygon a list of x, y, x, y …"""
    parts = []
    for number, (outline, line) in enumerate(zip(outlines, outlines.lines, strict=True)):
        here = place.at(line, f"segmentation[{number}]")
        if not isinstance(outline, LocatedArray) or len(outline) % 2:
            log.add(here, "expected a list of x, y, x, y …")
            continue
        corners = list(zip(outline[::2], outline[1::2], strict=True))
        parts.append(shapes.check_polygon(log, here, label, corners, size_wh))
    return [part for part in parts if part]


def _trace_mask(
    log: FaultLog, place: Place, mask: LocatedObject, label: str | None, size_wh: shapes.SizeWh
) -> list[Polygon]:
    """Polygons that, filled, are the mask."""
    if size_wh is None:
        return []  # which is a fault of its own
    try:
        pixels = decode_run_lengths(mask, size_wh)
    except ValueError as error:
        log.add(place, str(error))
        return []
    if not pixels.any():
        log.add(place, "the mask has no pixel")
    traced = ([tuple(map(float, point)) for point in open_hairline(own)] for own in trace_all(pixels))
    parts = [shapes.check_polygon(log, place, label, corners, size_wh) for corners in traced]
    return [part for part in parts if part]


def _parse_bbox(log: FaultLog, place: Place, bbox: Any) -> list[float] | None:
    numbers = [shapes.finite_number(value) for value in bbox] if isinstance(bbox, LocatedArray) else []
    if len(numbers) != 4 or None in numbers:
        log.add(place, f"expected four finite numbers, found {bbox!r}")
        return None
    x, y, width, height = (number for number in numbers if number is not None)
    return [x, y, to_grid(x + width), to_grid(y + height)]


def write(dataset: Dataset, folder: Path) -> None:
    """Write one file a split in annotations/."""
    own_paths(dataset, image_below_images)
    (folder / "annotations").mkdir()
    for split in dict.fromkeys(photo.split for photo in dataset.photos):
        content = _build_content([photo for photo in dataset.photos if photo.split == split], dataset.labels)
        name = f"instances_{split}.json" if split else "instances.json"
        tables = ",\n".join(f'"{table}": [\n{_join(rows)}\n]' for table, rows in content.items())
        (folder / "annotations" / name).write_text(f"{{\n{tables}\n}}\n", encoding="utf-8")


def _join(rows: list[dict[str, Any]]) -> str:
    return ",\n".join(json.dumps(row) for row in rows)


def _build_content(photos: list[Photo], labels: tuple[str, ...]) -> dict[str, list[dict[str, Any]]]:
    class_ids = {label: number for number, label in enumerate(labels, 1)}
    annotations = []
    numbers = count(1)
    for image_number, photo in enumerate(photos, 1):
        outlined = [(parts[0].label, surround(parts), parts) for parts in group_parts(photo.polygons)]
        boxed = [(box.label, box.box_xyxy, ()) for box in photo.boxes]
        for label, (x_min, y_min, x_max, y_max), parts in (*outlined, *boxed):
            width, height = to_grid(x_max - x_min), to_grid(y_max - y_min)
            annotations.append(
                {
                    "id": next(numbers),
                    "image_id": image_number,
                    "category_id": class_ids[label],
                    "bbox": [x_min, y_min, width, height],
                    "area": sum(enclosed_area_px2(part.points) for part in parts) if parts else width * height,
                    "segmentation": [[value for point in part.points for value in point] for part in parts],
                    "iscrowd": 0,
                }
            )
    return {
        "images": [
            {"id": number, "file_name": photo.image_id, "width": photo.width, "height": photo.height}
            for number, photo in enumerate(photos, 1)
        ],
        "annotations": annotations,
        "categories": [{"id": number, "name": name, "supercategory": ""} for name, number in class_ids.items()],
    }


def looks_like(source: Path) -> bool:
    """Is there a JSON file with images and annotations?"""
    return looks_like_json(source, _is_coco) if source.is_file() else bool(list_files(source))


COCO: Final = Format(
    name="coco",
    carries=Carries(polygons=True, boxes=True, parts=True, split=True, classes=True),
    looks_like=looks_like,
    read=read,
    write=write,
    image_path=image_below_images,
)
