"""The photos of a comparison: annotated folders of any format become boxes, classes and outlines, split in two.

In:   folders. Out: photos to learn from and photos to judge by, with their objects.
Must not know: networks, arrays of pixels.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from models.data.formats import Dataset, FaultyAnnotationsError, Photo, detect_format, load_dataset
from models.data.formats.dataset import group_parts
from models.data.photos import DataError, is_held_out, place_by_name
from models.data.scenes import scene_of
from models.structures import DAMAGE_CLASSES

TOLD_FAULTS: Final = 20


@dataclass(frozen=True)
class OutlinedObject:
    """One object.

    Attributes:
        class_id: from 1 on, in the order of the classes; 0 is background.
        outlines_xy: (x, y) corners of each of its parts, photo pixels; four of a box where no outline is known.
        is_box: only the box is known.
    """

    class_id: int
    outlines_xy: tuple[tuple[tuple[float, float], ...], ...]
    is_box: bool


@dataclass(frozen=True)
class DetectionPhoto:
    """One photo.

    Attributes:
        path: the image file.
        image_id: its name, after its folder's.
        scene: photos of one scene are learned from, or judged by, together.
        size_hw: pixels.
        objects: of the classes asked for.
    """

    path: Path
    image_id: str
    scene: str
    size_hw: tuple[int, int]
    objects: tuple[OutlinedObject, ...]


@dataclass(frozen=True)
class DetectionData:
    """What a comparison works on.

    Attributes:
        class_names: class_id 1 is the first.
        train: with at least one object each.
        gate: train's scenes that only the size gate learns from; likewise.
        judged: with or without objects.
    """

    class_names: tuple[str, ...]
    train: tuple[DetectionPhoto, ...]
    gate: tuple[DetectionPhoto, ...]
    judged: tuple[DetectionPhoto, ...]

    @property
    def digest(self) -> str:
        """sha256 over all that was read of the annotations, 16 hex digits."""
        parts = [
            [[p.image_id, p.size_hw, [(o.class_id, *o.outlines_xy) for o in p.objects]] for p in photos]
            for photos in (self.train, self.gate, self.judged)
        ]
        return hashlib.sha256(json.dumps([self.class_names, parts]).encode()).hexdigest()[:16]

    def describe(self) -> dict[str, dict[str, object]]:
        """Photos and objects of each part, for a report."""
        return {
            name: {
                "photos": len(photos),
                "objects": {
                    label: sum(o.class_id == class_id for p in photos for o in p.objects)
                    for class_id, label in enumerate(self.class_names, 1)
                },
                "objects_without_outline": sum(o.is_box for p in photos for o in p.objects),
            }
            for name, photos in (("train", self.train), ("gate", self.gate), ("judged", self.judged))
        }


def load_detection_data(
    folders: Sequence[Path],
    *,
    class_names: Sequence[str] = (),
    share: float = 1.0,
    gate_share: float = 0.1,
    sample_seed: int = 0,
) -> DetectionData:
    """Read folders, split and sample them.

    Judged are the photos whose split is val; where there is none, those whose split is test; where there is neither, a
    quarter of the scenes. Photos of test are never learned from.

    Args:
        folders: in any known format; classes of one name are one class.
        class_names: classes to detect; empty: those of scratch, dent and spacing that there are.
        share: of train's scenes that are kept, (0, 1]; what is judged stays whole.
        gate_share: of the kept scenes that only the gate learns from.
        sample_seed: which scenes are kept; a smaller share is part of a larger one.

    Raises:
        DataError: a folder that is missing or faulty, with the list of faults; classes that no folder has; a class
            without any object to learn from; nothing to judge; a scene that is learned from and judged by.
    """
    datasets = [_read(folder) for folder in folders]
    names = _choose_classes(datasets, class_names)
    splits = {photo.split for dataset in datasets for photo in dataset.photos}
    judged_split = next((split for split in ("val", "test") if split in splits), None)
    train, judged = [], []
    for folder, dataset in zip(folders, datasets, strict=True):
        for photo in dataset.photos:
            own = _convert(photo, folder, names)
            if photo.split == judged_split or (judged_split is None and is_held_out(own.scene)):
                judged.append(own)
            elif photo.split != "test":
                train.append(own)
    if shared := sorted({photo.scene for photo in train} & {photo.scene for photo in judged}):
        told = ", ".join(shared[:TOLD_FAULTS]) + (" …" if len(shared) > TOLD_FAULTS else "")
        raise DataError(f"data: {len(shared)} scene(s) both to learn from and to judge by: {told}")
    train = _sample(train, share, sample_seed)
    learned = [photo for photo in train if photo.objects]
    counts = Counter(o.class_id for photo in learned for o in photo.objects)
    if lacking := [name for class_id, name in enumerate(names, 1) if not counts[class_id]]:
        told = ", ".join(f"{name} ({counts[class_id]})" for class_id, name in enumerate(names, 1))
        raise DataError(f"classes: no object of {', '.join(lacking)} to learn from; objects in train: {told}")
    if not any(photo.objects for photo in judged):
        raise DataError(f"data: no object to judge by in {judged_split or 'the scenes held out'}")
    gate_scenes = _first_scenes(learned, gate_share, sample_seed + 1)
    gate = tuple(photo for photo in learned if photo.scene in gate_scenes)
    others = tuple(photo for photo in learned if photo.scene not in gate_scenes)
    if not gate or not others:
        found = len({photo.scene for photo in learned})
        raise DataError(f"data: expected two scenes or more with objects to learn from, found {found}")
    return DetectionData(names, others, gate, tuple(judged))


def _read(folder: Path) -> Dataset:
    try:
        return load_dataset(folder, detect_format(folder))[0]
    except FaultyAnnotationsError as error:
        lines = [str(fault) for fault in error.faults[:TOLD_FAULTS]]
        more = len(error.faults) - len(lines)
        told = [f"… and {more} more"] if more else []
        raise DataError("\n".join([f"{folder}: {len(error.faults)} fault(s)", *lines, *told])) from error
    except ValueError as error:
        raise DataError(f"data: {error}") from error


def _choose_classes(datasets: Sequence[Dataset], asked: Sequence[str]) -> tuple[str, ...]:
    known = tuple(dict.fromkeys(label for dataset in datasets for label in dataset.labels))
    used = {label for dataset in datasets for photo in dataset.photos for label in photo.object_labels}
    if not used:
        raise DataError(f"data: no annotated object in it; the classes are {', '.join(known) or 'none'}")
    names = tuple(dict.fromkeys(asked)) or tuple(name for name in DAMAGE_CLASSES if name in used)
    missing = [name for name in names if name not in known]
    if missing or not names:
        wanted = ", ".join(missing or DAMAGE_CLASSES)
        raise DataError(f"classes: no category {wanted}; the categories are {', '.join(known)}")
    return names


def _convert(photo: Photo, folder: Path, names: Sequence[str]) -> DetectionPhoto:
    class_ids = {name: class_id for class_id, name in enumerate(names, 1)}
    objects = [
        OutlinedObject(class_ids[parts[0].label], tuple(part.points for part in parts), is_box=False)
        for parts in group_parts(photo.polygons)
        if parts[0].label in class_ids
    ]
    for box in photo.boxes:
        if box.label in class_ids:
            left, top, right, bottom = box.box_xyxy
            corners = ((left, top), (right, top), (right, bottom), (left, bottom))
            objects.append(OutlinedObject(class_ids[box.label], (corners,), is_box=True))
    if photo.path is None:
        raise DataError(f"{folder}: missing image {photo.image_id}")
    scene = photo.group or photo.vehicle_id or scene_of(photo)
    return DetectionPhoto(
        photo.path, f"{folder.name}/{photo.image_id}", scene, (photo.height, photo.width), tuple(objects)
    )


def _sample(photos: Sequence[DetectionPhoto], share: float, seed: int) -> list[DetectionPhoto]:
    kept = _first_scenes(photos, share, seed)
    return [photo for photo in photos if photo.scene in kept]


def _first_scenes(photos: Sequence[DetectionPhoto], share: float, seed: int) -> set[str]:
    """A share of the scenes, at least one, by the place that seed and name give each; less than all if share < 1."""
    scenes = sorted({photo.scene for photo in photos}, key=lambda scene: place_by_name(f"{seed}:{scene}"))
    return set(scenes[: max(int(np.floor(share * len(scenes) + 0.5)), 1)])
