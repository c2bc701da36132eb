"""The job's photos as SR-RCNN's training takes them: every labelled object, outlined where an outline is known.

In:   photos of dataset's train and of augmented. Out: DetectionPhoto, class ids from 1.
Must not know: networks, pixels.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.job.augmented import load_augmented
from models.job.dataset import JobData, JobPhoto
from models.training.sr_rcnn.photos import DetectionPhoto, OutlinedObject


def collect_photos(data: JobData, augmented: Path | None) -> tuple[DetectionPhoto, ...]:
    """All photos of an arm, those without objects too.

    Args:
        data: the job's.
        augmented: folder of the step augmented; None: the baseline.

    Raises:
        DataError: the step is not complete.
    """
    own = data.choose("train")
    photos = [_make_photo(photo.path, f"train/{photo.image_id}", photo, _read_own(photo)) for photo in own]
    if augmented is not None:
        sources = {photo.image_id: photo for photo in own}
        photos += [
            _make_photo(
                augmented / "images" / "train" / record["image_id"],
                f"augmented/{record['image_id']}",
                sources[record["source"]],
                _read_augmented(record, data.class_id),
            )
            for record in load_augmented(augmented)
        ]
    return tuple(photos)


def _make_photo(path: Path, image_id: str, source: JobPhoto, objects: Iterable[OutlinedObject]) -> DetectionPhoto:
    return DetectionPhoto(path, image_id, source.scene, source.size_hw, tuple(objects))


def _read_own(photo: JobPhoto) -> Iterable[OutlinedObject]:
    for class_id, box, outline in zip(photo.class_ids, photo.boxes_xyxy, photo.outlines_xy, strict=True):
        yield _make_object(int(class_id), box, [] if outline is None else [outline])


def _read_augmented(record: Mapping[str, Any], pasted_class_id: int) -> Iterable[OutlinedObject]:
    """What still shows and is labelled, then what was pasted, if anything was."""
    for own in record["objects"]:
        if own["is_labelled"]:
            yield _make_object(own["class_id"], own["box_xyxy_photo"], own["outlines_xy_photo"])
    if "box_xyxy_photo" in record:
        yield _make_object(pasted_class_id, record["box_xyxy_photo"], record["outlines_xy_photo"])


def _make_object(class_id: int, box_xyxy: Sequence[float], outlines_xy: Sequence[Any]) -> OutlinedObject:
    """One object of a class that the job numbers from 0; training numbers from 1."""
    is_box = not len(outlines_xy)
    if is_box:
        x0, y0, x1, y1 = np.maximum(box_xyxy, 0)  # a coordinate rounded to below 0 would count from the other edge
        outlines_xy = [[(x0, y0), (x1, y0), (x1, y1), (x0, y1)]]
    corners = tuple(tuple((float(x), float(y)) for x, y in outline) for outline in outlines_xy)
    return OutlinedObject(class_id + 1, corners, is_box=is_box)
