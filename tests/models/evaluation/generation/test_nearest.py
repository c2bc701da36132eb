import numpy as np
import pytest

from models.evaluation.generation.nearest import find_nearest
from models.structures import ContractError

REAL = np.array([[0.0, 0.0], [0.0, 2.0], [10.0, 0.0]])


def test_neighbours_are_those_seen_by_hand():
    found = find_nearest(np.array([[9.0, 0.0], [0.0, 1.9]]), REAL)
    assert found.indices.tolist() == [2, 1]
    np.testing.assert_allclose(found.distances, [1, 0.1])
    np.testing.assert_allclose(found.real_distances, [2, 2, 10])


def test_of_equally_near_ones_the_first_is_taken():
    assert find_nearest(np.array([[0.0, 1.0]]), REAL).indices.tolist() == [0]


def test_share_counts_samples_below_the_quantile_of_real_distances():
    found = find_nearest(np.array([[0.0, 0.5], [0.0, 5.0], [10.0, 0.0]]), REAL)  # 0.5, 3 and 0 away
    assert found.share_closer_than_real(0.0) == pytest.approx(2 / 3)  # below 2
    assert found.share_closer_than_real(1.0) == 1.0  # below 10


def test_memorising_shows_and_fresh_samples_do_not():
    rng = np.random.default_rng(0)
    real, fresh = rng.normal(size=(400, 4)), rng.normal(size=(400, 4))
    copies = real[rng.integers(400, size=400)] + rng.normal(0, 1e-3, size=(400, 4))
    assert find_nearest(fresh, real).share_closer_than_real(0.1) == pytest.approx(0.1, abs=0.06)
    assert find_nearest(copies, real).share_closer_than_real(0.1) == 1.0


@pytest.mark.parametrize("block_rows", [1, 7])
def test_blocks_agree_with_brute_force(block_rows):
    rng = np.random.default_rng(1)
    generated, real = rng.normal(size=(15, 3)), rng.normal(size=(11, 3))
    found = find_nearest(generated, real, block_rows=block_rows)
    for row, index, distance in zip(generated, found.indices, found.distances, strict=True):
        distances = [np.linalg.norm(row - other) for other in real]
        assert index == int(np.argmin(distances))
        assert distance == pytest.approx(min(distances))


def test_bad_arguments_are_named():
    with pytest.raises(ContractError, match="real: expected at least 2 rows"):
        find_nearest(REAL, REAL[:1])
    with pytest.raises(ValueError, match="quantile"):
        find_nearest(REAL, REAL).share_closer_than_real(1.5)
