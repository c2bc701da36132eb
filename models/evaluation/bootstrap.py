"""Bootstrap intervals over groups: photos of one car come and go together.

In:   each photo's group, each photo's counts. Out: estimates with 95 % intervals.
Must not know: what is measured.

Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, section 13.3 (percentile interval); Field and Welsh
2007, doi 10.1111/j.1467-9868.2007.00593.x (cluster bootstrap).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

REPLICATES: Final = 1000
INTERVAL_SHARE: Final = 0.95


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval.

    Attributes:
        value: from the photos as they are; NaN where it is not defined.
        low: lower edge; None where fewer than two groups bear on it, or where every draw gives the same number: of what
            no photo shows, resampling photos tells nothing.
        high: upper edge; None likewise.
    """

    value: float
    low: float | None = None
    high: float | None = None


class Resampler:
    """Weights by which photos count: row 0 each once, every other row a draw of whole groups with replacement."""

    def __init__(self, groups: Sequence[str], *, replicates: int = REPLICATES, seed: int = 0) -> None:
        """Draw the weights.

        Args:
            groups: group of each photo, at least one photo.
            replicates: draws.
            seed: of the draws.

        Raises:
            ValueError: no photo or no replicate.
        """
        if not len(groups) or replicates < 1:
            raise ValueError(f"groups, replicates: expected at least one each, found {len(groups)}, {replicates}")
        _, self.group_ids = np.unique(np.asarray(groups), return_inverse=True)
        count = int(self.group_ids.max()) + 1
        drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=replicates)
        self.weights = np.concatenate([np.ones((1, len(groups)), np.int64), drawn[:, self.group_ids]])
        """int64 (1 + replicates, N)."""

    def ratio(self, numerators: np.ndarray, denominators: np.ndarray) -> Estimate:
        """Sum of numerators over sum of denominators, (N,) each."""
        counted = np.asarray(denominators, np.float64)
        sums = self.weights @ np.asarray(numerators, np.float64)
        totals = self.weights @ counted
        values = np.divide(sums, totals, out=np.full(len(sums), np.nan), where=totals > 0)
        return self._summarise(values, counted != 0)

    def mean(self, values: np.ndarray, is_counted: np.ndarray) -> Estimate:
        """Mean of values over the photos that count, (N,) each."""
        counted = np.asarray(is_counted, bool)
        return self.ratio(np.where(counted, values, 0.0), counted)

    def measure(self, function: Callable[[np.ndarray], np.ndarray], is_counted: np.ndarray) -> Estimate:
        """Any measure of weighted photos.

        Args:
            function: weights, int64 (B, M), of the M photos that count, to float (B,); NaN where undefined.
            is_counted: bool (N,), M of them True.
        """
        counted = np.asarray(is_counted, bool)
        return self._summarise(np.asarray(function(self.weights[:, counted]), np.float64), counted)

    def _summarise(self, values: np.ndarray, counted: np.ndarray) -> Estimate:
        """Row 0 is the value, the others its spread."""
        drawn = values[1:][np.isfinite(values[1:])]
        if np.isnan(values[0]) or not drawn.size or len(np.unique(self.group_ids[counted])) < 2:
            return Estimate(float(values[0]))
        if drawn.min() == drawn.max():
            return Estimate(float(values[0]))
        edge = (1 - INTERVAL_SHARE) / 2
        low, high = np.quantile(drawn, [edge, 1 - edge])
        return Estimate(float(values[0]), float(low), float(high))


def put(measures: dict[str, object], name: str, estimate: Estimate) -> None:
    """Write an estimate into a report: name, and name_interval_95 where there is one; an undefined one is left out."""
    if np.isnan(estimate.value):
        return
    measures[name] = estimate.value
    if estimate.low is not None:
        measures[f"{name}_interval_95"] = [estimate.low, estimate.high]
