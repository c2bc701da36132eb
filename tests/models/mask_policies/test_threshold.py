"""threshold: one number against every pixel."""

import numpy as np
import pytest

from models.mask_policies import ThresholdPolicy

GREY = np.full((2, 3, 3), 128, np.uint8)


def test_a_prob_at_the_threshold_counts_as_damage():
    probs = np.array([[[0.0, 0.49, 0.5], [0.51, 1.0, 0.2]]], np.float32)

    masks = ThresholdPolicy(0.5).refine(probs, GREY)

    assert masks.tolist() == [[[False, False, True], [True, True, False]]]


def test_threshold_zero_takes_all_and_threshold_one_only_certainty():
    probs = np.array([[[0.0, 0.5, 1.0], [0.9999, 0.0, 1.0]]], np.float32)

    assert ThresholdPolicy(0.0).refine(probs, GREY).all()
    assert ThresholdPolicy(1.0).refine(probs, GREY).tolist() == [[[False, False, True], [False, False, True]]]


def test_a_threshold_that_float32_cannot_hold_still_takes_its_own_prob():
    probs = np.full((1, 2, 3), 0.3, np.float32)

    assert ThresholdPolicy(0.3).refine(probs, GREY).all()


@pytest.mark.parametrize("score_threshold", [-0.01, 1.01, float("nan")])
def test_a_threshold_that_is_no_prob_is_refused(score_threshold):
    with pytest.raises(ValueError, match="score_threshold: expected a number in"):
        ThresholdPolicy(score_threshold)
