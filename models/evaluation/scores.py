"""Quality of one score an image: damaged or not."""

import numpy as np

from models.structures import ContractError


def roc_auc(scores: np.ndarray, is_positive: np.ndarray) -> float:
    """Chance that a random positive scores above a random negative; ties count half.

    Args:
        scores: float (N,).
        is_positive: bool (N,), both kinds present.

    Raises:
        ContractError: only one kind is present.
    """
    _check(scores, is_positive)
    return float(WeightedRates(scores, is_positive, np.ones((1, len(scores)), np.int64)).auc()[0])


class WeightedRates:
    """True and false positive rates at every threshold, for B ways to weight the photos.

    Attributes:
        score_thresholds: float (U + 1,), descending; the first is infinite and flags nothing.
        recalls: float64 (B, U + 1), weight of positives with score >= score_threshold over all; NaN for 0 / 0.
        false_positive_rates: float64 (B, U + 1), the same of the negatives.
    """

    def __init__(self, scores: np.ndarray, is_positive: np.ndarray, weights: np.ndarray) -> None:
        """Count once for all thresholds.

        Args:
            scores: float (N,).
            is_positive: bool (N,).
            weights: int (B, N), not negative.
        """
        order = np.argsort(-scores, kind="stable")
        ordered = np.asarray(scores, np.float64)[order]
        is_last = np.append(ordered[1:] != ordered[:-1], True)  # of equal scores
        self.score_thresholds = np.concatenate([[np.inf], ordered[is_last]])
        self.recalls = self._rates(weights[:, order] * is_positive[order], is_last)
        self.false_positive_rates = self._rates(weights[:, order] * ~is_positive[order], is_last)

    @staticmethod
    def _rates(weights: np.ndarray, is_last: np.ndarray) -> np.ndarray:
        flagged = np.cumsum(weights, axis=1)[:, is_last]
        flagged = np.concatenate([np.zeros((len(weights), 1)), flagged], axis=1)
        total = flagged[:, -1:]
        return np.divide(flagged, total, out=np.full(flagged.shape, np.nan), where=total > 0)

    def auc(self) -> np.ndarray:
        """Area under the ROC, float64 (B,); trapezia, so that ties count half."""
        return np.trapezoid(self.recalls, self.false_positive_rates, axis=1)

    def recall_at_skip_rate(self, skip_rate: float, *, prevalence: float) -> np.ndarray:
        """The greatest recall, float64 (B,), of a threshold that lets at least so many of all photos go; NaN for 0 / 0.

        Args:
            skip_rate: share of all photos, [0, 1].
            prevalence: share of damaged photos among all.
        """
        skipped = skip_rate_at_prevalence(self.recalls, self.false_positive_rates, prevalence=prevalence)
        allowed = np.where(skipped >= skip_rate - 1e-9, self.recalls, 0.0).max(axis=1)
        return np.where(np.isnan(skipped[:, 0]), np.nan, allowed)


def brier_score(scores: np.ndarray, is_positive: np.ndarray) -> float:
    """Mean squared distance of score and truth. Source: Brier 1950."""
    _check(scores, is_positive)
    return float(np.mean((scores.astype(np.float64) - is_positive) ** 2))


def reliability_bins(scores: np.ndarray, is_positive: np.ndarray, *, bins: int = 10) -> list[tuple[float, float, int]]:
    """Compare score and truth in bins of equal width.

    Returns:
        Mean score, share of positives and photos of each bin that is not empty, by rising score.
    """
    _check(scores, is_positive)
    ids = np.minimum((scores * bins).astype(np.int64), bins - 1)
    return [
        (float(scores[ids == b].mean()), float(is_positive[ids == b].mean()), int((ids == b).sum()))
        for b in np.unique(ids)
    ]


def expected_calibration_error(scores: np.ndarray, is_positive: np.ndarray, *, bins: int = 10) -> float:
    """Mean distance of score and share of positives over bins, weighted by photos. Source: Guo et al. 2017, eq. 3."""
    rows = reliability_bins(scores, is_positive, bins=bins)
    return sum(photos * abs(score - share) for score, share, photos in rows) / len(scores)


def accuracy_and_f1(scores: np.ndarray, is_positive: np.ndarray, *, score_threshold: float) -> tuple[float, float]:
    """Share of right decisions of score >= score_threshold, and the harmonic mean of its precision and recall."""
    _check(scores, is_positive)
    is_flagged = scores >= score_threshold
    true_positives = int((is_flagged & is_positive).sum())
    return float((is_flagged == is_positive).mean()), 2 * true_positives / int(is_flagged.sum() + is_positive.sum())


def choose_threshold_for_recall(scores: np.ndarray, is_positive: np.ndarray, *, recall: float) -> float:
    """The largest score_threshold at which score >= score_threshold still finds a share of the positives.

    Args:
        scores: float (N,).
        is_positive: bool (N,).
        recall: the share, (0, 1].
    """
    _check(scores, is_positive)
    descending = np.sort(scores[is_positive])[::-1]
    needed = int(np.ceil(recall * len(descending) - 1e-9))
    return float(descending[max(needed, 1) - 1])


def rates_at(scores: np.ndarray, is_positive: np.ndarray, *, score_threshold: float) -> tuple[float, float]:
    """True and false positive rate of score >= score_threshold."""
    _check(scores, is_positive)
    is_flagged = scores >= score_threshold
    return float(is_flagged[is_positive].mean()), float(is_flagged[~is_positive].mean())


def precision_at_prevalence(recall: float, false_positive_rate: float, *, prevalence: float) -> float:
    """Share of true alarms among alarms if a share of all photos shows damage.

    Args:
        recall: share of damaged photos flagged.
        false_positive_rate: share of undamaged photos flagged.
        prevalence: share of damaged photos, [0, 1].

    Returns:
        [0, 1]; 0 where nothing is flagged.
    """
    true_alarms, false_alarms = recall * prevalence, false_positive_rate * (1 - prevalence)
    return true_alarms / (true_alarms + false_alarms) if true_alarms + false_alarms > 0 else 0.0


def skip_rate_at_prevalence(
    recall: float | np.ndarray, false_positive_rate: float | np.ndarray, *, prevalence: float
) -> float | np.ndarray:
    """Share of photos that the gate lets go if a share of all photos shows damage."""
    return 1 - recall * prevalence - false_positive_rate * (1 - prevalence)


def _check(scores: np.ndarray, is_positive: np.ndarray) -> None:
    if scores.shape != is_positive.shape or scores.ndim != 1:
        raise ContractError(f"is_positive: expected shape {scores.shape}, found {is_positive.shape}")
    if not is_positive.any() or is_positive.all():
        raise ContractError("is_positive: expected positives and negatives, found one kind")
    if np.isnan(scores).any():
        raise ContractError("scores: expected numbers, found NaN")
