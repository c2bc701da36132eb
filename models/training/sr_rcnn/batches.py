"""Which photos a step sees, as images and targets: functions of seed, step and process alone.

In:   photos with outlines. Out: float32 images and boxes, labels and masks, photo frame.
Must not know: networks; which detector learns from them.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from models.data.photos import DataError, load_image
from models.structures import rasterise_polygons
from models.training.sr_rcnn.photos import DetectionPhoto

Batch = tuple[list[torch.Tensor], list[dict[str, torch.Tensor]]]
"""Images, float32 (3, H, W) RGB in [0, 1] of any sizes; targets as SrRcnn has them."""


def batch_maker(
    photos: Sequence[DetectionPhoto], *, seed: int, batch_size: int, rank: int = 0, processes: int = 1
) -> Callable[[int], Batch]:
    """Make the batches of one process; every pass meets each photo once, in an order of its own.

    Args:
        photos: at least one.
        seed: of orders and mirrorings.
        batch_size: photos a step, over all processes.
        rank: the process's number …
        processes: … of so many, which divides batch_size.

    Returns:
        Step to batch.
    """
    own = batch_size // processes

    def make_batch(step: int) -> Batch:
        first = step * batch_size + rank * own
        images, targets = [], []
        for place in range(first, first + own):
            epoch, index = divmod(place, len(photos))
            order = np.random.default_rng([seed, epoch, 0]).permutation(len(photos))
            is_mirrored = np.random.default_rng([seed, place, 1]).random() < 0.5
            image, target = build_sample(photos[order[index]], is_mirrored=is_mirrored)
            images.append(image)
            targets.append(target)
        return images, targets

    return make_batch


def build_sample(photo: DetectionPhoto, *, is_mirrored: bool = False) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Decode a photo and draw its objects.

    Args:
        photo: its outlines are rasterised as elsewhere, borders included, so hairlines have pixels too.
        is_mirrored: left and right change places.

    Returns:
        The image and its target; boxes surround the masks.

    Raises:
        DataError: the image is missing, broken, or of another size than annotated.
    """
    pixels = load_image(photo.path)
    if pixels.shape[:2] != photo.size_hw:
        raise DataError(f"{photo.path}: expected height and width {photo.size_hw}, found {pixels.shape[:2]}")
    masks = draw_masks(photo)
    if is_mirrored:
        pixels, masks = pixels[:, ::-1], masks[:, :, ::-1]
    labels = np.array([o.class_id for o in photo.objects], np.int64)
    shown = masks.any(axis=(1, 2))
    masks = np.ascontiguousarray(masks[shown])
    image = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1).contiguous().float() / 255
    return image, {
        "boxes": torch.from_numpy(boxes_around(masks)),
        "labels": torch.from_numpy(labels[shown]),
        "masks": torch.from_numpy(masks.astype(np.uint8)),
    }


def draw_masks(photo: DetectionPhoto) -> np.ndarray:
    """Rasterise a photo's objects; bool (n, H, W). Where only the box is known it is filled."""
    masks = np.zeros((len(photo.objects), *photo.size_hw), bool)
    for index, own in enumerate(photo.objects):
        if own.is_box:
            (((left, top), _, (right, bottom), _),) = own.outlines_xy
            masks[index, int(top) : math.ceil(bottom), int(left) : math.ceil(right)] = True
        else:
            masks[index] = rasterise_polygons(own.outlines_xy, photo.size_hw)
    return masks


def boxes_around(masks: np.ndarray) -> np.ndarray:
    """Surround masks, bool (n, H, W) with a True pixel each; float32 (n, 4) xyxy, max edge exclusive."""
    boxes = np.zeros((len(masks), 4), np.float32)
    for index, mask in enumerate(masks):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        boxes[index] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes
