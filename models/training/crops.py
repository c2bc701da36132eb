"""Crops as serving cuts them: around the car with a margin where a car is known, else the whole photo."""

import numpy as np

from models.data.car_boxes import CarBoxes
from models.structures import CropWindow, Letterbox, largest_box


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


def place_window(
    where: np.ndarray | None, letterbox: Letterbox, window_px: int, rng: np.random.Generator
) -> tuple[int, int]:
    """Place a square training window in a letterboxed crop.

    Args:
        where: int (K,), K >= 1, flat pixel indices of the input, one of which the window shows; None: anywhere on the
            content.
        letterbox: of the crop, into a square input of at least window_px.
        window_px: side of the window.
        rng: chooses the pixel, and jitters the window around it.

    Returns:
        x and y of its top left corner, input frame.
    """
    side = letterbox.input_hw[0]
    if where is not None:
        y, x = divmod(int(rng.choice(where)), side)
    else:
        (left, top), (height, width) = letterbox.offset_xy, letterbox.content_hw
        x, y = left + int(rng.integers(0, width)), top + int(rng.integers(0, height))
    jitter = rng.integers(-window_px // 3, window_px // 3 + 1, 2)
    corner = np.clip(np.array([x, y]) + jitter - window_px // 2, 0, side - window_px)
    return int(corner[0]), int(corner[1])
