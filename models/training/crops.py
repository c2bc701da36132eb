"""Crops as serving cuts them: around the car with a margin where a car is known, else the whole photo."""

import numpy as np

from models.data.car_boxes import CarBoxes
from models.structures import CropWindow, largest_box


def choose_window(size_hw: tuple[int, int], cars: CarBoxes | None, rng: np.random.Generator) -> CropWindow:
    """Choose the part of a photo that the gate and the segmenter see.

    Args:
        size_hw: the photo's height and width.
        cars: its cars; None where unknown.
        rng: jitters the box, as the localizer errs, and takes the whole photo now and then.

    Returns:
        The largest car's window, or the whole photo.
    """
    if cars is None or not len(cars.boxes_xyxy):
        return CropWindow.whole(size_hw)
    if rng.random() < 0.2:
        return CropWindow.whole(size_hw)
    largest = largest_box(cars.boxes_xyxy)
    extent = np.tile(largest[2:] - largest[:2], 2)
    jittered = largest + rng.normal(0, 0.03, 4) * extent
    return CropWindow.around(jittered, size_hw, margin_ratio=float(rng.uniform(0.03, 0.12)))
