import numpy as np
import pytest
from scipy.spatial.distance import cdist

from models.evaluation.generation.neighbours import distances_to_neighbour, iterate_distances


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(1000, 1, size=(13, 5))


@pytest.mark.parametrize("block_rows", [1, 4, 13, 100])
def test_blocks_are_the_table_of_distances(rows, block_rows):
    others = np.random.default_rng(1).normal(1001, 1, size=(7, 5))
    table = np.full((13, 7), np.nan)
    for where, distances in iterate_distances(rows, others, block_rows=block_rows):
        table[where] = distances
    np.testing.assert_allclose(table, cdist(rows, others), rtol=1e-9)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("block_rows", [2, 100])
def test_row_is_not_its_own_neighbour(rows, k, block_rows):
    expected = np.sort(cdist(rows, rows), axis=1)[:, k]
    np.testing.assert_allclose(distances_to_neighbour(rows, k, block_rows=block_rows), expected, rtol=1e-7)


def test_twin_is_a_neighbour_at_distance_zero():
    rows = np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0]])
    np.testing.assert_allclose(distances_to_neighbour(rows, 1), [5, 0, 0], atol=1e-7)
