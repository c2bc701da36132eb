"""framing: a part of a photo at another size, and its result moved with it.

In:   image, uint8 (H, W, 3) RGB, photo frame, and its InspectionResult.
Out:  image, uint8 (h, w, 3) RGB, and the result with every coordinate in that image's frame.
"""

import cv2
import numpy as np

from service.result import Box, InspectionResult, Point, ResultRegion

_CLOSE_UP_MARGIN = 0.75  # of the region's longer side, on each side
_CLOSE_UP_LEAST_PX = 160
_MOST_ENLARGED = 4.0


def close_up_of(region: ResultRegion, size_hw: tuple[int, int]) -> Box:
    """The square around a region, with what surrounds it, as far as the photo goes.

    Args:
        region: of the photo.
        size_hw: the photo's height and width, pixels.

    Returns:
        xyxy, photo frame, whole pixels, max edge exclusive; never empty.
    """
    x0, y0, x1, y1 = region.box_xyxy
    side = max(x1 - x0, y1 - y0)
    half = max(side * (0.5 + _CLOSE_UP_MARGIN), _CLOSE_UP_LEAST_PX / 2)
    height, width = size_hw
    centre_x, centre_y = min(max((x0 + x1) / 2, 0), width - 1), min(max((y0 + y1) / 2, 0), height - 1)
    return (
        max(int(centre_x - half), 0),
        max(int(centre_y - half), 0),
        min(int(centre_x + half) + 1, width),
        min(int(centre_y + half) + 1, height),
    )


def frame_photo(
    image: np.ndarray, result: InspectionResult, *, window_xyxy: Box, longest_side_px: int
) -> tuple[np.ndarray, InspectionResult]:
    """Cut a window out of a photo and fit it into a square; enlarged at most four times.

    Args:
        image: uint8 (H, W, 3) RGB, photo frame.
        result: of this photo.
        window_xyxy: inside the photo, photo frame, whole pixels, max edge exclusive.
        longest_side_px: of the image that comes out; a whole photo is only ever shrunk.

    Returns:
        uint8 (h, w, 3) RGB, a new array or a view, and the result in its frame.
    """
    x0, y0, x1, y1 = window_xyxy
    cut = image[y0:y1, x0:x1]
    most = 1.0 if cut.shape == image.shape else _MOST_ENLARGED
    scale = min(longest_side_px / max(cut.shape[:2]), most)
    if scale != 1.0:
        size_wh = (max(round(cut.shape[1] * scale), 1), max(round(cut.shape[0] * scale), 1))
        cut = cv2.resize(cut, size_wh, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)

    def move(x: float, y: float) -> Point:
        return (x - x0) * scale, (y - y0) * scale

    def move_box(box_xyxy: Box) -> Box:
        (left, top), (right, bottom) = move(*box_xyxy[:2]), move(*box_xyxy[2:])
        return round(left), round(top), round(right), round(bottom)

    regions = tuple(
        region.model_copy(
            update={
                "points": tuple(move(*point) for point in region.points),
                "box_xyxy": move_box(region.box_xyxy),
            }
        )
        for region in result.regions
    )
    crop_xyxy = result.crop_xyxy and move_box(result.crop_xyxy)
    return cut, result.model_copy(update={"regions": regions, "crop_xyxy": crop_xyxy})
