import numpy as np
import pytest

from models.evaluation.proof.holm import holm, holm_counts


def test_adjustment_is_holms_by_hand():
    # 0.01 * 4, 0.02 * 3, 0.03 * 2 (raised to the one before), 0.5 * 1
    found = holm({"d": 0.5, "a": 0.01, "c": 0.03, "b": 0.02})
    assert found == pytest.approx({"d": 0.5, "a": 0.04, "c": 0.06, "b": 0.06})
    assert list(found) == ["d", "a", "c", "b"]


def test_adjusted_p_is_never_above_one():
    assert holm({"a": 0.7, "b": 0.9}) == {"a": 1.0, "b": 1.0}


def test_single_arm_needs_no_adjustment():
    assert holm({"a": 0.03}) == {"a": 0.03}


def test_level_is_divided_by_what_is_left():
    assert holm_counts({"a": 0.5, "b": 0.01, "c": 0.2}) == {"b": 3, "c": 2, "a": 1}


def test_false_findings_stay_below_the_level_and_plain_ones_do_not():
    p_values = np.random.default_rng(0).random((2000, 5))  # no arm differs
    adjusted = [min(holm(dict(enumerate(row))).values()) <= 0.05 for row in p_values]
    assert np.mean(adjusted) == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 2000))
    assert (p_values.min(axis=1) <= 0.05).mean() > 0.2


@pytest.mark.parametrize("wrong", [float("nan"), -0.1, 1.1])
def test_what_is_no_probability_is_refused(wrong):
    with pytest.raises(ValueError, match="p_values: b"):
        holm({"a": 0.1, "b": wrong})
