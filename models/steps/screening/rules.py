"""The paper's rules on histograms, and its baseline on critic scores.

In:   histograms, int (N, 3, 256), or scores, float (N,). Out: one verdict an image.
Must not know: pixels, how anything was generated.

Source: SEEDS B1, B2 and B4.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from models.steps.screening.histograms import Counting
from models.structures import ContractError

BRIGHT_FROM: Final = 240
"""The least value that the multi-colour rule looks at."""
SUMS: Final[tuple[str, ...]] = ("all", "others")


@dataclass(frozen=True)
class SingleColourVerdict:
    """What the single-colour rule says.

    Attributes:
        is_broken: bool (N,).
        distances: float64 (N,), d in the rule's counting.
    """

    is_broken: np.ndarray
    distances: np.ndarray


@dataclass(frozen=True)
class MultiColourVerdict:
    """What the multi-colour rule says.

    Attributes:
        is_broken: bool (N,), by colour or as white.
        is_white: bool (N,), broken by the sum alone.
        distances: float64 (N,), d.
        sums: float64 (N,), the sum of counts at v*.
        channel_ids: int64 (N,), c*: 0 red, 1 green, 2 blue.
        values: int64 (N,), v*.
    """

    is_broken: np.ndarray
    is_white: np.ndarray
    distances: np.ndarray
    sums: np.ndarray
    channel_ids: np.ndarray
    values: np.ndarray


def screen_single_colour(
    histograms: np.ndarray, image_px2: int, *, count_threshold: float = 40.0, counting: Counting | None = None
) -> SingleColourVerdict:
    """Flag images in which one channel is saturated and another is not.

    d = max_c h_c(255) − min_c h_c(255); broken if d ≥ count_threshold.

    Args:
        histograms: int (N, 3, 256), of all pixels or of the instance's.
        image_px2: height times width of the images, padding included.
        count_threshold: T; 40 or 20 there. A share of the pixels where counting is by fraction.
        counting: None: Counting(), rescaled to its reference size.

    Raises:
        ContractError: histograms of another shape, an image_px2 or count_threshold that is not above 0.

    Source: SEEDS B1.
    """
    counts = _count(histograms, image_px2, counting, count_threshold=count_threshold)[..., 255]  # (N, 3)
    distances = counts.max(axis=1) - counts.min(axis=1)
    return SingleColourVerdict(distances >= count_threshold, distances)


def screen_multi_colour(
    histograms: np.ndarray,
    image_px2: int,
    *,
    count_threshold: float = 40.0,
    white_count_threshold: float = 1000.0,
    sum_over: str = "all",
    counting: Counting | None = None,
) -> MultiColourVerdict:
    """Flag images with a bright peak that one channel has and another has not, or that all have.

    (c*, v*) = argmax over c and v ≥ 240 of h_c(v); ties go to the lowest v, then to the lowest c.
    d = h_c*(v*) − min_c h_c(v*); broken if d ≥ count_threshold; else broken, as white, if the sum of the counts at v*
    ≥ white_count_threshold.

    Args:
        histograms: int (N, 3, 256), of all pixels or of the instance's.
        image_px2: height times width of the images, padding included.
        count_threshold: 40 there.
        white_count_threshold: 1000 there.
        sum_over: "all": the three channels (the source's figure); "others": the two without c* (its text).
        counting: None: Counting(), rescaled to its reference size.

    Raises:
        ContractError: histograms of another shape, an unknown sum_over, an image_px2 or a threshold not above 0.

    Source: SEEDS B2.
    """
    if sum_over not in SUMS:
        raise ContractError(f"sum_over: expected one of {', '.join(SUMS)}, found {sum_over!r}")
    thresholds = {"count_threshold": count_threshold, "white_count_threshold": white_count_threshold}
    bright = _count(histograms, image_px2, counting, **thresholds)[..., BRIGHT_FROM:]
    by_value = bright.transpose(0, 2, 1)  # (N, 16, 3): argmax takes the first, so the lowest v, then c
    flat_ids = by_value.reshape(len(bright), -1).argmax(axis=1)
    rows, (value_ids, channel_ids) = np.arange(len(bright)), np.divmod(flat_ids, 3)
    at_peak = by_value[rows, value_ids]  # (N, 3)
    highest = at_peak[rows, channel_ids]
    distances = highest - at_peak.min(axis=1)
    sums = at_peak.sum(axis=1) - (highest if sum_over == "others" else 0.0)
    is_coloured = distances >= count_threshold
    is_white = ~is_coloured & (sums >= white_count_threshold)
    return MultiColourVerdict(is_coloured | is_white, is_white, distances, sums, channel_ids, value_ids + BRIGHT_FROM)


@dataclass(frozen=True)
class CriticScreen:
    """Keeps images whose critic score is within mean ± k standard deviations of real images' scores.

    Attributes:
        mean: of the real images' scores.
        std: their standard deviation, above 0.
        k: width.

    Source: SEEDS B4, the WGAN screen.
    """

    mean: float
    std: float
    k: float = 2.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.mean) and np.isfinite(self.std) and self.std > 0 and self.k > 0):
            raise ContractError(f"mean, std, k: expected finite, above 0 and above 0, found {self}")

    @classmethod
    def fit(cls, real_scores: np.ndarray | Sequence[float], *, k: float = 2.0) -> Self:
        """Measure real images, which the discriminator should not have been trained on.

        Args:
            real_scores: float (N,), N >= 2, logits of a discriminator or of a critic.
            k: width.

        Raises:
            ContractError: fewer than two scores, or all the same.
        """
        scores = np.asarray(real_scores, np.float64)
        if scores.ndim != 1 or len(scores) < 2:
            raise ContractError(f"real_scores: expected two or more, found shape {scores.shape}")
        return cls(float(scores.mean()), float(scores.std(ddof=1)), k)

    def flag(self, scores: np.ndarray | Sequence[float]) -> np.ndarray:
        """Tell which scores, float (N,), lie further than k·std from the mean; bool (N,). A score that is NaN does."""
        return ~(np.abs(np.asarray(scores, np.float64) - self.mean) <= self.k * self.std)


def _count(histograms: np.ndarray, image_px2: int, counting: Counting | None, **thresholds: float) -> np.ndarray:
    if histograms.ndim != 3 or histograms.shape[1:] != (3, 256) or not np.issubdtype(histograms.dtype, np.integer):
        raise ContractError(f"histograms: expected integers (any, 3, 256), found {histograms.dtype} {histograms.shape}")
    for name, value in {"image_px2": image_px2, **thresholds}.items():
        if not value > 0:
            raise ContractError(f"{name}: expected above 0, found {value}")
    return (counting or Counting()).apply(histograms, image_px2)
