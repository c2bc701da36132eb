"""dataset: the job's own copy of the photos, in YOLO's layout, split three ways by scene.

In:   data folders, in YOLO's layout or another format. Out: images/, labels/ and data.yaml with train, val and test;
      index.json, boxes and outlines in pixels.
Must not know: the GAN, detectors.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.data.complete_images import find_damaged
from models.data.formats import Box, Dataset, Photo, Polygon, detect_format, find_format, load_dataset
from models.data.formats.carry import own_paths
from models.data.formats.dataset import SPLIT_NAMES
from models.data.formats.images import place_images
from models.data.manifest import build_manifest
from models.data.photos import DataError
from models.data.scenes import check_scenes, scene_of, split_three_ways
from models.evaluation.generation.features import FeatureNetwork
from models.job.orientation import stand_up
from models.steps.step_folder import StepDone, load_step, run_step

STEP: Final = "dataset"
INDEX_NAME: Final = "index.json"


@dataclass(frozen=True)
class JobPhoto:
    """One photo of the job.

    Attributes:
        path: the image file.
        image_id: its path below images/<split>, with forward slashes.
        split: train, val or test.
        scene: photos of one scene are in one split.
        size_hw: pixels.
        boxes_xyxy: float64 (K, 4), photo frame.
        class_ids: int64 (K,).
        outlines_xy: of each box float64 (P, 2), the polygon it surrounds, or None where only the box is known.
    """

    path: Path
    image_id: str
    split: str
    scene: str
    size_hw: tuple[int, int]
    boxes_xyxy: np.ndarray
    class_ids: np.ndarray
    outlines_xy: tuple[np.ndarray | None, ...]


@dataclass(frozen=True)
class JobData:
    """What the job works on.

    Attributes:
        folder: the step's.
        photos: of every split.
        class_names: by class id.
        class_id: of the class that is generated.
    """

    folder: Path
    photos: tuple[JobPhoto, ...]
    class_names: tuple[str, ...]
    class_id: int

    def choose(self, split: str) -> tuple[JobPhoto, ...]:
        """The photos of one split."""
        return tuple(photo for photo in self.photos if photo.split == split)


def copy_dataset(
    source: Path, class_name: str, out: Path, *, more: Sequence[Path] = (), features: FeatureNetwork | None = None
) -> StepDone:
    """Do the step.

    Args:
        source: a data folder, in YOLO's layout or another format that its files tell.
        class_name: what is to be generated.
        out: the step's folder.
        more: further data folders; classes of one name are one class.
        features: finds photos that lie on their side; None: every photo stays as it is.

    Raises:
        FaultyAnnotationsError: every fault of a source, a box that leaves its photo among them, with file and line.
        DataError: no folder, every image that is cut off, a scene in two splits, no instance of the class in what would
            be a split, or out holds other work.
        ValueError: a source of no known format, or two photos of one name.
    """
    sources = (source, *more)
    for folder in sources:
        if not folder.is_dir():
            raise DataError(f"data folder: no such folder: {folder}")
        if out.resolve().is_relative_to(folder.resolve()):
            raise DataError(f"out: expected a folder outside the data, found {out} in {folder}")
    options = {
        "class_name": class_name,
        "source_digest": "+".join(build_manifest(folder).digest for folder in sources),
        "features": features.name if features else "none",
    }

    told_sources = ", ".join(map(str, sources))

    def work(folder: Path, scratch: Path) -> Mapping[str, Any]:
        dataset = split_three_ways(_join([_read(own) for own in sources]))
        check_scenes(dataset)
        if damaged := find_damaged(photo.path for photo in dataset.photos):
            raise DataError("\n".join(damaged))
        counts = {
            split: Counter(
                shape.label
                for photo in dataset.photos
                if photo.split == split
                for shape in (*photo.boxes, *_areas(photo))
            )
            for split in SPLIT_NAMES
        }
        if class_name not in dataset.labels or not counts["train"][class_name]:
            known = ", ".join(f"{label} ({counts['train'][label]})" for label in dataset.labels) or "none"
            raise DataError(
                f"class: no instance of {class_name!r} to learn from in {told_sources}; the classes are {known}"
            )
        if empty := [split for split in SPLIT_NAMES[1:] if not counts[split][class_name]]:
            raise DataError(f"class: no instance of {class_name!r} in what is {empty[0]} of {told_sources}")
        dataset, told = stand_up(dataset, scratch / "turned", features)
        layout = find_format("yolo")
        layout.write(_boxes_alone(dataset), folder)
        place_images(
            {name: photo.path for name, photo in own_paths(dataset, layout.image_path).items()}, folder, "copy"
        )
        (folder / INDEX_NAME).write_text(json.dumps(_index(dataset), indent=1) + "\n", encoding="utf-8")
        return {
            "class_name": class_name,
            "class_names": list(dataset.labels),
            "photos": {split: sum(photo.split == split for photo in dataset.photos) for split in SPLIT_NAMES},
            "instances": {split: dict(own) for split, own in counts.items()},
            "turned": told,
        }

    return run_step(out, STEP, options, {}, work)


def load_dataset_step(folder: Path) -> JobData:
    """Open the folder of the step.

    Raises:
        DataError: it is not complete.
    """
    result = load_step(folder, STEP).result
    photos = [
        JobPhoto(
            folder / "images" / record["split"] / record["image_id"],
            record["image_id"],
            record["split"],
            record["scene"],
            (record["height"], record["width"]),
            np.array(record["boxes_xyxy"], np.float64).reshape(-1, 4),
            np.array(record["class_ids"], np.int64),
            tuple(None if points is None else np.array(points, np.float64) for points in record["outlines_xy"]),
        )
        for record in json.loads((folder / INDEX_NAME).read_text(encoding="utf-8"))
    ]
    names = tuple(result["class_names"])
    return JobData(folder, tuple(photos), names, names.index(result["class_name"]))


def _read(source: Path) -> Dataset:
    layout = find_format("yolo")
    return load_dataset(source, layout if layout.looks_like(source) else detect_format(source))[0]


def _join(datasets: Sequence[Dataset]) -> Dataset:
    """All photos, under the classes of all, in the order in which they come up."""
    labels = dict.fromkeys(label for dataset in datasets for label in dataset.labels)
    return Dataset(tuple(photo for dataset in datasets for photo in dataset.photos), tuple(labels))


def _areas(photo: Photo) -> list[Polygon]:
    """The photo's polygons that enclose something."""
    return [polygon for polygon in photo.polygons if not polygon.is_hairline]


def _boxes_alone(dataset: Dataset) -> Dataset:
    """Polygons become their bounding boxes, as detectors learn them."""
    photos = (
        replace(
            photo,
            polygons=(),
            boxes=(*photo.boxes, *(Box(area.label, area.bounding_box_xyxy) for area in _areas(photo))),
        )
        for photo in dataset.photos
    )
    return Dataset(tuple(photos), dataset.labels)


def _index(dataset: Dataset) -> Sequence[Mapping[str, Any]]:
    class_ids = {label: number for number, label in enumerate(dataset.labels)}
    return [
        {
            "image_id": photo.image_id,
            "split": photo.split,
            "scene": scene_of(photo),
            "width": photo.width,
            "height": photo.height,
            "boxes_xyxy": [
                *(list(box.box_xyxy) for box in photo.boxes),
                *(list(area.bounding_box_xyxy) for area in _areas(photo)),
            ],
            "class_ids": [class_ids[shape.label] for shape in (*photo.boxes, *_areas(photo))],
            "outlines_xy": [
                *(None for _ in photo.boxes),
                *([list(xy) for xy in area.points] for area in _areas(photo)),
            ],
        }
        for photo in dataset.photos
    ]
