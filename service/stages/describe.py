"""describe: one connected patch of damage becomes one Region.

In:   masks, bool (3, h, w), and probs, float32 (3, h, w), crop frame. Out: list[Region], photo frame, largest first.
Must not know: messages, storage, settings, metrics, any network.
"""

import cv2
import numpy as np

from models.structures import DAMAGE_CLASSES, CropWindow, Region, check_array, trace_polygon


def describe_regions(masks: np.ndarray, probs: np.ndarray, window: CropWindow, *, min_area_px2: int) -> list[Region]:
    """List the damages of one photo.

    Args:
        masks: bool (3, h, w), crop frame.
        probs: float32 (3, h, w), [0, 1], crop frame; a region's score is their mean over its patch.
        window: where the crop lies in the photo; the crop may be smaller than the window, never of another shape.
        min_area_px2: smaller patches are dropped; crop pixels.

    Returns:
        Regions in the photo frame, largest first.

    Raises:
        ContractError: wrong shape or dtype.
    """
    check_array("masks", masks, (len(DAMAGE_CLASSES), None, None), np.bool_)
    check_array("probs", probs, masks.shape, np.float32, value_range=(0, 1))
    window_h, window_w = window.size_hw
    scale_xy = np.array([window_w / masks.shape[2], window_h / masks.shape[1]])
    regions = []
    for channel, mask in enumerate(masks):
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        for label in range(1, count):
            x, y, width, height, area_px2 = (int(v) for v in stats[label])
            if area_px2 < min_area_px2:
                continue
            patch = labels[y : y + height, x : x + width] == label
            score = float(probs[channel, y : y + height, x : x + width][patch].mean())
            corner = np.array([x, y])
            low, high = corner * scale_xy, np.array([x + width, y + height]) * scale_xy
            # A point of the border is the middle of its pixel, so it stays inside the box at every scale.
            points = (trace_polygon(patch) + corner + 0.5) * scale_xy - 0.5 + [window.x0, window.y0]
            regions.append(
                Region(
                    class_id=channel + 1,
                    points=tuple((round(float(px), 2), round(float(py), 2)) for px, py in points),
                    score=min(max(score, 0.0), 1.0),
                    area_px2=max(round(area_px2 * float(scale_xy.prod())), 1),
                    box_xyxy=(
                        window.x0 + int(np.floor(low[0])),
                        window.y0 + int(np.floor(low[1])),
                        window.x0 + int(np.ceil(high[0])),
                        window.y0 + int(np.ceil(high[1])),
                    ),
                )
            )
    return sorted(regions, key=lambda region: -region.area_px2)
