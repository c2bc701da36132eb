import numpy as np
import pytest
from scipy import stats

from models.steps.screening import judge, judge_verdicts, wilson_rate
from models.structures import ContractError


def test_both_error_rates_are_those_counted_by_hand():
    #                      kept broken, caught, caught | good thrown away, good kept x 4
    is_broken = np.array([True, True, True, False, False, False, False, False])
    is_rejected = np.array([False, True, True, True, False, False, False, False])
    judgement = judge_verdicts(is_rejected, is_broken)
    assert (judgement.false_accept.count, judgement.false_accept.total) == (1, 3)
    assert (judgement.false_reject.count, judgement.false_reject.total) == (1, 5)
    assert (judgement.broken_among_kept.count, judgement.broken_among_kept.total) == (1, 5)
    assert judgement.false_accept.value == pytest.approx(1 / 3)


@pytest.mark.parametrize(("count", "total"), [(0, 10), (1, 10), (5, 10), (10, 10), (396, 2500), (1, 1)])
@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_interval_is_scipys_wilson(count, total, confidence):
    expected = stats.binomtest(count, total).proportion_ci(confidence, method="wilson")
    rate = wilson_rate(count, total, confidence=confidence)
    assert (rate.low, rate.high) == (pytest.approx(expected.low, abs=1e-12), pytest.approx(expected.high))
    assert rate.value == count / total


def test_nothing_to_count_has_no_rate():
    judgement = judge_verdicts(np.array([True, True]), np.array([True, True]))
    assert (judgement.false_accept.value, judgement.false_accept.low) == (0.0, 0.0)
    assert (judgement.false_reject.value, judgement.false_reject.low, judgement.false_reject.high) == (None,) * 3
    assert judgement.broken_among_kept.value is None


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_screen_sees_every_image_once(batch_size):
    images = np.zeros((8, 4, 4, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(8)
    judgement = judge(lambda batch: batch[:, 0, 0, 0] % 2 == 1, images, np.arange(8) >= 5, batch_size=batch_size)
    assert (judgement.false_accept.count, judgement.false_accept.total) == (1, 3)  # 6 of 5, 6, 7
    assert (judgement.false_reject.count, judgement.false_reject.total) == (2, 5)  # 1 and 3 of 0 to 4


@pytest.mark.parametrize("answer", [np.zeros(3, bool), np.zeros(4), [False] * 4])
def test_a_screen_that_answers_wrongly_is_refused(answer):
    with pytest.raises(ContractError, match="screen's answer"):
        judge(lambda batch: answer, np.zeros((4, 4, 4, 3), np.uint8), np.zeros(4, bool))


def test_a_count_above_the_total_is_refused():
    with pytest.raises(ContractError, match="count"):
        wilson_rate(3, 2)
