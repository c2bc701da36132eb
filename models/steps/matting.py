"""matting: which pixels of a box are the instance, where no annotator outlined it.

In:   image, uint8 (H, W, 3) RGB; a box. Out: bool (H, W), or the reason why there is none.
Must not know: files, annotation formats, the GAN.

Source: GrabCut, Rother, Kolmogorov and Blake 2004 (OpenCV's). What lies about the box is background for certain, the
middle of the box is the instance, and two colour mixtures and a graph cut decide on the rest.
"""

from typing import Final

import cv2
import numpy as np

from models.steps.extraction import fill_holes, largest_component
from models.structures import ContractError, check_array, check_image, clip_boxes_xyxy

WORKING_PX: Final = 128
"""Longer side at which the cut is made; a mask of a training image of at most 512 pixels needs no more."""
SURROUND_RATIO: Final = 0.35
"""Of the box's longer side: background that is looked at, each side."""
ITERATIONS: Final = 5
CORE_HALF_WH: Final = (0.15, 0.5)
"""Half width and half height, in halves of the box, of what is the instance for certain."""
CORNERS: Final = 1.1
"""Squared radius, in halves of the box, beyond which background is the better guess."""


def find_instance_mask(
    image: np.ndarray,
    box_xyxy_photo: np.ndarray,
    *,
    min_span: float = 0.6,
    area_share_range: tuple[float, float] = (0.2, 0.95),
) -> np.ndarray | str:
    """Tell the instance in a box from what is behind it.

    Args:
        image: uint8 (H, W, 3) RGB.
        box_xyxy_photo: float (4,), cut at the frame.
        min_span: least height and width of the mask's own box, as a share of the box's.
        area_share_range: least and greatest share of the box that the mask fills.

    Returns:
        bool (H, W), one component without holes, inside the box; or why the cut is not to be trusted.

    Raises:
        ContractError: arrays of another shape or dtype, or a box without a pixel inside the frame.
    """
    check_image("image", image)
    check_array("box_xyxy_photo", np.asarray(box_xyxy_photo, np.float64), (4,), np.float64)
    size_hw = image.shape[:2]
    box = np.rint(clip_boxes_xyxy(np.asarray(box_xyxy_photo, np.float64)[None], size_hw)[0]).astype(int)
    width, height = (int(side) for side in box[2:] - box[:2])
    if width < 1 or height < 1:
        raise ContractError(f"box_xyxy_photo: expected pixels inside {size_hw} (H, W), found {box.tolist()}")
    surround = round(SURROUND_RATIO * max(width, height))
    x0, y0 = np.maximum(box[:2] - surround, 0)
    x1, y1 = np.minimum(box[2:] + surround, size_hw[::-1])
    window = image[y0:y1, x0:x1]
    scale = min(1.0, max(WORKING_PX / max(window.shape[:2]), 1 / min(window.shape[:2])))  # a pixel remains
    small = cv2.resize(window, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else window
    inside = np.rint((box - [x0, y0, x0, y0]) * scale).astype(int)
    cut = _cut(np.ascontiguousarray(small), inside)
    grown = cv2.resize(cut.astype(np.float32), (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR) >= 0.5
    mask = np.zeros(size_hw, bool)
    mask[box[1] : box[3], box[0] : box[2]] = grown[box[1] - y0 : box[3] - y0, box[0] - x0 : box[2] - x0]
    mask = fill_holes(largest_component(mask))  # enlarging may have torn what touched at corners
    return _refuse(mask, (height, width), min_span, area_share_range) or mask


def _cut(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """GrabCut on a small window; bool (h, w), the largest component, its holes filled."""
    labels = np.full(image.shape[:2], cv2.GC_BGD, np.uint8)
    x0, y0, x1, y1 = (int(edge) for edge in box)
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    ys, xs = np.mgrid[y0:y1, x0:x1] + 0.5
    across, along = (2 * xs - x0 - x1) / (x1 - x0), (2 * ys - y0 - y1) / (y1 - y0)
    guess = np.full(across.shape, cv2.GC_PR_FGD, np.uint8)
    guess[across**2 + along**2 > CORNERS] = cv2.GC_PR_BGD
    guess[(np.abs(across) < CORE_HALF_WH[0]) & (np.abs(along) < CORE_HALF_WH[1])] = cv2.GC_FGD
    labels[y0:y1, x0:x1] = guess
    if not ((labels == cv2.GC_BGD) | (labels == cv2.GC_PR_BGD)).any() or not (labels == cv2.GC_FGD).any():
        return np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
    cv2.setRNGSeed(0)  # its mixtures start from k-means
    cv2.grabCut(image, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), ITERATIONS, cv2.GC_INIT_WITH_MASK)
    return fill_holes(largest_component(np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))))


def _refuse(
    mask: np.ndarray, side_hw: tuple[int, int], min_span: float, area_share_range: tuple[float, float]
) -> str | None:
    """Why a mask is not to be trusted, or None."""
    share = float(mask.sum()) / (side_hw[0] * side_hw[1])
    if not share or share < area_share_range[0]:
        return "fills too little of its box"
    if share > area_share_range[1]:
        return "fills its whole box"
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    spans = (np.ptp(rows) + 1) / side_hw[0], (np.ptp(columns) + 1) / side_hw[1]
    return None if min(spans) >= min_span else "reaches too little of its box"
