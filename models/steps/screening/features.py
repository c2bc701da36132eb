"""Cheap numbers about an image by which breakages show.

In:   images, uint8 (N, H, W, 3) RGB. Out: float64 (N, len(FEATURES)).
Must not know: labels, thresholds.
"""

from typing import Final

import cv2
import numpy as np

from models.steps.screening.histograms import check_content, find_content
from models.steps.screening.rules import BRIGHT_FROM
from models.structures import check_array

FEATURES: Final[tuple[str, ...]] = (
    "single_colour_distance",  # of the single-colour rule, share of pixels, log
    "multi_colour_distance",  # of the multi-colour rule, likewise
    "bright_share",  # grey >= 240, log
    "vivid_share",  # highest minus lowest channel >= 160, log
    "saturation",  # mean of highest minus lowest channel, [0, 1]
    "dark_share",  # grey <= 8
    "peak_share",  # the grey value of most pixels, log
    "entropy",  # of grey, bits
    "grey_mean",  # [0, 1]
    "grey_std",
    "laplacian_variance",  # log
    "flat_share",  # the largest component of pixels that differ from right and lower neighbour by 1 at most
    "checker_2",  # mixed second differences at a distance of 1 px over 2 px, log: above 0 for a checkerboard
    "checker_4",  # 2 px over 4 px
    "smear",  # horizontal over vertical gradients, absolute log
    "repeated_halves",  # correlation of left with right or top with bottom half, as −log(1 − r)
    "mirrored_halves",  # the same with one half mirrored
)
_LEAST_SIDE_PX: Final = 10
_EPSILON: Final = 1e-3


def describe(images: np.ndarray, content_xyxy: np.ndarray | None = None) -> np.ndarray:
    """Measure the FEATURES of each image's content.

    Args:
        images: uint8 (N, H, W, 3) RGB, at least 10 px a side.
        content_xyxy: int (N, 4), where the instance lies; None: find_content. A box below 10 px a side is widened.

    Returns:
        float64 (N, F), finite.

    Raises:
        ContractError: arrays of another shape or dtype.
    """
    check_array("images", images, (None, None, None, 3), np.uint8)
    if content_xyxy is None:
        content_xyxy = find_content(images)
    check_content("content_xyxy", content_xyxy, images)
    features = np.empty((len(images), len(FEATURES)))
    for row, image, (x0, y0, x1, y1) in zip(features, images, content_xyxy, strict=True):
        columns, rows = _widen(x0, x1, image.shape[1]), _widen(y0, y1, image.shape[0])
        row[:] = _describe_content(np.ascontiguousarray(image[rows, columns]))
    return features


def _widen(low: int, high: int, size: int) -> slice:
    if high - low >= _LEAST_SIDE_PX:
        return slice(low, high)
    low = max(0, min((low + high - _LEAST_SIDE_PX) // 2, size - _LEAST_SIDE_PX))
    return slice(low, low + _LEAST_SIDE_PX)


def _describe_content(content: np.ndarray) -> tuple[float, ...]:
    pixels = content.shape[0] * content.shape[1]
    channels = cv2.split(content)
    bright = np.empty((3, 256 - BRIGHT_FROM))  # (3, 16)
    for row, channel in zip(bright, channels, strict=True):
        row[:] = cv2.calcHist([channel], [0], None, [256], [0, 256]).ravel()[BRIGHT_FROM:]
    grey = cv2.cvtColor(content, cv2.COLOR_RGB2GRAY)
    grey_counts = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel() / pixels
    at_peak = bright[:, bright.max(axis=0).argmax()]
    highest = cv2.max(cv2.max(channels[0], channels[1]), channels[2])
    lowest = cv2.min(cv2.min(channels[0], channels[1]), channels[2])
    spread = cv2.subtract(highest, lowest)
    mean, std = cv2.meanStdDev(grey)
    grey_mean, grey_std = float(mean.ravel()[0]), float(std.ravel()[0])
    _, laplacian_std = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_32F))
    across, down = cv2.absdiff(grey[:-1, 1:], grey[:-1, :-1]), cv2.absdiff(grey[1:, :-1], grey[:-1, :-1])
    wide = grey.astype(np.int16)
    mixed = [_mixed_difference(wide, distance_px) for distance_px in (1, 2, 4)]
    repeated, mirrored = _correlate_halves(grey)
    filled = grey_counts[grey_counts > 0]
    return (
        _log(float(np.ptp(bright[:, -1])) / pixels),
        _log(float(np.ptp(at_peak)) / pixels),
        _log(float(grey_counts[BRIGHT_FROM:].sum())),
        _log(cv2.countNonZero(cv2.compare(spread, 159.0, cv2.CMP_GT)) / pixels),
        cv2.mean(spread)[0] / 255,
        float(grey_counts[:9].sum()),
        _log(float(grey_counts.max())),
        -float((filled * np.log2(filled)).sum()),
        grey_mean / 255,
        grey_std / 255,
        float(np.log(laplacian_std.ravel()[0] ** 2 + 1)),
        _largest_flat_share(cv2.compare(cv2.max(across, down), 1.0, cv2.CMP_LE)),
        float(np.log((mixed[0] + 1) / (mixed[1] + 1))),
        float(np.log((mixed[1] + 1) / (mixed[2] + 1))),
        float(abs(np.log((cv2.mean(across)[0] + 0.5) / (cv2.mean(down)[0] + 0.5)))),
        repeated,
        mirrored,
    )


def _log(share: float) -> float:
    """A share, [0, 1], spread out near 0, where the few saturated pixels are told apart."""
    return float(np.log(share + _EPSILON))


def _mixed_difference(grey: np.ndarray, distance_px: int) -> float:
    """Mean magnitude of g(x, y) − g(x + d, y) − g(x, y + d) + g(x + d, y + d): 0 for any period that divides d."""
    d = distance_px
    across = grey[:, d:] - grey[:, :-d]
    return cv2.norm(across[d:], across[:-d], cv2.NORM_L1) / across[d:].size


def _largest_flat_share(is_flat: np.ndarray) -> float:
    count, _, stats, _ = cv2.connectedComponentsWithStats(is_flat, connectivity=4)
    return float(stats[1:, cv2.CC_STAT_AREA].max()) / is_flat.size if count > 1 else 0.0


def _correlate_halves(grey: np.ndarray) -> tuple[float, float]:
    """How alike two halves are, the greater of both directions: side by side, and mirrored; each as −log(1 − r)."""
    values = grey.astype(np.float32)
    height, width = values.shape[0] // 2, values.shape[1] // 2
    repeated, mirrored = 0.0, 0.0
    for one, other, flip in (
        (values[:, :width], values[:, -width:], np.s_[:, ::-1]),
        (values[:height], values[-height:], np.s_[::-1]),
    ):
        a, b = one - cv2.mean(one)[0], other - cv2.mean(other)[0]
        contrast = cv2.norm(a) * cv2.norm(b)
        if contrast > 0:  # without contrast nothing can be recognised
            repeated = max(repeated, float(np.vdot(a, b)) / contrast)
            mirrored = max(mirrored, float(np.vdot(a, b[flip])) / contrast)
    return -float(np.log(1 + _EPSILON - min(repeated, 1.0))), -float(np.log(1 + _EPSILON - min(mirrored, 1.0)))
