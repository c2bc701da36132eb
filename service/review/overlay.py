"""overlay: a result drawn on its photo, for people.

In:   image, uint8 (H, W, 3) RGB, photo frame, and its InspectionResult. Out: uint8 (H, W, 3) RGB.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from models.structures import DAMAGE_CLASSES
from service.result import InspectionResult

COLOURS_RGB: Final[dict[str, tuple[int, int, int]]] = dict(
    zip(DAMAGE_CLASSES, ((255, 59, 48), (255, 204, 0), (10, 132, 255)), strict=True)
)
_CROP_RGB: Final = (235, 235, 235)
_PLATE_RGB: Final = (20, 20, 20)
_FILL_OPACITY: Final = 0.45


def draw_overlay(
    image: np.ndarray, result: InspectionResult, *, is_filled: bool = True, is_labelled: bool = True
) -> np.ndarray:
    """Draw the crop's frame, every region's patch and border, and its label and score.

    Args:
        image: uint8 (H, W, 3) RGB, photo frame.
        result: of this photo.
        is_filled: colour each patch; otherwise its border alone is drawn, and what lies inside can be seen.
        is_labelled: write status, labels and scores.

    Returns:
        uint8 (H, W, 3) RGB, a new array.
    """
    drawn = image.copy()
    thickness = max(1, round(min(image.shape[:2]) / 400))
    if result.crop_xyxy is not None:
        x0, y0, x1, y1 = result.crop_xyxy
        cv2.rectangle(drawn, (x0, y0), (x1 - 1, y1 - 1), _CROP_RGB, thickness)
    filled = drawn.copy()
    borders = [(region, np.round(np.array(region.points)).astype(np.int32)) for region in result.regions]
    for region, points in borders if is_filled else ():
        cv2.fillPoly(filled, [points], COLOURS_RGB[region.label])
    drawn = cv2.addWeighted(filled, _FILL_OPACITY, drawn, 1 - _FILL_OPACITY, 0)
    for region, points in borders:
        cv2.polylines(drawn, [points], isClosed=True, color=COLOURS_RGB[region.label], thickness=thickness)
    if not is_labelled:
        return drawn
    title = result.status if result.gate_score is None else f"{result.status}  gate {result.gate_score:.2f}"
    labels = [(title, (6, 20 * thickness), _CROP_RGB)]
    for region in result.regions:
        words = f"{region.label} {region.score:.2f}"
        labels.append((words, (region.box_xyxy[0], region.box_xyxy[1] - 4), COLOURS_RGB[region.label]))
    _write_apart(drawn, labels, thickness)
    return drawn


def write_png(path: Path, image: np.ndarray) -> None:
    """Write an image, uint8 (H, W, 3) RGB, as PNG.

    Raises:
        OSError: the folder cannot be written to.
    """
    _, encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    path.write_bytes(encoded.tobytes())


def _write_apart(
    image: np.ndarray, labels: Sequence[tuple[str, tuple[int, int], tuple[int, int, int]]], thickness: int
) -> None:
    """Write each label, (words, corner, colour), unless one that came before lies there: the larger region's."""
    scale = 0.45 * thickness
    taken = np.zeros(image.shape[:2], bool)
    for words, corner_xy, colour_rgb in labels:
        (width, height), _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
        x = min(max(corner_xy[0], 2), max(image.shape[1] - width - 2, 2))
        y = min(max(corner_xy[1], height + 2), image.shape[0] - 4)
        place = np.s_[max(y - height - 2, 0) : y + 5, max(x - 2, 0) : x + width + 3]
        if taken[place].any():
            continue
        taken[place] = True
        cv2.rectangle(image, (x - 2, y - height - 2), (x + width + 2, y + 4), _PLATE_RGB, cv2.FILLED)
        cv2.putText(image, words, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, colour_rgb, thickness, cv2.LINE_AA)
