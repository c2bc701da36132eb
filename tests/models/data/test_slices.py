import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import betabinom

from models.data.slices import count_slices, evaluate_slices, fit_beta_prior


def density(p, alpha, beta):
    return p ** (alpha - 1) * (1 - p) ** (beta - 1)


def log_likelihood(a, b, successes, trials):
    return betabinom.logpmf(successes, trials, a, b).sum()


def test_prior_is_the_most_likely_one():
    successes, trials = np.array([0, 1, 4, 9, 2, 5, 7]), np.array([20, 10, 20, 20, 25, 10, 30])
    a, b = fit_beta_prior(successes, trials)
    grid = [
        log_likelihood(mean * size, (1 - mean) * size, successes, trials)
        for mean in np.linspace(0.05, 0.6, 56)
        for size in np.geomspace(0.5, 200, 60)
    ]
    assert log_likelihood(a, b, successes, trials) >= max(grid)
    assert log_likelihood(a, b, successes, trials) == pytest.approx(max(grid), abs=0.02)


def test_prior_finds_the_distribution_that_the_rates_came_from():
    rng = np.random.default_rng(0)
    trials = np.full(2000, 50)
    successes = rng.binomial(trials, rng.beta(6, 14, 2000))
    a, b = fit_beta_prior(successes, trials)
    assert (a, b) == (pytest.approx(6, rel=0.15), pytest.approx(14, rel=0.15))


def test_row_compares_a_slice_with_the_others():
    front, rear = evaluate_slices([30, 8], [40, 10], ["front", "rear"])
    assert (front.rate, front.complement_rate) == (0.75, 0.8)
    assert (rear.rate, rear.complement_rate, rear.complement_trials) == (0.8, 0.75, 40)
    assert front.difference == pytest.approx(front.shrunk_rate - 0.8)


def test_small_slice_is_drawn_to_the_others_and_a_large_one_hardly():
    rows = evaluate_slices([0, 0, 80, 85, 90], [2, 200, 100, 100, 100], list("abcde"))
    assert rows[0].rate == rows[1].rate == 0
    assert rows[0].shrunk_rate > 10 * rows[1].shrunk_rate


def test_shrunk_rate_and_interval_are_those_of_the_posterior():
    successes, trials = [9, 3, 5, 30], [20, 20, 6, 50]
    a, b = fit_beta_prior(successes, trials)
    for row, k, n in zip(evaluate_slices(successes, trials, list("abcd")), successes, trials, strict=True):
        posterior = functools.partial(density, alpha=a + k, beta=b + n - k)
        whole = quad(posterior, 0, 1)[0]
        assert quad(lambda p, of=posterior: p * of(p), 0, 1)[0] / whole == pytest.approx(row.shrunk_rate, rel=1e-6)
        assert quad(posterior, 0, row.low)[0] / whole == pytest.approx(0.025, rel=1e-4)
        assert quad(posterior, 0, row.high)[0] / whole == pytest.approx(0.975, rel=1e-4)


def test_probability_below_is_that_of_two_draws():
    successes, trials = np.array([9, 3, 5, 30]), np.array([20, 20, 6, 50])
    a, b = fit_beta_prior(successes, trials)
    rng = np.random.default_rng(0)
    for row, k, n in zip(evaluate_slices(successes, trials, list("abcd")), successes, trials, strict=True):
        others_k, others_n = 47 - k, 96 - n
        slice_rates = rng.beta(a + k, b + n - k, 200_000)
        complement_rates = rng.beta(0.5 + others_k, 0.5 + others_n - others_k, 200_000)
        assert row.probability_below == pytest.approx((slice_rates < complement_rates).mean(), abs=0.005)


def test_slice_apart_is_told_and_one_of_three_photos_is_not():
    rows = evaluate_slices([95, 50, 94, 0, 93], [100, 100, 100, 1, 100], list("abcde"))
    assert [row.is_apart for row in rows] == [True, True, True, False, True]
    assert all(not row.is_apart for row in evaluate_slices([9, 10, 9, 0], [10, 11, 10, 1], list("abcd")))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 30).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=8))
def test_every_table_gives_rates_inside_their_intervals(counts):
    successes, trials = zip(*counts, strict=True)
    if not sum(trials):
        with pytest.raises(ValueError, match="trials"):
            evaluate_slices(successes, trials, [""] * len(counts))
        return
    for row in evaluate_slices(successes, trials, [str(i) for i in range(len(counts))]):
        assert 0 <= row.low <= row.high <= 1
        assert 0 < row.shrunk_rate < 1
        assert np.isnan(row.rate) == (row.trials == 0)


@pytest.mark.parametrize(
    ("successes", "trials", "named"),
    [([3], [2], "'x'"), ([-1], [2], "'x'"), ([0], [0], "trials"), ([1, 1], [2], "2, 1, 1")],
)
def test_impossible_counts_are_refused(successes, trials, named):
    with pytest.raises(ValueError, match=named):
        evaluate_slices(successes, trials, ["x"])


def test_table_is_counted_by_a_columns_values():
    rows = [{"view": v, "found": f} for v, f in (("rear", "1"), ("front", "0"), ("rear", "False"), ("", "true"))]
    assert count_slices(rows, "view", "found") == ([1, 0, 1], [1, 1, 2], ["(none)", "front", "rear"])
    with pytest.raises(ValueError, match="row 2: found"):
        count_slices([*rows[:1], {"view": "rear", "found": "2"}], "view", "found")
