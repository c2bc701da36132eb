"""Precision and recall of a generator: how much of it looks real, how much of the real it covers."""

from dataclasses import dataclass

import numpy as np

from models.evaluation.generation.features import check_features, check_same_width
from models.evaluation.generation.neighbours import BLOCK_ROWS, distances_to_neighbour, iterate_distances


@dataclass(frozen=True)
class PrecisionRecall:
    """Two shares.

    Attributes:
        precision: of generated images that lie where real ones are.
        recall: of real images that lie where generated ones are.
    """

    precision: float
    recall: float


def precision_recall(
    generated: np.ndarray, real: np.ndarray, *, k: int = 3, block_rows: int = BLOCK_ROWS
) -> PrecisionRecall:
    """Compare two samples by their neighbourhoods.

    Args:
        generated: float (N, F), N > k.
        real: float (M, F), M > k.
        k: a sample's place is the union of balls around its rows, each as wide as the distance to the k-th nearest
            other row; its border belongs to it.
        block_rows: rows compared at once; the answer does not depend on it.

    Raises:
        ContractError: not finite, other widths, or too few rows.
        ValueError: k below 1.

    Source: Kynkäänniemi et al. 2019, arXiv 1904.06991, eq. 1 and 2.
    """
    if k < 1:
        raise ValueError(f"k: expected at least 1, found {k}")
    fake = check_features("generated", generated, at_least=k + 1)
    true = check_features("real", real, at_least=k + 1)
    check_same_width(fake, true)
    return PrecisionRecall(
        _share_inside(fake, true, k=k, block_rows=block_rows),
        _share_inside(true, fake, k=k, block_rows=block_rows),
    )


def _share_inside(rows: np.ndarray, place: np.ndarray, *, k: int, block_rows: int) -> float:
    radii = distances_to_neighbour(place, k, block_rows=block_rows)
    blocks = iterate_distances(rows, place, block_rows=block_rows)
    return float(np.concatenate([(distances <= radii).any(axis=1) for _, distances in blocks]).mean())
