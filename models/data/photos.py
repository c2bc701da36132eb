"""Folders of annotated photos: images/ and annotations.json in the seed's schema.

The schema's keys (image_id, damage_level, regions[].points, regions[].class_name) are extended by width, height and,
where known, split, group, car_box_xyxy and other_regions. models.renderer.render_dataset writes such folders too; its
vehicle_id is the group.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from models.data.check import find_seed_faults
from models.structures import DAMAGE_CLASSES, rasterise_polygons

ANNOTATIONS_NAME: Final = "annotations.json"
HELD_OUT_SHARE: Final = 0.25
RENDERED_PREFIX: Final = "rendered-"
"""How the renderer begins a vehicle_id."""


class DataError(Exception):
    """A data folder lacks something or holds something wrong; the message names it."""


@dataclass(frozen=True)
class AnnotatedPhoto:
    """One photo with what is known of it.

    Attributes:
        path: the image file.
        folder: the data folder's name, which is the photo's source.
        image_id: the file's name.
        damage_level: 0 undamaged, 1 damaged.
        polygons: (class_id, points) of each region, photo pixels.
        other_polygons: damage of no class of ours (broken lamps …): neither class nor background.
        split: "train", "val" or "test".
        group: photos of one group show one car.
        car_box_xyxy: the car, photo pixels, or None if unknown.
        is_rendered: drawn by models.renderer.
        is_pseudo: its regions are a trained teacher's, or pasted, not drawn by a person.
        width: photo pixels.
        height: photo pixels.
    """

    path: Path
    folder: str
    image_id: str
    damage_level: int
    polygons: tuple[tuple[int, tuple[tuple[float, float], ...]], ...]
    other_polygons: tuple[tuple[tuple[float, float], ...], ...]
    split: str
    group: str
    car_box_xyxy: tuple[float, float, float, float] | None
    is_rendered: bool
    width: int
    height: int
    is_pseudo: bool = False

    @property
    def has_regions(self) -> bool:
        """Is it known which pixels are damaged?"""
        return self.damage_level == 0 or bool(self.polygons or self.other_polygons)


def load_photos(folders: Iterable[Path]) -> list[AnnotatedPhoto]:
    """Read the annotations of data folders.

    Raises:
        DataError: a folder or its annotations.json is missing, wrong or empty.
    """
    photos: list[AnnotatedPhoto] = []
    for folder in folders:
        photos += _load_folder(folder)
    return photos


def _load_folder(folder: Path) -> list[AnnotatedPhoto]:
    if not folder.is_dir():
        raise DataError(f"data folder: no such folder: {folder}")
    path = folder / ANNOTATIONS_NAME
    if path.is_file() and (faults := find_seed_faults(folder)):
        raise DataError("\n".join(map(str, faults)))
    try:
        records = json.loads(path.read_text())
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}") from error
    if not isinstance(records, list) or not records:
        raise DataError(f"{path}: expected a list with at least one photo")
    try:
        photos = [_parse_record(folder, record) for record in records]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: {type(error).__name__}: {error}") from error
    return _hold_out(photos)


def _parse_record(folder: Path, record: dict[str, Any]) -> AnnotatedPhoto:
    box, vehicle_id = record.get("car_box_xyxy"), str(record.get("vehicle_id", ""))
    return AnnotatedPhoto(
        path=folder / "images" / record["image_id"],
        folder=folder.name,
        image_id=record["image_id"],
        damage_level=int(record["damage_level"]),
        polygons=tuple((int(r["class_name"]), _parse_points(r["points"])) for r in record["regions"]),
        other_polygons=tuple(_parse_points(r["points"]) for r in record.get("other_regions", ()) if "points" in r),
        split=record.get("split", ""),
        group=str(record.get("group", vehicle_id or record["image_id"])),
        car_box_xyxy=tuple(float(v) for v in box) if box else None,
        is_rendered=vehicle_id.startswith(RENDERED_PREFIX),
        width=int(record["width"]),
        height=int(record["height"]),
        is_pseudo=bool(record.get("pseudo")),
    )


def _parse_points(points: Sequence[Sequence[float]]) -> tuple[tuple[float, float], ...]:
    return tuple((float(x), float(y)) for x, y in points)


def _hold_out(photos: list[AnnotatedPhoto]) -> list[AnnotatedPhoto]:
    """Give real photos that are split nowhere a val split: a quarter of them, by the sha256 of each group's name."""
    is_placed = all((photo.is_rendered or photo.is_pseudo) and photo.split for photo in photos)
    if is_placed or any(photo.split in ("val", "test") for photo in photos):
        return photos
    return [
        AnnotatedPhoto(**{**vars(photo), "split": "val" if is_held_out(photo.group) else "train"}) for photo in photos
    ]


def is_held_out(group: str) -> bool:
    """Belongs a group to the held-out quarter of a folder that has no split of its own?"""
    return place_by_name(group) < HELD_OUT_SHARE


def place_by_name(name: str) -> float:
    """A number in [0, 1) that a name always has, spread evenly over names: for splits that stay as data grow."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 0x1_0000_0000


def choose_split(photos: Iterable[AnnotatedPhoto], split: str) -> list[AnnotatedPhoto]:
    """The photos of one split.

    Raises:
        DataError: there is none.
    """
    chosen = [photo for photo in photos if photo.split == split]
    if not chosen:
        raise DataError(f"data: no photo has split {split!r}")
    return chosen


def load_image(path: Path) -> np.ndarray:
    """Decode a photo from disk.

    Returns:
        uint8 (H, W, 3) RGB.

    Raises:
        DataError: missing or no image.
    """
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise DataError(f"{path}: missing or no image")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def write_image(path: Path, image: np.ndarray) -> None:
    """Write an image in the format that its name ends in, a JPEG at OpenCV's quality of 95.

    Args:
        path: in a folder that is there.
        image: uint8 (H, W, 3) RGB.

    Raises:
        DataError: it cannot be written.
    """
    if not cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR)):
        raise DataError(f"{path}: cannot be written")


def load_masks(photo: AnnotatedPhoto) -> np.ndarray:
    """Build the masks of a photo whose regions are known.

    Returns:
        bool (3, H, W), photo frame: scratch, dent, spacing.
    """
    size_hw = (photo.height, photo.width)
    return np.stack(
        [
            rasterise_polygons((points for class_id, points in photo.polygons if class_id == channel + 1), size_hw)
            for channel in range(len(DAMAGE_CLASSES))
        ]
    )


def load_ignored(photo: AnnotatedPhoto) -> np.ndarray:
    """Mark damage of no class of ours; bool (H, W), photo frame."""
    return rasterise_polygons(photo.other_polygons, (photo.height, photo.width))


def digest_photos(photos: Iterable[AnnotatedPhoto]) -> str:
    """Name a choice of photos: sha256 over folder, image_id, split and annotations, 16 hex digits."""
    lines = sorted(
        json.dumps([p.folder, p.image_id, p.split, p.damage_level, p.polygons, p.car_box_xyxy]) for p in photos
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
