"""Photos of each arm with the boxes that a detector learns from, and a closer look at what was pasted."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from models.data.formats.yolo_numbers import decode_box
from models.data.photos import load_image
from models.job.augmented import load_augmented
from models.job.dataset import load_dataset_step
from models.job.report.picture import Picture

COUNT: Final = 3
"""Photos an arm: those of the first places, which all arms share."""
PASTED_RGB: Final = (230, 50, 40)
OTHERS_RGB: Final = (40, 200, 80)
PHOTO_WIDTH_PX: Final = 328
LINE_SHARE: Final = 1 / 150
"""Of a photo's width: its boxes are this wide."""
CLOSE_HEIGHT_PX: Final = 168
CLOSE_MARGIN: Final = 0.4
"""Of the longer side of the pasted box, on each side."""


@dataclass(frozen=True)
class PastedPhoto:
    """One added photo.

    Attributes:
        whole: with its boxes.
        close: the pasted instance and what is around it, without.
    """

    whole: Picture
    close: Picture


def draw_pasted(dataset: Path, augmented: Mapping[str, Path]) -> dict[str, tuple[PastedPhoto, ...]]:
    """Draw the first photos of each arm that pastes.

    Args:
        dataset: the dataset step's folder.
        augmented: arm to the augmented step's folder.

    Returns:
        Arm to photos; an arm that pastes nothing is missing.

    Raises:
        DataError: an image is missing.
    """
    class_names = load_dataset_step(dataset).class_names
    drawn = {}
    for arm, folder in augmented.items():
        records = [record for record in load_augmented(folder)[:COUNT] if "box_xyxy_photo" in record]
        if records:
            drawn[arm] = tuple(_draw(folder, record, class_names) for record in records)
    return drawn


def draw_boxes(image: np.ndarray, boxes_xyxy: np.ndarray, pasted_xyxy: np.ndarray) -> np.ndarray:
    """Draw a photo's boxes, the pasted one last and in its own colour.

    Args:
        image: uint8 (H, W, 3) RGB.
        boxes_xyxy: (K, 4), photo frame.
        pasted_xyxy: (4,), photo frame.

    Returns:
        uint8 (H, W, 3), a copy.
    """
    image, line_px = image.copy(), max(round(LINE_SHARE * image.shape[1]), 1)
    for colour, boxes in ((OTHERS_RGB, boxes_xyxy), (PASTED_RGB, [pasted_xyxy])):
        for box in boxes:
            x0, y0, x1, y1 = (round(float(edge)) for edge in box)
            cv2.rectangle(image, (x0, y0), (x1 - 1, y1 - 1), colour, line_px)
    return image


def _draw(folder: Path, record: Mapping[str, object], class_names: tuple[str, ...]) -> PastedPhoto:
    name = str(record["image_id"])
    image = load_image(folder / "images" / "train" / name)
    labels = (folder / "labels" / "train" / name).with_suffix(".txt").read_text(encoding="utf-8")
    *others, pasted = [_parse(line, image) for line in labels.splitlines()]  # the pasted one is written last
    counts: dict[str, int] = {}
    for class_id, _ in others:
        counts[class_names[class_id]] = counts.get(class_names[class_id], 0) + 1
    told = ", ".join(f"{count} {label}" for label, count in counts.items()) or "nothing else"
    boxed = draw_boxes(image, np.array([box for _, box in others]).reshape(-1, 4), pasted[1])
    scale = min(PHOTO_WIDTH_PX / boxed.shape[1], 1.0)
    whole = cv2.resize(boxed, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    x0, y0, x1, y1 = _surround(pasted[1], image.shape[:2])
    close = image[y0:y1, x0:x1]
    scale = CLOSE_HEIGHT_PX / close.shape[0]
    close = cv2.resize(close, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    where = f"instance {record['instance']}, {record['blend']}"
    caption = f"pasted 1 {class_names[pasted[0]]}; there: {told}"
    return PastedPhoto(Picture(whole, caption, PHOTO_WIDTH_PX), Picture(close, where, CLOSE_HEIGHT_PX))


def _parse(line: str, image: np.ndarray) -> tuple[int, np.ndarray]:
    """Class and box, photo frame, of a line that the augmented step wrote."""
    class_id, *numbers = line.split()
    return int(class_id), np.array(decode_box(numbers, (image.shape[1], image.shape[0])))


def _surround(box_xyxy: np.ndarray, size_hw: tuple[int, int]) -> tuple[int, int, int, int]:
    """A square around a box, inside the photo as far as it reaches."""
    x0, y0, x1, y1 = box_xyxy
    half = (0.5 + CLOSE_MARGIN) * max(x1 - x0, y1 - y0)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    left, top = max(int(x - half), 0), max(int(y - half), 0)
    return left, top, min(int(np.ceil(x + half)), size_hw[1]), min(int(np.ceil(y + half)), size_hw[0])
