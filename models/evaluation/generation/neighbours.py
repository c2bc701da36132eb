"""Euclidean distances between rows of features, a block at a time."""

from collections.abc import Iterator
from typing import Final

import numpy as np

BLOCK_ROWS: Final = 512


def iterate_distances(
    rows: np.ndarray, others: np.ndarray, *, block_rows: int = BLOCK_ROWS
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield blocks of the table of distances.

    Args:
        rows: float64 (N, F).
        others: float64 (M, F).
        block_rows: of rows at once; bounds the memory.

    Yields:
        Which rows, and their distances to all others, float64 (B, M).
    """
    centre = others.mean(axis=0)  # short vectors lose fewer digits in the difference below
    rows, others = rows - centre, others - centre
    squares = np.einsum("ij,ij->i", others, others)
    for start in range(0, len(rows), block_rows):
        block = rows[start : start + block_rows]
        squared = np.einsum("ij,ij->i", block, block)[:, None] + squares - 2 * block @ others.T
        yield slice(start, start + len(block)), np.sqrt(np.clip(squared, 0, None))


def distances_to_neighbour(features: np.ndarray, k: int, *, block_rows: int = BLOCK_ROWS) -> np.ndarray:
    """Measure each row's distance to its k-th nearest among the other rows.

    Args:
        features: float64 (N, F), N > k.
        k: at least 1.
        block_rows: of rows at once.

    Returns:
        float64 (N,).
    """
    found = np.empty(len(features))
    for where, distances in iterate_distances(features, features, block_rows=block_rows):
        distances[np.arange(len(distances)), np.arange(where.start, where.stop)] = np.inf
        found[where] = np.partition(distances, k - 1, axis=1)[:, k - 1]
    return found
