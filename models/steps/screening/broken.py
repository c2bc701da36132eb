"""Good images broken on purpose in known ways, so that a screen can learn and both its error rates can be measured.

In:   images, uint8 (N, H, W, 3) RGB, and the instance's box in each. Out: the same, broken inside the box.
Must not know: any screen.

Source: SEEDS B1 and B2 show saturated blobs of one colour, of several, and white ones; the rest are failures that GANs
are known for (Odena et al. 2016, doi 10.23915/distill.00003: checkerboards).
"""

from collections.abc import Callable, Mapping
from typing import Final

import cv2
import numpy as np

from models.steps.screening.histograms import check_content, find_content
from models.structures import ContractError, check_array


def make_broken(
    images: np.ndarray, kind: str, rng: np.random.Generator, *, content_xyxy: np.ndarray | None = None
) -> np.ndarray:
    """Break images in one way; how strongly, where and in which colour is drawn for each.

    Args:
        images: uint8 (N, H, W, 3) RGB.
        kind: one of BREAKAGES.
        rng: consumed.
        content_xyxy: int (N, 4), where to break; None: find_content. A box below 2 px a side stays as it is.

    Returns:
        uint8 (N, H, W, 3), a new array; outside the boxes as before.

    Raises:
        ContractError: unknown kind, arrays of another shape or dtype.
    """
    check_array("images", images, (None, None, None, 3), np.uint8)
    if kind not in BREAKAGES:
        raise ContractError(f"kind: expected one of {', '.join(BREAKAGES)}, found {kind!r}")
    if content_xyxy is None:
        content_xyxy = find_content(images)
    check_content("content_xyxy", content_xyxy, images)
    broken = images.copy()
    for image, (x0, y0, x1, y1) in zip(broken, content_xyxy, strict=True):
        if min(x1 - x0, y1 - y0) >= 2:
            content = BREAKAGES[kind](image[y0:y1, x0:x1].astype(np.float32), rng)
            image[y0:y1, x0:x1] = np.rint(content).clip(0, 255).astype(np.uint8)
    return broken


def _blob(size_hw: tuple[int, int], share: float, rng: np.random.Generator) -> np.ndarray:
    """An irregular patch of a share of the pixels, in one piece or a few; bool (h, w), one pixel at least."""
    height, width = size_hw
    coarse = rng.normal(size=(5, 5)).astype(np.float32)
    field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return field >= np.quantile(field, 1 - share)


def _single_colour(content: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    channel, blob = rng.integers(3), _blob(content.shape[:2], rng.uniform(0.02, 0.2), rng)
    content[blob] *= rng.uniform(0.0, 0.7)  # the others fall
    content[blob, channel] = 255
    return content


def _multi_colour(content: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    for _ in range(rng.integers(2, 5)):
        blob = _blob(content.shape[:2], rng.uniform(0.02, 0.1), rng)
        colour = rng.uniform(0, 200, 3)
        colour[rng.permutation(3)[: rng.integers(1, 3)]] = rng.integers(240, 256)
        content[blob] = colour
    return content


def _white_out(content: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    content[_blob(content.shape[:2], rng.uniform(0.15, 0.7), rng)] = rng.integers(244, 256)
    return content


def _checkerboard(content: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    side_px = rng.integers(1, 3)
    rows, columns = np.indices(content.shape[:2]) // side_px
    pattern = np.where((rows + columns) % 2, 1.0, -1.0) * rng.uniform(15, 60)
    strengths = rng.uniform(0.5, 1.0, 3)  # the colours disagree
    return content + pattern[..., None] * strengths


def _noise(content: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return content + rng.normal(0, rng.uniform(35, 90), content.shape)


def _blank(content: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    colour = rng.uniform(0, 200, 3) * rng.integers(0, 2)  # black, or any
    return np.broadcast_to(colour, content.shape) + rng.normal(0, rng.uniform(0, 3), content.shape)


def _duplicated(content: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    axis, is_mirrored = rng.integers(2), rng.random() < 0.5
    moved = np.moveaxis(content, axis, 0)  # a view: writes reach content
    half = len(moved) // 2
    moved[-half:] = moved[:half][::-1] if is_mirrored else moved[:half]
    return content + rng.normal(0, rng.uniform(0, 3), content.shape)


def _smeared(content: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    length_px = max(3, round(rng.uniform(0.3, 0.7) * min(content.shape[:2])))
    size_wh = (length_px, 1) if rng.random() < 0.5 else (1, length_px)
    return cv2.blur(content, size_wh, borderType=cv2.BORDER_REPLICATE)


BREAKAGES: Final[Mapping[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]]] = {
    "single_colour": _single_colour,
    "multi_colour": _multi_colour,
    "white_out": _white_out,
    "checkerboard": _checkerboard,
    "noise": _noise,
    "blank": _blank,
    "duplicated": _duplicated,
    "smeared": _smeared,
}
"""By name: content, float32 (h, w, 3), [0, 255], which it may change, to the same broken, values beyond the range
included."""
