"""extraction: a generated canvas becomes one tight cut-out with its transparency, or a reason why not.

In:   image, uint8 (C, C, 3) RGB or (C, C, 4) RGBA. Out: Instance or NothingThere.
Must not know: the GAN, photos, files.

Source: SEEDS A7. Otsu 1979, A threshold selection method from gray-level histograms: the split of greatest variance
between the classes. The canvas is black around an instance, so the bright side is the object.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from models.structures import ContractError, check_array, check_image

MODES: Final[tuple[str, ...]] = ("box", "mask", "alpha")
_SOFT_EDGE_PX: Final = 3
"""How far beyond the alpha threshold a soft edge may reach; fainter traces further off are not the instance's."""


@dataclass(frozen=True)
class Instance:
    """One object cut out of a canvas.

    Attributes:
        rgba: uint8 (h, w, 4), straight alpha, tight around every pixel with alpha above 0.
        box_xyxy_canvas: int64 (4,), where it was.
    """

    rgba: np.ndarray
    box_xyxy_canvas: np.ndarray


@dataclass(frozen=True)
class NothingThere:
    """No instance, and why.

    Attributes:
        reason: "blank": no pixel stands out; "too_small": what stands out is less than the least side.
    """

    reason: str


def extract_instance(
    image: np.ndarray, mode: str = "mask", *, min_side_px: int = 4, alpha_threshold: float = 0.5
) -> Instance | NothingThere:
    """Find the object on a canvas.

    Args:
        image: uint8 (C, C, 3) RGB for box and mask, (C, C, 4) RGBA for alpha.
        mode: "box", as the paper: the tight box of all pixels brighter than Otsu's threshold, all of it opaque. "mask":
            of those pixels the largest component, 8-connected, its holes filled (dark clothing makes holes). "alpha":
            the largest component of the learned alpha, with its soft edge.
        min_side_px: an object lower or narrower is nothing.
        alpha_threshold: share of opacity from which a pixel belongs to the object, (0, 1]; mode alpha.

    Raises:
        ContractError: unknown mode, an image of another shape or dtype, alpha_threshold out of range.
    """
    if mode not in MODES:
        raise ContractError(f"mode: expected one of {', '.join(MODES)}, found {mode!r}")
    if mode == "alpha":
        check_array("image", image, (None, None, 4), np.uint8)
        if not 0 < alpha_threshold <= 1:
            raise ContractError(f"alpha_threshold: expected above 0, to 1, found {alpha_threshold}")
        solid = image[..., 3] >= alpha_threshold * 255
    else:
        check_image("image", image)
        solid = split_by_otsu(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[0]
    if not solid.any():
        return NothingThere("blank")
    if mode != "box":
        solid = largest_component(solid)
    x0, y0, x1, y1 = box = tight_box(solid)
    if min(x1 - x0, y1 - y0) < min_side_px:
        return NothingThere("too_small")
    if mode == "alpha":
        kernel = np.ones((2 * _SOFT_EDGE_PX + 1,) * 2, np.uint8)
        alpha = image[..., 3] * cv2.dilate(solid.astype(np.uint8), kernel)
        x0, y0, x1, y1 = box = tight_box(alpha > 0)
    elif mode == "mask":
        alpha = fill_holes(solid).astype(np.uint8) * np.uint8(255)
    else:
        alpha = np.full(solid.shape, 255, np.uint8)
    return Instance(np.dstack([image[..., :3], alpha])[y0:y1, x0:x1], box)


def split_by_otsu(grey: np.ndarray) -> tuple[np.ndarray, int]:
    """Split a grey image where the variance between both sides is greatest.

    Args:
        grey: uint8 (H, W).

    Returns:
        bool (H, W), True = brighter than the threshold; and the threshold, the highest value of the dark side. An image
        of one value has no bright side.
    """
    score_threshold, bright = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    if grey.min() == grey.max():
        return np.zeros(grey.shape, bool), int(grey.max())
    return bright > 0, int(score_threshold)


def largest_component(mask: np.ndarray) -> np.ndarray:
    """Keep the 8-connected component of most pixels, of equal ones the first found; bool (H, W), False if none."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return np.zeros(mask.shape, bool)
    return labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """Add what a mask encloses: False pixels with no 4-connected path of False to the border; bool (H, W)."""
    outside = np.pad(~mask, 1, constant_values=True).astype(np.uint8)
    _, labels = cv2.connectedComponents(outside, connectivity=4)
    return labels[1:-1, 1:-1] != labels[0, 0]


def tight_box(mask: np.ndarray) -> np.ndarray:
    """The least box around the True pixels, int64 (4,), xyxy; at least one pixel is True."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.int64)
