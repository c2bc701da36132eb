"""Quality of the whole path: are damaged photos recalled, and how often is an undamaged one accused.

A damaged photo is recalled if it passes the gate and a class hits (models.evaluation.judgement.judge_photo); it is
marked if it passes and any region is predicted. Damaged photos without an annotated region of our classes do not count.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from models.evaluation.bootstrap import Resampler, put
from models.evaluation.judgement import PhotoJudgement, variants_of

MAX_FALSE_REGIONS: Final = 0.2
"""Per undamaged photo: the operating point at which recall is read off."""
GATE_STEPS: Final = 60


def evaluate_end_to_end(
    judgements: Sequence[PhotoJudgement],
    resampler: Resampler,
    *,
    row: int,
    thresholds: np.ndarray,
    policies: Sequence[str],
    serving: Sequence[str],
    gate_score_threshold: float,
) -> dict[str, Any]:
    """Measure the path at its thresholds, and the curve of what other thresholds would give.

    Args:
        judgements: of one sample.
        resampler: over the same photos, in order.
        row: of thresholds, the nominal one.
        thresholds: float64 (T, 3), the class thresholds that were judged.
        policies: those that were judged.
        serving: the policy of each class that serves.
        gate_score_threshold: the nominal one.

    Returns:
        Measures by name; those that need damaged or undamaged photos are left out where there are none.
    """
    counts = EndToEndCounts.of(judgements, policies=policies, serving=serving)
    measures: dict[str, Any] = {}
    passes = counts.scores >= gate_score_threshold
    put(measures, "recall", resampler.mean(counts.is_hit[:, row] & passes, counts.is_damaged))
    put(measures, "marked_recall", resampler.mean((counts.regions[:, row] > 0) & passes, counts.is_damaged))
    false_regions = counts.regions[:, row] * passes
    put(measures, "false_regions_per_undamaged_photo", resampler.mean(false_regions, counts.is_undamaged))
    put(measures, "accused_share_of_undamaged_photos", resampler.mean(false_regions > 0, counts.is_undamaged))
    measures["damaged_photos"] = int(counts.is_damaged.sum())
    measures["undamaged_photos"] = int(counts.is_undamaged.sum())
    if counts.is_damaged.any() and counts.is_undamaged.any():
        gates = counts.gate_candidates(gate_score_threshold)
        recalls, falses = counts.curve(gates, resampler.weights)
        name = f"recall_at_false_regions_{MAX_FALSE_REGIONS:g}".replace(".", "_")
        reached = np.where(falses <= MAX_FALSE_REGIONS + 1e-9, recalls, np.nan)
        defined = np.isfinite(reached).any(axis=(1, 2))
        highest = np.full(len(reached), np.nan)
        highest[defined] = np.nanmax(reached[defined], axis=(1, 2))
        counted = counts.is_damaged | counts.is_undamaged
        put(measures, name, resampler.measure(lambda _: highest, counted))
        measures["operating_curve"] = _pareto(recalls[0], falses[0], gates, thresholds)
    return measures


class EndToEndCounts:
    """What the path finds on each photo, at every row of thresholds. N photos, T rows.

    Attributes:
        scores: float64 (N,), the gate's.
        is_damaged: bool (N,), with an annotated region.
        is_undamaged: bool (N,).
        is_hit: bool (N, T), some class hits.
        regions: int64 (N, T), predicted regions of all classes.
    """

    def __init__(
        self,
        scores: np.ndarray,
        is_damaged: np.ndarray,
        is_undamaged: np.ndarray,
        is_hit: np.ndarray,
        regions: np.ndarray,
    ) -> None:
        """Keep the counts; see the attributes."""
        self.scores, self.is_damaged, self.is_undamaged = scores, is_damaged, is_undamaged
        self.is_hit, self.regions = is_hit, regions

    @classmethod
    def of(
        cls, judgements: Sequence[PhotoJudgement], *, policies: Sequence[str], serving: Sequence[str]
    ) -> "EndToEndCounts":
        """Join the classes of each photo under the policies that serve."""
        chosen = list(variants_of(serving, policies)["serving"])
        rows = next((j.masks.regions.shape[1] for j in judgements if j.masks), 1)
        is_hit, regions = np.zeros((len(judgements), rows), bool), np.zeros((len(judgements), rows), np.int64)
        for n, judgement in enumerate(judgements):
            if judgement.masks:
                own_hits = judgement.masks.is_hit[chosen, :, range(len(chosen))]  # (C, T)
                own_regions = judgement.masks.regions[chosen, :, range(len(chosen))]
                is_hit[n], regions[n] = own_hits.any(axis=0), own_regions.sum(axis=0)
        return cls(
            np.array([j.gate_score for j in judgements]),
            np.array([bool(j.photo.polygons) and j.photo.damage_level == 1 for j in judgements], bool),
            np.array([j.photo.damage_level == 0 for j in judgements], bool),
            is_hit,
            regions,
        )

    def gate_candidates(self, *more: float) -> np.ndarray:
        """Thresholds worth trying, ascending: quantiles of the scores, 0, one that no photo passes, and more."""
        quantiles = np.quantile(self.scores, np.linspace(0, 1, GATE_STEPS), method="inverted_cdf")
        return np.unique([0.0, *quantiles, *more, np.nextafter(self.scores.max(), 2)])

    def curve(self, gate_score_thresholds: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Recall and false regions per undamaged photo at every pair of thresholds.

        Args:
            gate_score_thresholds: float (G,).
            weights: int (B, N).

        Returns:
            float64 (B, G, T) each; NaN where the weights leave no photo of the kind.
        """
        damaged, undamaged = weights * self.is_damaged, weights * self.is_undamaged  # (B, N)
        recalls, falses = [], []
        for threshold in gate_score_thresholds:
            passes = (self.scores >= threshold)[:, None]
            recalls.append(_mean(damaged, self.is_hit & passes))
            falses.append(_mean(undamaged, self.regions * passes))
        return np.stack(recalls, axis=1), np.stack(falses, axis=1)


def _mean(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean of values, (N, T), under each row of weights, (B, N); float64 (B, T)."""
    totals = weights.sum(axis=1, keepdims=True)
    sums = weights.astype(np.float64) @ values
    return np.divide(sums, totals, out=np.full(sums.shape, np.nan), where=totals > 0)


def _pareto(
    recalls: np.ndarray, falses: np.ndarray, gates: np.ndarray, thresholds: np.ndarray
) -> list[dict[str, float | list[float]]]:
    """The pairs of thresholds, of (G, T), that no other pair beats in both ways; by false regions."""
    order = np.lexsort((-recalls.ravel(), falses.ravel()))
    points: list[dict[str, float | list[float]]] = []
    highest = -1.0
    for index in order:
        gate, row = np.unravel_index(index, recalls.shape)
        if recalls[gate, row] > highest:
            highest = float(recalls[gate, row])
            points.append(
                {
                    "false_regions_per_undamaged_photo": float(falses[gate, row]),
                    "recall": highest,
                    "gate_score_threshold": float(gates[gate]),
                    "class_thresholds": thresholds[row].round(4).tolist(),
                }
            )
    return points
