"""reference: what a gate saw while it was made, as histograms that serving's photos are compared with.

In:   gate scores and brightness of held-out photos. Out: a gate card's `reference`.
Must not know: networks, files, serving.
"""

from typing import Any, Final

import numpy as np

from models.evaluation.gating import PREVALENCE
from models.structures import ContractError, check_array

BINS: Final = 10
_EDGE_DIGITS: Final = 6


def build_reference(
    gate_scores: np.ndarray,
    brightness: np.ndarray,
    is_damaged: np.ndarray,
    *,
    prevalence: float = PREVALENCE,
    bins: int = BINS,
) -> dict[str, dict[str, Any]]:
    """Summarise photos as they would arrive: damaged ones together weigh what they weigh in the stream.

    Args:
        gate_scores: float64 (N,), [0, 1].
        brightness: float64 (N,), mean luma of each photo, [0, 1].
        is_damaged: bool (N,).
        prevalence: share of damaged photos in the stream, [0, 1].
        bins: at most so many; values that repeat may leave fewer.

    Returns:
        "gate_score" and "brightness", each with "edges" (ascending, without the outer ones, 0 and 1), "shares" (one
        more than edges; a bin holds its lower edge) and "photos" (how many photos of equal weight would say as much).

    Raises:
        ContractError: arrays of other shapes, dtypes or ranges; no photo of a kind that the prevalence needs.
        ValueError: fewer than two bins, or a prevalence outside [0, 1].

    Source: Kish 1965, Survey Sampling: weights w say as much as (sum w)^2 / sum w^2 photos of equal weight.
    """
    if bins < 2:
        raise ValueError(f"bins: expected 2 or more, found {bins}")
    if not 0 <= prevalence <= 1:
        raise ValueError(f"prevalence: expected a number in [0, 1], found {prevalence}")
    check_array("is_damaged", is_damaged, (None,), np.bool_)
    weights = _weigh_photos(is_damaged, prevalence)
    photos = round(float(weights.sum() ** 2 / np.square(weights).sum()), 1)
    return {
        "gate_score": {**_summarise("gate_scores", gate_scores, weights, bins), "photos": photos},
        "brightness": {**_summarise("brightness", brightness, weights, bins), "photos": photos},
    }


def _weigh_photos(is_damaged: np.ndarray, prevalence: float) -> np.ndarray:
    """float64 (N,), sum 1: the damaged photos share the prevalence, the others the rest."""
    weights = np.zeros(len(is_damaged))
    for name, own, share in (("damaged", is_damaged, prevalence), ("undamaged", ~is_damaged, 1 - prevalence)):
        if share > 0 and not own.any():
            raise ContractError(f"is_damaged: expected {name} photos for a prevalence of {prevalence:g}, found none")
        weights[own] = share / max(int(own.sum()), 1)
    return weights


def _summarise(name: str, values: np.ndarray, weights: np.ndarray, bins: int) -> dict[str, list[float]]:
    """Bins of about equal weight, cut halfway between two photos, and the weight that each holds."""
    check_array(name, values, weights.shape, np.float64, value_range=(0.0, 1.0))
    order = np.argsort(values)
    ascending, reached = values[order], np.cumsum(weights[order])
    last_below = ascending[np.searchsorted(reached, np.arange(1, bins) / bins - 1e-12)]
    first_above = np.searchsorted(ascending, last_below, side="right")
    is_between = first_above < len(ascending)
    edges = (last_below[is_between] + ascending[first_above[is_between]]) / 2
    edges = np.unique(np.round(edges, _EDGE_DIGITS))
    edges = edges[(edges > 0) & (edges < 1)]
    shares = np.bincount(np.searchsorted(edges, values, side="right"), weights, len(edges) + 1)
    return {"edges": edges.tolist(), "shares": np.round(shares, 6).tolist()}
