"""Slice evaluation: a rate in each group against its complement, small groups drawn towards what groups are like.

In:   successes and trials of each slice. Out: one SliceRow each: rate, complement, shrunk rate, interval.
Must not know: files, networks, what the rate measures.

Source: SEEDS D5. Beta-binomial shrinkage: Gelman et al., Bayesian Data Analysis, 3rd ed., section 5.3.
Here: the prior is fitted by maximum likelihood (empirical Bayes) instead of averaged over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

CREDIBLE_SHARE: Final = 0.95
MIN_PRIOR_TRIALS: Final = 0.5
"""Of a + b: there each slice stands for itself. The most is the number of all trials: no prior knows more than they."""
QUANTILES: Final = 400
"""Of the complement's rate, over which the comparison is averaged."""


@dataclass(frozen=True)
class SliceRow:
    """One slice against everything outside it.

    Attributes:
        label: the slice's name.
        successes: outcomes counted in the slice.
        trials: of so many.
        rate: successes / trials; NaN without trials.
        complement_rate: the same ratio over the other slices; NaN if they have no trial.
        complement_trials: of so many.
        shrunk_rate: posterior mean under the fitted prior.
        low: lower edge of the 95 % credible interval of the slice's rate.
        high: upper edge.
        difference: shrunk_rate - complement_rate.
        probability_below: that the slice's true rate lies below the complement's; NaN if there is no complement.
        is_apart: probability_below is under 2.5 % or over 97.5 %.
    """

    label: str
    successes: int
    trials: int
    rate: float
    complement_rate: float
    complement_trials: int
    shrunk_rate: float
    low: float
    high: float
    difference: float
    probability_below: float
    is_apart: bool


def evaluate_slices(successes: Sequence[int], trials: Sequence[int], labels: Sequence[str]) -> list[SliceRow]:
    """Compare each slice of one partition with its complement.

    Args:
        successes: of each slice, 0 to its trials.
        trials: of each slice, 0 or more, at least one overall.
        labels: of each slice; every trial lies in exactly one.

    Returns:
        One row a slice, in the order given.

    Raises:
        ValueError: lengths differ, counts out of range, or no trial at all.
    """
    from scipy.stats import beta  # noqa: PLC0415 - serving installs no scipy

    k, n = _check_counts(successes, trials, labels)
    a, b = fit_beta_prior(k, n)
    edges = (1 - CREDIBLE_SHARE) / 2
    low, high = beta.ppf([[edges], [1 - edges]], a + k, b + n - k)
    other_k, other_n = k.sum() - k, n.sum() - n
    rates, complement_rates = _divide(k, n), _divide(other_k, other_n)
    # P(slice < complement): mean of the slice's distribution function over the complement's, Jeffreys' prior there
    shares = (np.arange(QUANTILES) + 0.5) / QUANTILES
    complement_draws = beta.ppf(shares[:, None], 0.5 + other_k, 0.5 + other_n - other_k)  # (Q, S)
    below = np.where(other_n > 0, beta.cdf(complement_draws, a + k, b + n - k).mean(axis=0), np.nan)
    rows = []
    for i, label in enumerate(labels):
        shrunk, complement = float((a + k[i]) / (a + b + n[i])), float(complement_rates[i])
        rows.append(
            SliceRow(
                label=str(label),
                successes=int(k[i]),
                trials=int(n[i]),
                rate=float(rates[i]),
                complement_rate=complement,
                complement_trials=int(other_n[i]),
                shrunk_rate=shrunk,
                low=float(low[i]),
                high=float(high[i]),
                difference=shrunk - complement,
                probability_below=float(below[i]),
                is_apart=bool(below[i] < edges or below[i] > 1 - edges),
            )
        )
    return rows


def fit_beta_prior(successes: Sequence[int], trials: Sequence[int]) -> tuple[float, float]:
    """Fit the beta distribution that the slices' true rates are drawn from, by maximum likelihood.

    Args:
        successes: of each slice.
        trials: of each slice.

    Returns:
        a and b of Beta(a, b); a + b is what the prior counts for, in trials. One slice alone tells nothing of their
        spread: it gets Jeffreys' Beta(0.5, 0.5).
    """
    from scipy.optimize import minimize  # noqa: PLC0415 - serving installs no scipy
    from scipy.special import betaln, expit, logit  # noqa: PLC0415

    k, n = np.asarray(successes, np.float64), np.asarray(trials, np.float64)
    k, n = k[n > 0], n[n > 0]
    if len(n) < 2:
        return 0.5, 0.5

    def negative_log_likelihood(logit_mean_log_size: np.ndarray) -> float:
        mean, size = expit(logit_mean_log_size[0]), np.exp(logit_mean_log_size[1])
        a, b = mean * size, (1 - mean) * size
        return float(-(betaln(a + k, b + n - k) - betaln(a, b)).sum())

    # half a success and half a failure keep the mean off 0 and 1, where the likelihood has no maximum inside
    mean = (k.sum() + 0.5) / (n.sum() + 1)
    low, high = np.log([MIN_PRIOR_TRIALS, n.sum()])
    near_0_or_1 = float(logit(0.5 / (n.sum() + 1)))
    fits = [
        minimize(
            negative_log_likelihood,
            (logit(mean), log_size),
            method="L-BFGS-B",
            bounds=((near_0_or_1, -near_0_or_1), (low, high)),
        )
        for log_size in np.clip(np.log([2.0, 20.0, 500.0]), low, high)
    ]
    logit_mean, log_size = min(fits, key=lambda fit: fit.fun).x
    return float(expit(logit_mean) * np.exp(log_size)), float(expit(-logit_mean) * np.exp(log_size))


def count_slices(
    rows: Sequence[Mapping[str, Any]], column: str, outcome: str
) -> tuple[list[int], list[int], list[str]]:
    """Count a table's outcomes by the values of one column.

    Args:
        rows: of the table; both columns in each.
        column: whose values are the slices; an empty value is the slice "(none)".
        outcome: 0 or 1, true or false.

    Returns:
        successes, trials and labels for evaluate_slices, by label.

    Raises:
        ValueError: an outcome is neither, naming its row (the first has number 1).
    """
    outcomes = {"0": 0, "1": 1, "false": 0, "true": 1}
    counts: dict[str, list[int]] = {}
    for number, row in enumerate(rows, start=1):
        found = str(row[outcome]).strip().lower()
        if found not in outcomes:
            raise ValueError(f"row {number}: {outcome}: expected 0 or 1, found {row[outcome]!r}")
        count = counts.setdefault(str(row[column]).strip() or "(none)", [0, 0])
        count[0] += outcomes[found]
        count[1] += 1
    labels = sorted(counts)
    return [counts[label][0] for label in labels], [counts[label][1] for label in labels], labels


def _check_counts(
    successes: Sequence[int], trials: Sequence[int], labels: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    if not len(successes) == len(trials) == len(labels):
        raise ValueError(
            f"slices: expected equally many successes, trials and labels, found {len(successes)}, {len(trials)}, "
            f"{len(labels)}"
        )
    k, n = np.asarray(successes, np.int64), np.asarray(trials, np.int64)
    if not n.sum() > 0:
        raise ValueError("trials: expected at least one, found none")
    for label, wrong in zip(labels, (k < 0) | (k > n), strict=True):
        if wrong:
            raise ValueError(f"successes: expected 0 to the number of trials in slice {label!r}")
    return k, n


def _divide(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
