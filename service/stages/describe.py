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
        window: where the crop lies in the photo; the crop may be smaller than the window, never larger.
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
            rows, own_rows = _cover(y, height, float(scale_xy[1]))
            columns, own_columns = _cover(x, width, float(scale_xy[0]))
            enlarged = patch[np.ix_(own_rows, own_columns)]
            left, top = window.x0 + int(columns[0]), window.y0 + int(rows[0])
            points = trace_polygon(enlarged) + np.array([left, top])
            regions.append(
                Region(
                    class_id=channel + 1,
                    points=tuple((float(px), float(py)) for px, py in points),
                    score=min(max(score, 0.0), 1.0),
                    area_px2=int(enlarged.sum()),
                    box_xyxy=(left, top, left + len(columns), top + len(rows)),
                )
            )
    return sorted(regions, key=lambda region: -region.area_px2)


def _cover(start: int, length: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Find the photo pixels of one axis whose middles fall on a run of crop pixels.

    Args:
        start: the run's first crop pixel.
        length: of the run, crop pixels.
        scale: photo pixels per crop pixel, at least 1, so that each crop pixel has a photo pixel.

    Returns:
        int (P,), photo pixels from the window's edge; int (P,), the crop pixel of each, from the run's start.
    """
    covered = np.arange(int(start * scale), int(np.ceil((start + length) * scale)))
    own = ((covered + 0.5) / scale).astype(np.int64) - start
    is_inside = (own >= 0) & (own < length)
    return covered[is_inside], own[is_inside]
