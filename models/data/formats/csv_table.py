"""CSV: annotations.csv, a row a photo: image, labels, boxes and, where known, size, damage_level, split, group, ….

labels is a JSON list (or names separated by semicolons), boxes a JSON list of [label, x_min, y_min, x_max, y_max].
Every column that is none of ours is context.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from models.data.formats import shapes
from models.data.formats.carry import Carries, Format, image_below_images, own_paths
from models.data.formats.dataset import Box, Dataset, Photo
from models.data.formats.faults import FaultLog, Place
from models.data.formats.images import check_image_id, find_image, settle_size
from models.data.formats.located_json import load_text

TABLE_FILE: Final = "annotations.csv"
_COLUMNS: Final = (
    "image", "width", "height", "damage_level", "split", "group", "vehicle_id", "labels", "boxes",
)  # fmt: skip


def read(source: Path, log: FaultLog) -> Dataset:
    """Read every table of a folder that has a column `image`."""
    photos: list[tuple[Place, Photo]] = []
    for path in list_tables(source):
        for place, row in _load_rows(path, log):
            photo = _parse_row(log, place, row)
            if photo is not None:
                photos.append((place, photo))
    return shapes.close_dataset(log, Place(source), photos, None)


def list_tables(source: Path) -> list[Path]:
    """Tables of a folder, sorted; or the file itself."""
    return [source] if source.is_file() else [path for path in sorted(source.glob("*.csv")) if _is_table(path)]


def _is_table(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.readline(4096).decode("utf-8-sig", "replace").strip()
    return not head or "image" in [name.strip() for name in next(csv.reader([head]), [])]


def _load_rows(path: Path, log: FaultLog) -> Iterator[tuple[Place, dict[str, str]]]:
    if (text := load_text(path, log)) is None:
        return
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    line = 1
    try:
        for row in rows:
            place, line = Place(path, line), rows.line_num + 1
            if not header:
                header = row
                for name in {name for name in header if header.count(name) > 1}:
                    log.add(place, f"column {name!r} stands twice")
                if "image" not in header:
                    log.add(place, f"column 'image' is missing, found {', '.join(header)}")
                    return
            elif row and len(row) != len(header):
                log.add(place, f"expected {len(header)} cells, found {len(row)}")
            elif row:
                yield place, dict(zip(header, row, strict=True))
    except csv.Error as error:
        log.add(Place(path, rows.line_num), f"not CSV: {error}")


def _parse_row(log: FaultLog, place: Place, row: dict[str, str]) -> Photo | None:
    image_id = check_image_id(log, place, row["image"])
    folder = place.path.parent
    path = find_image(log, place, image_id, (folder / "images", folder)) if image_id else None
    if image_id:
        place = Place(place.path, place.line, image_id)
    declared = None
    if row.get("width") or row.get("height"):
        cells = [row.get(name, "") for name in ("width", "height")]
        whole = [int(cell) if cell.isascii() and cell.isdigit() and len(cell) < 10 else cell for cell in cells]
        declared = shapes.check_size(log, place, *whole)
    size_wh = settle_size(log, place, path, declared)
    level = row.get("damage_level", "")
    if level not in ("", "0", "1"):
        log.add(place, f"damage_level: expected 0, 1 or nothing, found {level!r}")
    names = {
        key: (shapes.check_name(log, place, key, row[key]) or "") if row.get(key) else ""
        for key in ("group", "vehicle_id")
    }
    labels = _parse_labels(log, place, row.get("labels", ""))
    boxes = _parse_boxes(log, place, row.get("boxes", ""), size_wh)
    split = shapes.check_split(log, place, row.get("split", ""))
    if image_id is None or size_wh is None:
        return None
    return Photo(
        image_id,
        *size_wh,
        damage_level=int(level) if level in ("0", "1") else None,
        boxes=boxes,
        labels=labels,
        split=split,
        **names,
        context={key: value for key, value in row.items() if key not in _COLUMNS and value},
        path=path,
    )


def _parse_labels(log: FaultLog, place: Place, cell: str) -> tuple[str, ...]:
    if not cell.startswith("["):
        found: Any = [part.strip() for part in cell.split(";") if part.strip()]
    elif (found := _parse_list(log, place, "labels", cell)) is None:
        return ()
    checked = (shapes.check_name(log, place, "label", label) for label in found)
    return tuple(label for label in checked if label is not None)


def _parse_boxes(log: FaultLog, place: Place, cell: str, size_wh: shapes.SizeWh) -> tuple[Box, ...]:
    boxes = []
    for number, entry in enumerate((_parse_list(log, place, "boxes", cell) or []) if cell else []):
        here = place.at(place.line, f"boxes[{number}]")
        if not isinstance(entry, list) or len(entry) != 5:
            log.add(here, f"expected [label, x_min, y_min, x_max, y_max], found {entry!r}")
            continue
        label = shapes.check_name(log, here, "label", entry[0])
        box_xyxy = shapes.check_box(log, here, entry[1:], size_wh)
        if label is not None and box_xyxy is not None:
            boxes.append(Box(label, box_xyxy))
    return tuple(boxes)


def _parse_list(log: FaultLog, place: Place, what: str, cell: str) -> list[Any] | None:
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, list):
        return found
    log.add(place, f"{what}: expected a JSON list, found {cell[:80]!r}")
    return None


def fit(dataset: Dataset, losses: Counter[str]) -> Dataset:
    """Leave out context that bears the name of a column."""
    photos = []
    for photo in dataset.photos:
        kept = {key: value for key, value in photo.context.items() if key not in _COLUMNS}
        losses["context under the name of a column"] += len(photo.context) - len(kept)
        photos.append(Photo(**{**vars(photo), "context": kept}))
    return Dataset(tuple(photos), dataset.labels)


def write(dataset: Dataset, folder: Path) -> None:
    """Write annotations.csv."""
    own_paths(dataset, image_below_images)
    noted = sorted({key for photo in dataset.photos for key in photo.context})
    with (folder / TABLE_FILE).open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, (*_COLUMNS, *noted), restval="", lineterminator="\n")
        table.writeheader()
        for photo in dataset.photos:
            table.writerow(
                {
                    "image": photo.image_id,
                    "width": photo.width,
                    "height": photo.height,
                    "damage_level": "" if photo.damage_level is None else photo.damage_level,
                    "split": photo.split,
                    "group": photo.group,
                    "vehicle_id": photo.vehicle_id,
                    "labels": json.dumps(photo.labels, ensure_ascii=False) if photo.labels else "",
                    "boxes": json.dumps([[b.label, *b.box_xyxy] for b in photo.boxes]) if photo.boxes else "",
                    **photo.context,
                }
            )


def looks_like(source: Path) -> bool:
    """Is there a table with a column `image`?"""
    if source.is_file():
        return source.suffix.lower() == ".csv"
    return bool(list_tables(source))


CSV: Final = Format(
    name="csv",
    carries=Carries(boxes=True, labels=True, damage_level=True, split=True, group=True, context="text"),
    looks_like=looks_like,
    read=read,
    write=write,
    image_path=image_below_images,
    fit=fit,
)
