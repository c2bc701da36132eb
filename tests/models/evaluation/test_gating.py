import numpy as np
import pytest

from models.evaluation.gating import evaluate_gate

SCORES = np.array([0.9, 0.8, 0.7, 0.2, 0.6, 0.3, 0.2, 0.1])
IS_DAMAGED = np.arange(8) < 4


def measure(**changed):
    told = {"score_threshold": 0.65, "stated_recall": 0.75} | changed
    return evaluate_gate(SCORES, IS_DAMAGED, [str(n) for n in range(8)], **told)


def test_measures_are_those_of_the_threshold():
    measures = measure()
    assert measures["recall"] == 0.75
    assert measures["false_positive_rate"] == 0
    assert measures["accuracy"] == 7 / 8
    assert measures["precision_at_prevalence_1"] == 1
    assert measures["skip_rate_at_prevalence_2"] == pytest.approx(1 - 0.75 * 0.02)
    low, high = measures["recall_interval_95"]
    assert low < 0.75 < high


def test_threshold_of_a_stated_recall_is_told_with_its_cost():
    assert measure()["at_stated_recall"]["score_threshold"] == pytest.approx(0.7)
    everything = measure(stated_recall=1.0)["at_stated_recall"]
    assert everything["score_threshold"] == pytest.approx(0.2)
    assert everything["false_positive_rate"] == 0.75


def test_recall_falls_as_more_photos_are_let_go():
    measures = measure()
    recalls = [measures[f"recall_at_skip_rate_{rate}_prevalence_2"] for rate in (50, 80, 90, 95)]
    assert recalls == [0.75, 0.75, 0.75, 0.75]  # 0.2 would let through 3 of 4 undamaged ones
    assert measure()["roc_auc"] == pytest.approx((4 * 3 + 1.5) / 16, abs=1e-9)


def test_sample_of_one_kind_allows_nothing():
    assert evaluate_gate(np.array([0.5]), np.array([True]), ["a"], score_threshold=0.5, stated_recall=0.9) == {}
