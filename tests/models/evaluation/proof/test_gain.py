import numpy as np
import pytest
from scipy.stats import norm, ttest_1samp
from scipy.stats import t as student

from models.evaluation.bootstrap import Resampler
from models.evaluation.proof.gain import SeedError, own_seed_error, paired_bootstrap, paired_gain, pooled_seed_error
from models.structures import ContractError
from tests.models.evaluation.proof.worlds import ap_of_copies, make_matches


def values_of(gains_by_seed, draws):
    """Arm and baseline, (S, 1 + B) each, whose gains are these, and whose draws of photos move all seeds alike."""
    gains = np.asarray(gains_by_seed, np.float64)[:, None] + np.concatenate([[0.0], draws])
    return gains + 0.5, np.full(gains.shape, 0.5)


def test_agrees_with_a_slow_loop():
    rng = np.random.default_rng(0)
    arm = [make_matches(rng, photos=8, quality=0.8) for _ in range(3)]
    baseline = [make_matches(rng, photos=8, quality=0.6) for _ in range(3)]
    groups = list("aabcdefg")
    found = paired_bootstrap(arm, baseline, groups, np.random.default_rng(5), replicates=60)

    same = np.random.default_rng(5)
    drawn = Resampler(groups, replicates=60, seed=int(same.integers(2**32))).weights
    gains = np.array(
        [
            [
                ap_of_copies(a, np.repeat(np.arange(8), w), 0) - ap_of_copies(b, np.repeat(np.arange(8), w), 0)
                for w in drawn
            ]
            for a, b in zip(arm, baseline, strict=True)
        ]
    )
    own = gains[:, 0]
    spread = np.sqrt(((own - own.mean()) ** 2).sum() / 2 / 3)
    draws = sorted(gains[:, 1:].mean(axis=0) + spread * same.standard_t(2, size=60))
    assert found.value == pytest.approx(own.mean())
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])))
    below = sum(draw <= 0 for draw in draws)
    assert found.p_value == pytest.approx(min(2 * (1 + min(below, 60 - below)) / 61, 1))


def test_arm_against_itself_gains_nothing():
    rng = np.random.default_rng(1)
    arm = [make_matches(rng) for _ in range(3)]
    found = paired_bootstrap(arm, arm, [str(i) for i in range(30)], rng, replicates=50)
    assert (found.value, found.low, found.p_value, found.interval(0.9)) == (0, None, 1.0, None)


def test_without_noise_of_photos_it_is_the_t_test():
    gains = [0.03, 0.01, 0.045, 0.02]
    arm, baseline = values_of(gains, np.random.default_rng(2).normal(0, 1e-7, 40_000))
    found = paired_gain(arm, baseline, np.random.default_rng(3))
    expected = ttest_1samp(gains, 0)
    assert found.p_value == pytest.approx(expected.pvalue, rel=0.1)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)), abs=1e-3)


def test_without_noise_of_seeds_it_is_the_percentile_bootstrap():
    draws = np.random.default_rng(4).gamma(2, 0.01, 4000) - 0.02
    arm, baseline = values_of([0.02] * 3, draws)
    found = paired_gain(arm, baseline, np.random.default_rng(5))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(0.02 + draws, [0.025, 0.975])))
    assert found.interval(0.5) == pytest.approx(tuple(np.quantile(0.02 + draws, [0.25, 0.75])))


def test_more_than_either_noise_alone():
    draws = np.random.default_rng(6).normal(0, 0.01, 4000)
    both, photos = (
        paired_gain(*values_of(gains, draws), np.random.default_rng(7)) for gains in ([0.01, 0.02, 0.03], [0.02] * 3)
    )
    assert both.high - both.low > 1.5 * (photos.high - photos.low)


def test_gain_in_every_draw_has_the_least_p_there_is():
    arm, baseline = values_of([0.2] * 3, np.random.default_rng(8).normal(0, 0.01, 99))
    assert paired_gain(arm, baseline, np.random.default_rng(9)).p_value == pytest.approx(2 / 100)
    assert paired_gain(baseline, arm, np.random.default_rng(9)).p_value == pytest.approx(2 / 100)


def test_one_seed_has_no_interval():
    arm, baseline = values_of([0.2], np.random.default_rng(10).normal(0, 0.01, 99))
    found = paired_gain(arm, baseline, np.random.default_rng(11))
    assert (found.value, found.low, found.high, found.p_value) == (pytest.approx(0.2), None, None, 1.0)


def test_one_group_of_photos_has_no_interval():
    rng = np.random.default_rng(12)
    arm, baseline = ([make_matches(rng, quality=q) for _ in range(3)] for q in (0.9, 0.3))
    assert paired_bootstrap(arm, baseline, ["a"] * 30, rng, replicates=20).low is None


def test_draws_without_any_annotated_box_are_left_out():
    arm, baseline = values_of([0.1, 0.12], np.array([0.01, np.nan, -0.01, np.nan]))
    assert len(paired_gain(arm, baseline, np.random.default_rng(13)).draws) == 2


def test_pooled_error_is_the_t_test_of_two_arms():
    values = np.random.default_rng(14).random((2, 5))
    pooled, own = pooled_seed_error(values), own_seed_error(values[1] - values[0])
    assert (pooled.standard_error, pooled.degrees) == (pytest.approx(own.standard_error), own.degrees)


def test_pooled_error_covers_as_often_as_it_says():
    rng = np.random.default_rng(15)
    covered = 0
    for _ in range(2000):
        values = rng.normal(size=(4, 3)) + rng.normal(size=3)  # a seed moves all arms alike
        error = pooled_seed_error(values)
        assert error.degrees == 6
        gap = abs(values[1].mean() - values[0].mean())
        covered += gap <= student.ppf(0.975, error.degrees) * error.standard_error
    assert covered / 2000 == pytest.approx(0.95, abs=3 * np.sqrt(0.05 * 0.95 / 2000))


def test_given_error_of_seeds_is_used():
    arm, baseline = values_of([0.1, 0.5, -0.3], np.random.default_rng(16).normal(0, 1e-9, 20_000))
    found = paired_gain(arm, baseline, np.random.default_rng(17), seed_error=SeedError(0.01, 10_000))
    assert found.high - found.low == pytest.approx(2 * norm.ppf(0.975) * 0.01, rel=0.05)


def test_what_cannot_be_paired_is_refused():
    rng = np.random.default_rng(18)
    with pytest.raises(ContractError, match="arm_values: expected shape"):
        paired_gain(np.zeros((3, 5)), np.zeros((2, 5)), rng)
    with pytest.raises(ContractError, match="no annotated box"):
        paired_gain(np.full((2, 5), np.nan), np.full((2, 5), np.nan), rng)
    one, other = make_matches(rng, photos=3), make_matches(rng, photos=3, gt=1)
    with pytest.raises(ContractError, match="arm: expected the baseline's photos"):
        paired_bootstrap([one], [other], list("abc"), rng)
