"""YOLO: labels/<split>/x.txt beside images/<split>/x.jpg, one object a line, classes in data.yaml or classes.txt.

A line is `class cx cy w h` (a box) or `class x y x y x y …` (a polygon), normalised to [0, 1]. Trainers take one
kind in a dataset and spoil a mixture, so a dataset with polygons is written as polygons alone. Photo and text side by
side, and <split>/images with <split>/labels, are read too; a photo without a text has no object.
"""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final

from models.data.formats import shapes
from models.data.formats.carry import Carries, Format, check_suffixes, own_paths
from models.data.formats.dataset import SPLIT_NAMES, Box, Dataset, Photo, Polygon
from models.data.formats.faults import FaultLog, Place
from models.data.formats.images import check_image_id, list_images, settle_size
from models.data.formats.located_json import load_text
from models.data.formats.yolo_numbers import decode_box, decode_points, encode_box, encode_points, parse_text

_SPLIT_FOLDERS: Final = {**{name: name for name in SPLIT_NAMES}, "valid": "val"}
_NO_LABELS: Final = ("classes.txt", "requirements.txt", "license.txt", "readme.txt")


def read(source: Path, log: FaultLog) -> Dataset:
    """Read a folder of photos and label texts."""
    names = _load_names(source, log)
    photos: list[tuple[Place, Photo]] = []
    label_paths: dict[Path, Path] = {}
    for path in list_images(source):
        labels = _label_path(source, path)
        if labels in label_paths:
            log.add(Place(labels), f"{path.name} and {label_paths[labels].name} share these labels")
        label_paths[labels] = path
        image_id, split = _parse_path(path.relative_to(source))
        place = Place(labels if labels.is_file() else path)
        if check_image_id(log, place, image_id) is None:
            continue
        size_wh = settle_size(log, place, path, None)
        polygons, boxes = _load_objects(log, labels, names, size_wh) if labels.is_file() else ((), ())
        if size_wh is not None:
            photo = Photo(image_id, *size_wh, polygons=polygons, boxes=boxes, split=split, path=path)
            photos.append((place, photo))
    for labels in list_labels(source):
        if labels not in label_paths:
            log.add(Place(labels), f"missing image {labels.stem}.*")
    return shapes.close_dataset(log, Place(source), photos, names or ())


def list_labels(source: Path) -> list[Path]:
    """Label texts: those below a folder `labels`; in a source without one, every text beside photos."""
    texts = [path for path in sorted(source.rglob("*.txt")) if path.name.lower() not in _NO_LABELS]
    inside = [path for path in texts if "labels" in path.relative_to(source).parts[:-1]]
    return inside or [path for path in texts if any(p.suffix != ".txt" for p in path.parent.glob(f"{path.stem}.*"))]


def _label_path(source: Path, image: Path) -> Path:
    parts = list(image.relative_to(source).with_suffix(".txt").parts)
    for at in reversed(range(len(parts) - 1)):
        if parts[at] == "images":
            parts[at] = "labels"
            break
    return source.joinpath(*parts)


def _parse_path(path: Path) -> tuple[str, str]:
    """image_id and split by the folders an image stands in."""
    folders, split = list(path.parts[:-1]), ""
    if "images" in folders:
        folders.remove("images")
    if folders and folders[0] in _SPLIT_FOLDERS:
        split = _SPLIT_FOLDERS[folders.pop(0)]
    return str(PurePosixPath(*folders, path.name)), split


def _load_names(source: Path, log: FaultLog) -> tuple[str, ...] | None:
    """Class names by class id; None where a fault was noted."""
    for name in ("data.yaml", "dataset.yaml", "data.yml"):
        if (path := source / name).is_file():
            return _load_yaml_names(path, log)
    for path in (source / "classes.txt", source / "labels" / "classes.txt"):
        if path.is_file():
            if (text := load_text(path, log)) is None:
                return None
            return _check_names(log, [(Place(path, n), line.strip()) for n, line in enumerate(text.splitlines(), 1)])
    log.add(Place(source), "no data.yaml or classes.txt names the classes")
    return None


def _load_yaml_names(path: Path, log: FaultLog) -> tuple[str, ...] | None:
    import yaml  # noqa: PLC0415 - of the offline path; serving does without

    if (text := load_text(path, log)) is None:
        return None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        log.add(Place(path, line), f"not YAML: {error.problem}")
        return None
    except yaml.YAMLError as error:
        log.add(Place(path), f"not YAML: {error}")
        return None
    if not isinstance(content, dict) or "names" not in content:
        log.add(Place(path), "key 'names' is missing")
        return None
    node = next(value for key, value in root.value if key.value == "names")
    names, line = content["names"], node.start_mark.line + 1
    if isinstance(names, dict) and sorted(map(str, names)) == sorted(map(str, range(len(names)))):
        names = [names[number] if number in names else names[str(number)] for number in range(len(names))]
        items = [value for _, value in sorted(node.value, key=lambda pair: int(pair[0].value))]
    elif isinstance(names, list):
        items = node.value
    else:
        log.add(Place(path, line), f"names: expected a list, or a table from 0 on, found {names!r}")
        return None
    if "nc" in content and content["nc"] != len(names):
        log.add(Place(path, line), f"nc: {content['nc']!r} contradicts {len(names)} names")
    places = [Place(path, item.start_mark.line + 1) for item in items]
    return _check_names(log, list(zip(places, map(str, names), strict=True)))


def _check_names(log: FaultLog, names: list[tuple[Place, str]]) -> tuple[str, ...] | None:
    before, seen = len(log.faults), set()
    for place, name in names:
        shapes.check_name(log, place, "class", name)
        if name in seen:
            log.add(place, f"class {name!r} stands twice")
        seen.add(name)
    return None if len(log.faults) > before else tuple(name for _, name in names)


def _load_objects(
    log: FaultLog, path: Path, names: tuple[str, ...] | None, size_wh: shapes.SizeWh
) -> tuple[tuple[Polygon, ...], tuple[Box, ...]]:
    polygons, boxes = [], []
    try:
        lines = path.read_bytes().decode("utf-8-sig").splitlines()
    except OSError as error:
        log.add(Place(path), f"cannot be read: {error.strerror}")
        return (), ()
    except UnicodeDecodeError as error:
        log.add(Place(path), f"not UTF-8 text at byte {error.start}")
        return (), ()
    for number, line in enumerate(lines, 1):
        if fields := line.split():
            shape = _parse_line(log, Place(path, number), fields, names, size_wh)
            if isinstance(shape, Polygon):
                polygons.append(shape)
            elif shape is not None:
                boxes.append(shape)
    return tuple(polygons), tuple(boxes)


def _parse_line(
    log: FaultLog, place: Place, fields: list[str], names: tuple[str, ...] | None, size_wh: shapes.SizeWh
) -> Polygon | Box | None:
    before = len(log.faults)
    label = ""
    if names is not None:
        if fields[0].isascii() and fields[0].isdigit() and len(fields[0]) < 10 and int(fields[0]) < len(names):
            label = names[int(fields[0])]
        else:
            log.add(place, f"unknown class {fields[0]}: there are 0 to {len(names) - 1}")
    texts = fields[1:]
    if bad := [text for text in texts if parse_text(text) is None]:
        log.add(place, f"expected finite numbers, found {', '.join(bad[:3])}")
    if len(texts) != 4 and (len(texts) < 6 or len(texts) % 2):
        log.add(
            place,
            f"expected a class and 4 numbers (box), or 3 or more pairs (polygon), found {len(texts)} numbers",
        )
    if size_wh is None or len(log.faults) > before:
        return None
    if len(texts) == 4:
        _check_normalised(log, place, texts, size_wh)
        if len(log.faults) > before:
            return None
        box_xyxy = shapes.check_box(log, place, decode_box(texts, size_wh), size_wh)
        return None if box_xyxy is None or not label else Box(label, box_xyxy)
    points = shapes.check_points(log, place, decode_points(texts, size_wh), size_wh)
    return None if points is None or not label else Polygon(label, points)


def _check_normalised(log: FaultLog, place: Place, texts: list[str], size_wh: tuple[int, int]) -> None:
    """Say in the file's own numbers that a box leaves the photo."""
    corners = decode_box(texts, size_wh) or ()
    for axis, end, low, high in zip("xy", size_wh, corners[:2], corners[2:], strict=True):
        if low < 0:
            log.add(place, f"box begins at {axis} = {low / end:.4f}, outside the photo (0 to 1)")
        if high > end:
            log.add(place, f"box ends at {axis} = {high / end:.4f}, outside the photo (0 to 1)")


def fit(dataset: Dataset, losses: Counter[str]) -> Dataset:
    """Keep polygons or boxes: the boxes go where any photo has polygons."""
    if not any(photo.polygons for photo in dataset.photos):
        return dataset
    losses["boxes (polygons and boxes do not mix; --polygons boxes or corners makes all of them one kind)"] += sum(
        len(photo.boxes) for photo in dataset.photos
    )
    return Dataset(tuple(replace(photo, boxes=()) for photo in dataset.photos), dataset.labels)


def write(dataset: Dataset, folder: Path) -> None:
    """Write labels/ and data.yaml."""
    check_suffixes(dataset)
    class_ids = {label: number for number, label in enumerate(dataset.labels)}
    for name, photo in own_paths(dataset, _text_path).items():
        size_wh = (photo.width, photo.height)
        lines = [f"{class_ids[p.label]} {encode_points(p.points, size_wh)}\n" for p in photo.polygons]
        lines += [f"{class_ids[b.label]} {encode_box(b.box_xyxy, size_wh)}\n" for b in photo.boxes]
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines), encoding="utf-8")
    used = {photo.split for photo in dataset.photos}
    paths = {split: f"images/{split}" for split in SPLIT_NAMES if split in used}
    if not paths:
        paths["train"] = "images"
    text = "".join(f"{split}: {path}\n" for split, path in {"path": ".", **paths}.items())
    names = "".join(
        f"  {number}: {json.dumps(label, ensure_ascii=False)}\n" for number, label in enumerate(dataset.labels)
    )
    (folder / "data.yaml").write_text(f"{text}names:{' {}' * (not names)}\n{names}", encoding="utf-8")


def _text_path(photo: Photo) -> str:
    return str(PurePosixPath("labels", photo.split, photo.image_id).with_suffix(".txt"))


def looks_like(source: Path) -> bool:
    """Are there classes beside texts, or texts beside photos?"""
    if source.is_file():
        return False
    has_names = any((source / name).is_file() for name in ("data.yaml", "dataset.yaml", "data.yml", "classes.txt"))
    return has_names or any(_is_label(path) for path in list_labels(source)[:20])


def _is_label(path: Path) -> bool:
    first = path.read_bytes()[:400].split(b"\n")[0].split()
    return len(first) >= 5 and all(parse_text(field.decode("ascii", "replace")) for field in first)


YOLO: Final = Format(
    name="yolo",
    carries=Carries(polygons=True, boxes=True, split=True, classes=True),
    looks_like=looks_like,
    read=read,
    write=write,
    image_path=lambda photo: str(PurePosixPath("images", photo.split, photo.image_id)),
    fit=fit,
)
