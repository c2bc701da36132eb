import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.scores import (
    choose_threshold_for_recall,
    precision_at_prevalence,
    rates_at,
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


def test_sample_of_one_kind_is_refused():
    with pytest.raises(ContractError, match="one kind"):
        roc_auc(np.array([0.1, 0.2]), np.array([True, True]))
