import numpy as np
import pytest

from models.evaluation.bootstrap import Resampler, put


def test_value_is_of_the_photos_as_they_are():
    assert Resampler(list("abc")).ratio([1, 0, 2], [1, 1, 4]).value == pytest.approx(0.5)


def test_interval_of_a_share_is_the_binomials():
    n, share = 400, 0.3
    successes = np.arange(n) < n * share
    estimate = Resampler([str(i) for i in range(n)], replicates=4000).mean(successes, np.ones(n, bool))
    spread = 1.96 * np.sqrt(share * (1 - share) / n)
    assert (estimate.low, estimate.high) == pytest.approx((share - spread, share + spread), abs=0.006)


def test_photos_of_one_car_widen_the_interval():
    successes = np.arange(400) % 40 < 20  # alternating runs of 20: each group is all right or all wrong
    alone = Resampler([str(i) for i in range(400)]).mean(successes, np.ones(400, bool))
    grouped = Resampler([str(i // 20) for i in range(400)]).mean(successes, np.ones(400, bool))
    assert grouped.high - grouped.low > 3 * (alone.high - alone.low)


def test_same_seed_draws_the_same():
    one, two, other = (Resampler(list("aabbc"), seed=seed).weights for seed in (1, 1, 2))
    assert (one == two).all()
    assert (one != other).any()


def test_draws_take_whole_groups():
    weights = Resampler(list("aab")).weights
    assert (weights[:, 0] == weights[:, 1]).all()
    assert set(weights[1:, 0] + weights[1:, 2]) == {2}


def test_one_group_gives_no_interval_and_nothing_gives_no_number():
    measures = {}
    put(measures, "one", Resampler(list("aab")).mean([1, 0, 0], [True, True, False]))
    put(measures, "none", Resampler(list("ab")).mean([1, 0], [False, False]))
    assert measures == {"one": 0.5}


def test_what_no_photo_shows_has_no_interval():
    estimate = Resampler(list("abcd")).mean([0, 0, 0, 0], [True] * 4)
    assert (estimate.value, estimate.low, estimate.high) == (0, None, None)


def test_measure_gets_the_weights_of_what_counts():
    resampler = Resampler(list("abc"))
    estimate = resampler.measure(lambda weights: weights @ np.array([1.0, 10.0]), [True, False, True])
    assert estimate.value == 11


def test_no_photo_is_refused():
    with pytest.raises(ValueError, match="groups"):
        Resampler([])
