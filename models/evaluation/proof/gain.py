"""The gain of one arm over another: a paired bootstrap over photos, nested in seeds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from models.evaluation.bootstrap import INTERVAL_SHARE, Resampler
from models.evaluation.detection.matching import DetectionMatches
from models.evaluation.proof.resampling import mean_over_classes, resample_ap
from models.structures import ContractError

REPLICATES: Final = 2000


@dataclass(frozen=True)
class SeedError:
    """How far a mean over seeds may be off because training is a lottery.

    Attributes:
        standard_error: of the mean gain.
        degrees: of freedom behind it, for Student's t.
    """

    standard_error: float
    degrees: int


@dataclass(frozen=True)
class PairedGain:
    """Arm minus baseline.

    Attributes:
        value: mean over seeds on the photos as they are, -1 to 1; 0.01 is a point.
        low: lower edge of the 95 % interval; None where it is unknown: a single seed tells nothing of training's own
            noise; where every draw of photos gives the same number, as with one group of them, photos tell nothing.
        high: upper edge; None likewise.
        p_value: two-sided, of a gain of 0; 1 where there is no interval.
        seeds: trained pairs.
        draws: float64 (B,), the gains that the interval is read from; empty where there is none.
    """

    value: float
    low: float | None
    high: float | None
    p_value: float
    seeds: int
    draws: np.ndarray = field(repr=False, compare=False)

    def interval(self, share: float) -> tuple[float, float] | None:
        """Percentile interval that holds a share of the draws; None where there is none."""
        if not len(self.draws):
            return None
        edge = (1 - share) / 2
        low, high = np.quantile(self.draws, [edge, 1 - edge])
        return float(low), float(high)


def paired_bootstrap(
    arm: Sequence[DetectionMatches],
    baseline: Sequence[DetectionMatches],
    groups: Sequence[str],
    rng: np.random.Generator,
    *,
    class_id: int | None = None,
    iou_threshold: float = 0.5,
    replicates: int = REPLICATES,
) -> PairedGain:
    """Compare two arms by average precision.

    Args:
        arm: S detectors on the test photos.
        baseline: the S detectors trained with the same seeds, on the same photos.
        groups: of each photo; photos of one group (a car, a scene) are drawn together.
        rng: draws.
        class_id: whose average precision; None: the mean over classes.
        iou_threshold: one of the matches'.
        replicates: draws of photos.

    Raises:
        ContractError: other numbers of seeds, other photos, or no annotated box.
    """
    if len(arm) == len(baseline) and any(
        not np.array_equal(a.gt_counts, b.gt_counts) for a, b in zip(arm, baseline, strict=True)
    ):
        raise ContractError("arm: expected the baseline's photos, found other annotations")
    resampler = Resampler(groups, replicates=replicates, seed=int(rng.integers(2**32)))
    values = [resample_ap(side, resampler, iou_threshold=iou_threshold) for side in (arm, baseline)]
    own, other = (mean_over_classes(v) if class_id is None else v[..., class_id] for v in values)
    return paired_gain(own, other, rng)


def paired_gain(
    arm_values: np.ndarray,
    baseline_values: np.ndarray,
    rng: np.random.Generator,
    *,
    seed_error: SeedError | None = None,
) -> PairedGain:
    """Compare two arms by any measure of resampled photos.

    Args:
        arm_values: float64 (S, 1 + B), row 0 of each seed the photos as they are.
        baseline_values: likewise, with the same seeds and draws.
        rng: draws the part of the seeds.
        seed_error: from more than these two arms; None: from the spread of their own S gains.

    Raises:
        ContractError: shapes differ, or the measure is undefined on the photos as they are.

    Source: Efron and Tibshirani 1993, section 13.3 (percentiles); Davison and Hinkley 1997, section 4.2 (share of draws
    beyond 0, plus one, over draws plus one). Here: all seeds share one draw of photos, since all detectors meet the
    same test photos. The seeds are not drawn with replacement: three seeds that agree by chance, as they do one time in
    four, would agree in every draw. Their part is Student's t of the spread of the gains, S - 1 degrees of freedom.
    """
    if arm_values.shape != baseline_values.shape or arm_values.ndim != 2:
        raise ContractError(f"arm_values: expected shape {baseline_values.shape}, found {arm_values.shape}")
    gains = arm_values - baseline_values  # (S, 1 + B)
    if not np.isfinite(gains[:, 0]).all():
        raise ContractError("arm_values: expected a number for the photos as they are, found none: no annotated box?")
    seeds = len(gains)
    value = float(gains[:, 0].mean())
    by_photos = gains[:, 1:].mean(axis=0)
    by_photos = by_photos[np.isfinite(by_photos)]
    if seeds < 2 or not len(by_photos) or by_photos.min() == by_photos.max():
        return PairedGain(value, None, None, 1.0, seeds, np.zeros(0))
    error = seed_error or own_seed_error(gains[:, 0])
    draws = by_photos + error.standard_error * rng.standard_t(error.degrees, size=len(by_photos))
    beyond = min((draws <= 0).sum(), (draws >= 0).sum())
    p_value = min(2 * (1 + int(beyond)) / (1 + len(draws)), 1.0)
    edge = (1 - INTERVAL_SHARE) / 2
    low, high = np.quantile(draws, [edge, 1 - edge])
    return PairedGain(value, float(low), float(high), p_value, seeds, draws)


def own_seed_error(gains: np.ndarray) -> SeedError:
    """Error of the mean of S >= 2 gains, float64 (S,), from their spread."""
    return SeedError(float(gains.std(ddof=1) / np.sqrt(len(gains))), len(gains) - 1)


def pooled_seed_error(values: np.ndarray) -> SeedError:
    """Error of the difference of two arms' means from the spread of all arms.

    With few seeds it has more degrees of freedom than the two arms alone; it takes training's noise as equal in all
    arms.

    Args:
        values: float64 (A, S), each arm's measure with each seed, A >= 2, S >= 2.

    Source: the residual of a randomised block design, seeds being the blocks; Montgomery, Design and Analysis of
    Experiments, section 4.1.
    """
    arms, seeds = values.shape
    residuals = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0, keepdims=True) + values.mean()
    degrees = (arms - 1) * (seeds - 1)
    variance = float((residuals**2).sum()) / degrees
    return SeedError(float(np.sqrt(2 * variance / seeds)), degrees)
