"""The proof turned on itself: with the arms' labels shuffled no arm differs, so hardly any may be promoted."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from models.evaluation.proof.comparison import JudgingRule, judge_values


def promotion_rate_when_shuffled(
    values: Mapping[str, np.ndarray], rule: JudgingRule, rng: np.random.Generator, *, shuffles: int = 200
) -> float:
    """Judge the same detectors again and again, each seed's dealt to the arms by chance.

    The classes' veto is switched off: what keeps the rate low has to be the proof of the gain.

    Args:
        values: as resample_arms returns them; by arm, float64 (S, 1 + B, C).
        rule: the one of the decision.
        rng: deals.
        shuffles: how many times.

    Returns:
        Share of shuffles that promote an arm, [0, 1]; to be at most rule.alpha, but for the luck of so many shuffles.

    Raises:
        ValueError: no shuffle.
    """
    if shuffles < 1:
        raise ValueError(f"shuffles: expected at least 1, found {shuffles}")
    stacked = np.stack(list(values.values()), axis=1)  # (S, A, 1 + B, C)
    rule = replace(rule, max_class_loss=np.inf)
    promotions = 0
    for _ in range(shuffles):
        dealt = np.stack([by_arm[rng.permutation(len(by_arm))] for by_arm in stacked])
        shuffled = {arm: dealt[:, index] for index, arm in enumerate(values)}
        promotions += judge_values(shuffled, rule, rng).decision.promoted_arm is not None
    return promotions / shuffles
