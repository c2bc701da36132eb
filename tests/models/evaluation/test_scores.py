import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.scores import (
    WeightedRates,
    accuracy_and_f1,
    brier_score,
    choose_threshold_for_recall,
    expected_calibration_error,
    precision_at_prevalence,
    rates_at,
    reliability_bins,
    roc_auc,
    skip_rate_at_prevalence,
)
from models.structures import ContractError

some_scores = st.lists(st.integers(0, 5), min_size=1, max_size=8)


@given(some_scores, some_scores)
def test_auc_is_the_share_of_pairs_in_order(positives, negatives):
    scores = np.array([*positives, *negatives], np.float32)
    is_positive = np.arange(len(scores)) < len(positives)
    pairs = [(p > n) + (p == n) / 2 for p in positives for n in negatives]
    assert roc_auc(scores, is_positive) == pytest.approx(np.mean(pairs))


@given(some_scores, some_scores, st.randoms(use_true_random=False))
def test_weight_two_is_the_photo_twice(positives, negatives, random):
    scores = np.array([*positives, *negatives], np.float32)
    is_positive = np.arange(len(scores)) < len(positives)
    weights = np.array([random.randint(1, 3) for _ in scores])
    weighted = WeightedRates(scores, is_positive, weights[None]).auc()[0]
    assert weighted == pytest.approx(roc_auc(np.repeat(scores, weights), np.repeat(is_positive, weights)))


def test_weights_without_one_kind_give_no_number():
    rates = WeightedRates(np.array([0.2, 0.8]), np.array([False, True]), np.array([[1, 0]]))
    assert np.isnan(rates.auc()[0])
    assert np.isnan(rates.recall_at_skip_rate(0.5, prevalence=0.02)[0])


def test_recall_at_a_skip_rate_is_the_best_of_all_thresholds():
    rng = np.random.default_rng(1)
    scores, is_positive = rng.integers(0, 30, 80) / 30, rng.random(80) < 0.4
    rates = WeightedRates(scores, is_positive, np.ones((1, 80), np.int64))
    for skip_rate in (0.5, 0.8, 0.95):
        best = 0.0
        for threshold in np.append(np.unique(scores), 2):
            recall, false_rate = rates_at(scores, is_positive, score_threshold=threshold)
            if skip_rate_at_prevalence(recall, false_rate, prevalence=0.02) >= skip_rate:
                best = max(best, recall)
        assert rates.recall_at_skip_rate(skip_rate, prevalence=0.02)[0] == pytest.approx(best)


@given(some_scores, st.sampled_from([0.1, 0.5, 0.9, 0.95, 1.0]))
def test_chosen_threshold_reaches_the_recall_and_no_higher_one_does(positives, recall):
    scores = np.array([*positives, -1], np.float32)
    is_positive = np.arange(len(scores)) < len(positives)
    chosen = choose_threshold_for_recall(scores, is_positive, recall=recall)
    assert rates_at(scores, is_positive, score_threshold=chosen)[0] >= recall - 1e-9
    assert rates_at(scores, is_positive, score_threshold=chosen + 0.5)[0] < recall


def test_accuracy_of_96_percent_means_a_precision_of_a_third_where_damage_is_rare():
    assert precision_at_prevalence(0.96, 0.04, prevalence=0.02) == pytest.approx(0.33, abs=0.005)


def test_gate_that_lets_everything_go_skips_everything():
    assert skip_rate_at_prevalence(0.0, 0.0, prevalence=0.02) == 1
    assert precision_at_prevalence(0.0, 0.0, prevalence=0.02) == 0


def test_accuracy_and_f1_count_decisions_at_the_threshold():
    scores, is_positive = np.array([0.9, 0.5, 0.4, 0.6]), np.array([True, True, True, False])
    accuracy, f1 = accuracy_and_f1(scores, is_positive, score_threshold=0.5)
    assert accuracy == 0.5
    assert f1 == pytest.approx(2 * 2 / (3 + 3))


def test_brier_is_the_mean_squared_distance():
    assert brier_score(np.array([1.0, 0.5]), np.array([True, False])) == pytest.approx(0.125)


def test_calibrated_scores_have_no_calibration_error_and_boastful_ones_do():
    is_positive = np.arange(100) < 30
    assert expected_calibration_error(np.full(100, 0.3), is_positive) == pytest.approx(0)
    assert expected_calibration_error(np.full(100, 0.95), is_positive) == pytest.approx(0.65)


def test_score_of_one_falls_into_the_last_bin():
    rows = reliability_bins(np.array([1.0, 0.96, 0.05]), np.array([True, True, False]))
    assert rows == [(pytest.approx(0.05), 0.0, 1), (pytest.approx(0.98), 1.0, 2)]


def test_sample_of_one_kind_is_refused():
    with pytest.raises(ContractError, match="one kind"):
        roc_auc(np.array([0.1, 0.2]), np.array([True, True]))
