import numpy as np
import pytest

from models.evaluation.generation.kid import kernel_distance, squared_mmd
from models.structures import ContractError


def mmd_by_loops(a, b):
    """Gretton et al. 2012, eq. 3, pair by pair."""

    def kernel(x, y):
        return (sum(p * q for p, q in zip(x, y, strict=True)) / len(x) + 1) ** 3

    def within(rows):
        pairs = [kernel(x, y) for i, x in enumerate(rows) for j, y in enumerate(rows) if i != j]
        return sum(pairs) / len(pairs)

    across = [kernel(x, y) for x in a for y in b]
    return within(a) + within(b) - 2 * sum(across) / len(across)


def test_estimate_agrees_with_a_double_loop():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(7, 4)), rng.normal(0.5, 2, size=(9, 4))
    assert squared_mmd(a, b) == pytest.approx(mmd_by_loops(a, b))


def test_whole_samples_in_one_subset_are_the_plain_estimate():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(12, 3)), rng.normal(1, 1, size=(12, 3))
    found = kernel_distance(a, b, rng, subset_size=1000, subsets=2)
    assert found.mean == pytest.approx(mmd_by_loops(a, b))
    assert found.std == pytest.approx(0, abs=1e-12)
    assert (found.subset_size, found.subsets) == (12, 2)


def test_samples_of_one_distribution_are_at_distance_zero_on_average():
    rng = np.random.default_rng(2)
    values = [squared_mmd(*rng.normal(size=(2, 20, 5))) for _ in range(400)]
    assert np.mean(values) == pytest.approx(0, abs=4 * np.std(values) / np.sqrt(len(values)))
    assert min(values) < 0 < max(values)  # a biased estimate is never below 0


def test_shifted_samples_are_apart():
    rng = np.random.default_rng(3)
    near, far = (
        kernel_distance(rng.normal(shift, 1, (200, 5)), rng.normal(size=(300, 5)), rng, subset_size=50, subsets=20).mean
        for shift in (0.0, 1.0)
    )
    assert far > 1 > abs(near) * 10


def test_same_seed_draws_the_same_subsets():
    a, b = np.random.default_rng(4).normal(size=(2, 40, 3))
    one, two, other = (kernel_distance(a, b, np.random.default_rng(s), subset_size=10, subsets=3) for s in (1, 1, 2))
    assert one == two
    assert one != other


def test_bad_arguments_are_named():
    rng, rows = np.random.default_rng(0), np.zeros((3, 2))
    with pytest.raises(ContractError, match="generated"):
        kernel_distance(rows[:1], rows, rng)
    with pytest.raises(ContractError, match="real: expected 2 features"):
        kernel_distance(rows, np.zeros((3, 4)), rng)
    with pytest.raises(ValueError, match="subset_size"):
        kernel_distance(rows, rows, rng, subset_size=1)
