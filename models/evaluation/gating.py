"""Quality of the gate's score over a sample of photos or windows, with intervals over groups."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from models.evaluation.bootstrap import Resampler, put
from models.evaluation.scores import (
    WeightedRates,
    accuracy_and_f1,
    brier_score,
    choose_threshold_for_recall,
    expected_calibration_error,
    precision_at_prevalence,
    rates_at,
    reliability_bins,
    skip_rate_at_prevalence,
)

SKIP_RATES: Final = (0.5, 0.8, 0.9, 0.95)
PREVALENCES: Final = (0.01, 0.02, 0.03, 0.04, 0.05)
PREVALENCE: Final = 0.02
"""Share of damaged photos in the stream that skip rates are told for."""
CURVE_POINTS: Final = 200


def evaluate_gate(
    scores: np.ndarray, is_damaged: np.ndarray, groups: Sequence[str], *, score_threshold: float, stated_recall: float
) -> dict[str, Any]:
    """Measure one score a photo.

    Args:
        scores: float (N,), [0, 1].
        is_damaged: bool (N,).
        groups: group of each photo.
        score_threshold: a photo scoring this or more goes on.
        stated_recall: the recall for which a threshold is told, (0, 1].

    Returns:
        Measures by name; empty where only one kind of photo is present.
    """
    if not is_damaged.any() or is_damaged.all():
        return {}
    resampler = Resampler(groups)
    everyone = np.ones(len(scores), bool)
    measures: dict[str, Any] = {
        "damaged_photos": int(is_damaged.sum()),
        "undamaged_photos": int((~is_damaged).sum()),
        "score_threshold": score_threshold,
    }
    rates = WeightedRates(scores, is_damaged, resampler.weights)
    put(measures, "roc_auc", resampler.measure(lambda _: rates.auc(), everyone))
    for skip_rate in SKIP_RATES:
        put(
            measures,
            f"recall_at_skip_rate_{skip_rate:.0%}_prevalence_2".replace("%", ""),
            resampler.measure(
                lambda _, skip_rate=skip_rate: rates.recall_at_skip_rate(skip_rate, prevalence=PREVALENCE), everyone
            ),
        )
    is_flagged = scores >= score_threshold
    put(measures, "recall", resampler.mean(is_flagged, is_damaged))
    put(measures, "false_positive_rate", resampler.mean(is_flagged, ~is_damaged))
    recall, false_rate = rates_at(scores, is_damaged, score_threshold=score_threshold)
    measures["skip_rate_at_prevalence_2"] = skip_rate_at_prevalence(recall, false_rate, prevalence=PREVALENCE)
    for prevalence in PREVALENCES:
        name = f"precision_at_prevalence_{prevalence * 100:.0f}"
        measures[name] = precision_at_prevalence(recall, false_rate, prevalence=prevalence)
    measures["accuracy"], measures["f1"] = accuracy_and_f1(scores, is_damaged, score_threshold=score_threshold)
    measures["brier"] = brier_score(scores, is_damaged)
    measures["expected_calibration_error_10_bins"] = expected_calibration_error(scores, is_damaged)
    stated = choose_threshold_for_recall(scores, is_damaged, recall=stated_recall)
    own_recall, own_false_rate = rates_at(scores, is_damaged, score_threshold=stated)
    measures["at_stated_recall"] = {
        "stated_recall": stated_recall,
        "score_threshold": stated,
        "recall": own_recall,
        "false_positive_rate": own_false_rate,
        "skip_rate_at_prevalence_2": skip_rate_at_prevalence(own_recall, own_false_rate, prevalence=PREVALENCE),
    }
    measures["roc_curve"] = _thin(np.stack([rates.false_positive_rates[0], rates.recalls[0]], axis=1))
    measures["reliability"] = [list(row) for row in reliability_bins(scores, is_damaged)]
    return measures


def _thin(points: np.ndarray) -> list[list[float]]:
    """At most CURVE_POINTS rows, the first and last among them."""
    rows = np.unique(np.linspace(0, len(points) - 1, min(len(points), CURVE_POINTS)).round().astype(int))
    return points[rows].round(5).tolist()
