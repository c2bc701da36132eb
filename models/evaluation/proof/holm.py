"""Holm's correction: with several arms, the luckiest one has to be better than luck among several."""

from collections.abc import Mapping


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjust p-values so that the chance of any false finding stays below the level they are compared with.

    Args:
        p_values: by arm, [0, 1].

    Returns:
        Adjusted ones, in the given order.

    Raises:
        ValueError: no number in [0, 1].

    Source: Holm 1979: the k-th smallest of m is multiplied by m - k + 1, never below the one before.
    """
    adjusted: dict[str, float] = {}
    highest = 0.0
    for arm, count in holm_counts(p_values).items():
        highest = max(highest, min(count * p_values[arm], 1.0))
        adjusted[arm] = highest
    return {arm: adjusted[arm] for arm in p_values}


def holm_counts(p_values: Mapping[str, float]) -> dict[str, int]:
    """By how many comparisons each arm's level is divided: m for the smallest p, 1 for the greatest; by rising p.

    Raises:
        ValueError: no number in [0, 1].
    """
    for arm, p_value in p_values.items():
        if not 0 <= p_value <= 1:
            raise ValueError(f"p_values: {arm}: expected a number in [0, 1], found {p_value}")
    rising = sorted(p_values, key=p_values.__getitem__)
    return {arm: len(rising) - rank for rank, arm in enumerate(rising)}
