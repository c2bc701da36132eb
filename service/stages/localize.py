"""localize: the car is cut out of the photo.

In:   image, uint8 (H, W, 3) RGB, photo frame. Out: crop, uint8 (h, w, 3) RGB, and the CropWindow it came from.
Must not know: which network found the car.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.localizer.predictor import Localizer
from models.structures import CropWindow, check_array, check_image, shrink_to_fit


@dataclass(frozen=True)
class Crop:
    """The vehicle cut-out.

    Attributes:
        image: uint8 (h, w, 3) RGB, crop frame: the window's pixels, shrunk to fit the segmenter's input if they do not.
        window: the part of the photo it shows; the whole photo when no car was found.
        car_found: whether the localizer found a car.
    """

    image: np.ndarray
    window: CropWindow
    car_found: bool


def localize_cars(
    images: Sequence[np.ndarray], localizer: Localizer, *, margin_ratio: float, max_hw: tuple[int, int]
) -> list[Crop]:
    """Cut the largest car out of each photo; where there is none, keep the whole photo.

    Args:
        images: each uint8 (H, W, 3) RGB, photo frame.
        localizer: finds cars.
        margin_ratio: added on each side of the car's box, as a share of its width and height.
        max_hw: the crop is shrunk to fit this height and width, pixels.

    Raises:
        ContractError: an image of another shape or dtype; a box of NaN or outside its photo.
    """
    for image in images:
        check_image("image", image)
    crops = []
    for image, found in zip(images, localizer.predict_boxes(images), strict=True):
        boxes_xyxy, size_hw = found.boxes_xyxy_photo, image.shape[:2]
        check_array("boxes_xyxy_photo", boxes_xyxy, (None, 4), np.float32, value_range=(0, max(size_hw)))
        window = CropWindow.around_largest(boxes_xyxy, size_hw, margin_ratio=margin_ratio)
        crops.append(Crop(shrink_to_fit(window.cut(image), max_hw), window, len(boxes_xyxy) > 0))
    return crops
