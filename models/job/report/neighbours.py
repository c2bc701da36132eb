"""Generated instances beside the train crops that look most like them: copies would stand out."""

from pathlib import Path
from typing import Final

import cv2
import numpy as np

from models.evaluation.generation.neighbours import iterate_distances
from models.job.crops import load_crops
from models.job.generation import draw_sheet, over_black
from models.job.instances import load_instances
from models.job.report.picture import Picture
from models.job.screening import load_kept

COUNT: Final = 16
THUMBNAIL_PX: Final = 16
"""Pixels are compared at this size: what a copy shares at least."""
SHOWN_WIDTH_PX: Final = 1024


def draw_neighbours(instances: Path, screening: Path, crops: Path) -> Picture:
    """Draw the first instances that were kept over the nearest train crop of each, mirrored where that is nearer.

    Args:
        instances: the instances step's folder.
        screening: the screening step's.
        crops: the crops step's.
    """
    made = over_black(load_instances(instances).images[load_kept(screening)[:COUNT]])
    real = over_black(load_crops(crops).canvases["train"])
    nearest, is_mirrored = find_nearest_by_pixels(made, real)
    beside = real[nearest]
    beside[is_mirrored] = beside[is_mirrored][:, :, ::-1]
    caption = "above: generated; below: the train crop, or its mirror image, whose pixels are nearest"
    return Picture(draw_sheet(np.concatenate([made, beside]), len(made)), caption, SHOWN_WIDTH_PX)


def find_nearest_by_pixels(made: np.ndarray, real: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest real image of each generated one, by Euclidean distance of small versions.

    Args:
        made: uint8 (N, C, C, 3).
        real: uint8 (M, C, C, 3).

    Returns:
        int64 (N,), of equally near ones the first; bool (N,), it is the real image's mirror image that is near.
    """
    small = _shrink(real)
    both = np.concatenate([small, small[:, :, ::-1]]).reshape(2 * len(real), -1)
    nearest = np.empty(len(made), np.int64)
    for where, distances in iterate_distances(_shrink(made).reshape(len(made), -1), both):
        nearest[where] = distances.argmin(axis=1)
    return nearest % len(real), nearest >= len(real)


def _shrink(images: np.ndarray) -> np.ndarray:
    """Small versions, float64 (N, T, T, 3)."""
    size_wh = (THUMBNAIL_PX, THUMBNAIL_PX)
    return np.stack([cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA) for image in images]).astype(np.float64)
