"""Photos that an export turned by quarters as augmentation are turned back, before anything is learnt from them.

In:   a dataset whose augmented versions share a scene. Out: the same, standing; files of turned photos.
Must not know: the GAN, detectors.

What standing looks like is learnt from the scenes of which there is one version: they were not augmented. Pixels of val
and test are looked at for that, never their annotations.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from models.data.formats import Box, Dataset, Photo
from models.data.photos import load_image, write_image
from models.data.scenes import scene_of
from models.evaluation.generation.features import FeatureNetwork
from models.steps.upright import TURNS, UprightProbe, turn_image, turn_points_xy

MIN_KNOWN: Final = 24
"""Photos known to stand, at least, to learn from."""
INPUT_PX: Final = 224
CHUNK: Final = 16
"""Photos in memory at once."""


def stand_up(
    dataset: Dataset, folder: Path, features: FeatureNetwork | None
) -> tuple[Dataset, Mapping[str, Any] | None]:
    """Turn back what lies on its side or its head.

    Args:
        dataset: with files.
        folder: where turned photos are written.
        features: of the network that the probe is fitted on; None: every photo stays.

    Returns:
        The dataset; and what was done (photos turned, of how many, the probe's accuracy), or None where nothing was:
        no features, no scene of several versions, too few known photos, or no more turned ones than the probe errs.

    Raises:
        DataError: an image that cannot be read.
    """
    versions = Counter(scene_of(photo) for photo in dataset.photos)
    known = [photo for photo in dataset.photos if versions[scene_of(photo)] == 1]
    doubtful = [photo for photo in dataset.photos if versions[scene_of(photo)] > 1]
    if features is None or not doubtful or len(known) < MIN_KNOWN:
        return dataset, None
    probe = UprightProbe.fit(_describe(known, features))
    turns = probe.find_turns(_describe(doubtful, features))
    if (turns != 0).mean() <= 2 * (1 - probe.accuracy):
        return dataset, None
    given = dict(zip((photo.image_id for photo in doubtful), turns, strict=True))
    folder.mkdir(parents=True, exist_ok=True)
    photos = tuple(
        _turn(photo, -int(given.get(photo.image_id, 0)) % TURNS, folder / f"{number:06d}{Path(photo.image_id).suffix}")
        for number, photo in enumerate(dataset.photos)
    )
    told = {"photos": int((turns != 0).sum()), "of": len(doubtful), "accuracy_on_known": round(probe.accuracy, 4)}
    return Dataset(photos, dataset.labels), told


def _describe(photos: Sequence[Photo], features: FeatureNetwork) -> np.ndarray:
    """Features of every photo in four turns, float32 (N, 4, F)."""
    parts = []
    for start in range(0, len(photos), CHUNK):
        small = [
            cv2.resize(load_image(photo.path), (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_AREA)
            for photo in photos[start : start + CHUNK]
        ]
        found = features.compute_features(np.stack([turn_image(image, k) for image in small for k in range(TURNS)]))
        parts.append(found.reshape(-1, TURNS, found.shape[1]))
    return np.concatenate(parts)


def _turn(photo: Photo, quarters: int, path: Path) -> Photo:
    """The photo with all that is marked in it turned against the clock; its file is written anew."""
    if not quarters:
        return photo
    write_image(path, turn_image(load_image(photo.path), quarters))
    size_hw = photo.height, photo.width
    width, height = (photo.height, photo.width) if quarters % 2 else (photo.width, photo.height)

    def turn(points: Sequence[tuple[float, float]]) -> np.ndarray:
        return turn_points_xy(np.array(points), size_hw, quarters)

    boxes = []
    for box in photo.boxes:
        x0, y0, x1, y1 = box.box_xyxy
        (xa, ya), (xb, yb) = turn([(x0, y0), (x1, y1)])
        boxes.append(Box(box.label, (min(xa, xb), min(ya, yb), max(xa, xb), max(ya, yb))))
    polygons = tuple(
        replace(own, points=tuple((float(x), float(y)) for x, y in turn(own.points))) for own in photo.polygons
    )
    return replace(photo, path=path, width=width, height=height, boxes=tuple(boxes), polygons=polygons)
