"""Nearest training image of each generated one: a generator that memorises lies closer to them than they to each other.

Frames of one scene are close to each other too: where training images come from video, compare with one frame a scene.
"""

from dataclasses import dataclass

import numpy as np

from models.evaluation.generation.features import check_features, check_same_width
from models.evaluation.generation.neighbours import BLOCK_ROWS, distances_to_neighbour, iterate_distances


@dataclass(frozen=True)
class NearestNeighbours:
    """Where generated images lie among training images.

    Attributes:
        indices: int64 (N,), the nearest training image of each generated one; of equally near ones the first.
        distances: float64 (N,), to it.
        real_distances: float64 (M,), of each training image to the nearest other one.
    """

    indices: np.ndarray
    distances: np.ndarray
    real_distances: np.ndarray

    def share_closer_than_real(self, quantile: float) -> float:
        """Share of generated images that are closer to training than this quantile of training is to itself.

        Args:
            quantile: [0, 1]. A generator that draws from the real distribution gives about this share, one that
                memorises more.

        Raises:
            ValueError: quantile outside [0, 1].
        """
        if not 0 <= quantile <= 1:
            raise ValueError(f"quantile: expected a number in [0, 1], found {quantile}")
        return float((self.distances < np.quantile(self.real_distances, quantile)).mean())


def find_nearest(generated: np.ndarray, real: np.ndarray, *, block_rows: int = BLOCK_ROWS) -> NearestNeighbours:
    """Find the nearest training image of every generated one.

    Args:
        generated: float (N, F), N >= 1.
        real: float (M, F), M >= 2, the images trained on.
        block_rows: rows compared at once.

    Raises:
        ContractError: not finite, other widths, or too few rows.
    """
    fake, true = check_features("generated", generated), check_features("real", real, at_least=2)
    check_same_width(fake, true)
    indices, nearest = np.empty(len(fake), np.int64), np.empty(len(fake))
    for where, distances in iterate_distances(fake, true, block_rows=block_rows):
        indices[where] = distances.argmin(axis=1)
        nearest[where] = distances.min(axis=1)
    return NearestNeighbours(indices, nearest, distances_to_neighbour(true, 1, block_rows=block_rows))
