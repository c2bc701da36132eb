"""A folder per label: <split>/<label>/photo.jpg, or <label>/photo.jpg.

The folders damaged and undamaged are the damage level, unlabelled is neither, any other name is the photo's label.
"""

from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final

from models.data.formats import shapes
from models.data.formats.carry import Carries, Format, check_suffixes, own_paths
from models.data.formats.dataset import SPLIT_NAMES, Dataset, Photo
from models.data.formats.faults import FaultLog, Place
from models.data.formats.images import check_image_id, list_images, settle_size

_LEVEL_FOLDERS: Final = {0: "undamaged", 1: "damaged", None: "unlabelled"}
_LEVELS: Final = {name: level for level, name in _LEVEL_FOLDERS.items()}
_SPLIT_FOLDERS: Final = {**{name: name for name in SPLIT_NAMES}, "valid": "val"}
_RESERVED: Final = frozenset({*_LEVELS, *_SPLIT_FOLDERS, "images"})


def read(source: Path, log: FaultLog) -> Dataset:
    """Read a folder of labelled folders."""
    photos: list[tuple[Place, Photo]] = []
    for path in list_images(source):
        place = Place(path)
        parts = list(path.relative_to(source).parts)
        split = _SPLIT_FOLDERS.get(parts[0], "") if len(parts) > 2 else ""
        parts = parts[1:] if split else parts
        if len(parts) < 2:
            log.add(place, "stands in no label's folder")
            continue
        label = shapes.check_name(log, place, "label", parts[0])
        image_id = check_image_id(log, place, str(PurePosixPath(*parts[1:])))
        size_wh = settle_size(log, place, path, None)
        if label is None or image_id is None or size_wh is None:
            continue
        photo = Photo(
            image_id,
            *size_wh,
            damage_level=_LEVELS.get(label),
            labels=() if label in _LEVELS else (label,),
            split=split,
            path=path,
        )
        photos.append((place, photo))
    return shapes.close_dataset(log, Place(source), photos, None)


def fit(dataset: Dataset, losses: Counter[str]) -> Dataset:
    """Leave one thing to name each photo's folder: its only label, else its damage level, else its first label."""
    photos = []
    for photo in dataset.photos:
        chosen = photo
        if len(photo.labels) == 1 and photo.damage_level is not None:
            losses["photos' damage_level (their label is kept)"] += 1
            chosen = replace(photo, damage_level=None)
        elif len(photo.labels) > 1:
            kept = photo.labels[:1] if photo.damage_level is None else ()
            losses["photos' labels"] += len(photo.labels) - len(kept)
            chosen = replace(photo, labels=kept)
        photos.append(chosen)
    return Dataset(tuple(photos), dataset.labels)


def write(dataset: Dataset, folder: Path) -> None:
    """Check that every photo can have its folder; the photos themselves are all there is to write."""
    del folder
    check_suffixes(dataset)
    own_paths(dataset, image_path)
    for photo in dataset.photos:
        for label in photo.labels:
            if label in _RESERVED or "/" in label or label.startswith("."):
                raise ValueError(f"{photo.image_id}: label {label!r} cannot name a folder")


def image_path(photo: Photo) -> str:
    """Split, label, name."""
    label = photo.labels[0] if photo.labels else _LEVEL_FOLDERS[photo.damage_level]
    return str(PurePosixPath(photo.split, label, photo.image_id))


def looks_like(source: Path) -> bool:
    """Does every photo stand in a folder, and none in images/?"""
    if source.is_file():
        return False
    parts = [path.relative_to(source).parts for path in list_images(source)]
    return bool(parts) and all(len(part) > 1 and "images" not in part[:-1] for part in parts)


FOLDERS: Final = Format(
    name="folders",
    carries=Carries(labels=True, damage_level=True, split=True),
    looks_like=looks_like,
    read=read,
    write=write,
    image_path=image_path,
    fit=fit,
)
