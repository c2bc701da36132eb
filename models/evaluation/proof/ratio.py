"""Chooses how much to augment on val, so that the test is opened once: with the ratio already fixed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RatioOnVal:
    """What one ratio reached on val.

    Attributes:
        ratio: augmented photos over real training photos, such as 0.1.
        ap_50_val_by_seed: the primary metric of each seed's detector, [0, 1].
    """

    ratio: float
    ap_50_val_by_seed: tuple[float, ...]

    @property
    def ap_50_val(self) -> float:
        """Mean over seeds."""
        return float(np.mean(self.ap_50_val_by_seed))


@dataclass(frozen=True)
class ChosenRatio:
    """The ratio an arm enters the test with; only choose_ratio makes one.

    Attributes:
        ratio: chosen.
        candidates: all that were tried, by rising ratio.
    """

    ratio: float
    candidates: tuple[RatioOnVal, ...]


def choose_ratio(val_results: Sequence[RatioOnVal]) -> ChosenRatio:
    """Choose the ratio with the highest mean over seeds; of equal ones the smallest.

    Args:
        val_results: one entry a ratio, all with the same number of seeds.

    Raises:
        ValueError: no ratio, a ratio twice, other numbers of seeds, or a value that is no number in [0, 1].
    """
    candidates = tuple(sorted(val_results, key=lambda result: result.ratio))
    ratios = [c.ratio for c in candidates]
    if not candidates or len(set(ratios)) != len(ratios):
        raise ValueError(f"val_results: expected one entry a ratio, found ratios {ratios}")
    seeds = {len(c.ap_50_val_by_seed) for c in candidates}
    if len(seeds) != 1 or 0 in seeds:
        raise ValueError(f"val_results: expected the same seeds for every ratio, found {sorted(seeds)} of them")
    for candidate in candidates:
        if not all(0 <= value <= 1 for value in candidate.ap_50_val_by_seed):
            raise ValueError(
                f"val_results: ratio {candidate.ratio}: expected numbers in [0, 1], found {candidate.ap_50_val_by_seed}"
            )
    return ChosenRatio(max(candidates, key=lambda c: c.ap_50_val).ratio, candidates)
