"""Which photos show one scene, and which split a scene is in.

In:   a dataset. Out: the same, every photo in one of three splits.
Must not know: folders, the GAN, detectors.

Test is opened once, at the end; everything that is chosen is chosen on val. A folder without a test split gives its val
split for it, and photos of the training scenes become val; one without either is split by scene.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from models.data.formats import Dataset, Photo
from models.data.photos import DataError, place_by_name

VAL_SHARE: Final = 0.15
TEST_SHARE: Final = 0.15
_VERSION_SUFFIX: Final = re.compile(r"\.rf\.[0-9a-f]{32}$")
"""How Roboflow tells augmented versions of one photo apart."""


def split_three_ways(dataset: Dataset) -> Dataset:
    """Give every photo one of three splits; the module says how."""
    found = {photo.split for photo in dataset.photos}
    if {"val", "test"} <= found:
        photos = (replace(photo, split=photo.split or "train") for photo in dataset.photos)
        return Dataset(tuple(photos), dataset.labels)
    moved: list[Photo] = []
    for photo in dataset.photos:
        split, place = photo.split or "train", place_by_name(scene_of(photo))
        if split == "val":  # and there is no test split
            split = "test"
        elif split == "train" and place < VAL_SHARE:
            split = "val"
        elif split == "train" and not found & {"val", "test"} and place < VAL_SHARE + TEST_SHARE:
            split = "test"
        moved.append(replace(photo, split=split))
    return Dataset(tuple(moved), dataset.labels)


def check_scenes(dataset: Dataset) -> None:
    """Refuse a dataset that shows one scene in two splits: what is measured there has been learnt by heart.

    Raises:
        DataError: names a photo of each split, for the first scene.
    """
    first: dict[str, Photo] = {}
    for photo in dataset.photos:
        other = first.setdefault(scene_of(photo), photo)
        if other.split != photo.split:
            raise DataError(
                f"scene {scene_of(photo)}: expected it in one split, found {other.image_id} in {other.split} and "
                f"{photo.image_id} in {photo.split}"
            )


def scene_of(photo: Photo) -> str:
    """What photos of one scene share: the group, else the file's name without the mark of an augmented version."""
    return photo.group or _VERSION_SUFFIX.sub("", str(Path(photo.image_id).with_suffix("")))
