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
    _, ranks, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = (np.cumsum(counts) - (counts - 1) / 2)[ranks]  # 1-based, ties share their mean
    positives = int(is_positive.sum())
    negatives = len(scores) - positives
    return float((mean_rank[is_positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


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


def skip_rate_at_prevalence(recall: float, false_positive_rate: float, *, prevalence: float) -> float:
    """Share of photos that the gate lets go if a share of all photos shows damage."""
    return 1 - recall * prevalence - false_positive_rate * (1 - prevalence)


def _check(scores: np.ndarray, is_positive: np.ndarray) -> None:
    if scores.shape != is_positive.shape or scores.ndim != 1:
        raise ContractError(f"is_positive: expected shape {scores.shape}, found {is_positive.shape}")
    if not is_positive.any() or is_positive.all():
        raise ContractError("is_positive: expected positives and negatives, found one kind")
    if np.isnan(scores).any():
        raise ContractError("scores: expected numbers, found NaN")
