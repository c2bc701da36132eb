"""KEDA and the HPA decide as their documentation and source say, worked out by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.capacity.options import Scaling
from service.capacity.scaling import Autoscaler, compute_desired


@pytest.mark.parametrize(
    ("messages", "replicas", "desired"),
    [
        (1000, 5, 10),  # ceil(1000 / 100)
        (1001, 5, 11),
        (0, 5, 0),
        (549, 5, 5),  # 1.098 of the target: within 10 %
        (551, 5, 6),  # 1.102
        (451, 5, 5),  # 0.902
        (449, 5, 5),  # 0.898: outside, and ceil(4.49) is 5
        (399, 5, 4),
    ],
)
def test_the_formula_is_the_hpas(messages: int, replicas: int, desired: int):
    assert compute_desired(messages, replicas, queue_length=100, tolerance=0.1) == desired


@settings(deadline=None)
@given(messages=st.integers(0, 10**9), replicas=st.integers(1, 10**5), length=st.floats(1, 10**4))
def test_the_formula_gives_each_pod_its_messages_or_stays_within_the_tolerance(
    messages: int, replicas: int, length: float
):
    desired = compute_desired(messages, replicas, queue_length=length, tolerance=0.1)
    if desired == replicas:
        assert messages <= length * replicas * 1.1 + 1e-6
    else:
        assert desired * length >= messages
        assert (desired - 1) * length < messages


def decide(rules: Scaling, messages: dict[int, int], replicas: int, until_s: int) -> dict[int, int]:
    """The pods after each second at which their number changed; messages by the second they begin to hold."""
    autoscaler, waiting, changes = Autoscaler(rules), 0, {}
    for now_s in range(until_s + 1):
        waiting = messages.get(now_s, waiting)
        wanted = autoscaler.decide(now_s, waiting, replicas)
        if wanted != replicas:
            changes[now_s] = replicas = wanted
    return changes


def test_the_first_pod_comes_with_the_next_poll_and_the_others_double_with_each_sync():
    changes = decide(Scaling(queue_length=100), {31: 100_000}, replicas=0, until_s=150)
    assert changes == {60: 5, 75: 10, 90: 20, 105: 40, 120: 80, 135: 160, 150: 320}


def test_no_more_pods_come_than_are_wanted_or_allowed():
    assert decide(Scaling(queue_length=100), {0: 700}, replicas=1, until_s=60) == {0: 5, 15: 7}
    assert decide(Scaling(queue_length=100, max_replicas=6), {0: 700}, replicas=1, until_s=60) == {0: 5, 15: 6}


def test_pods_go_when_every_decision_of_the_window_agreed():
    rules = Scaling(queue_length=100, min_replicas=1)
    changes = decide(rules, {0: 1000, 60: 400, 120: 200}, replicas=10, until_s=600)
    assert changes == {345: 4, 405: 2}  # the last decision for ten was at 45 s, the last for four at 105 s


def test_the_last_pod_goes_after_the_cooldown_and_not_before():
    changes = decide(Scaling(), {0: 1, 61: 0}, replicas=0, until_s=600)
    assert changes == {0: 1, 360: 0}  # last active at the poll at 60 s


def test_a_minimum_is_kept_however_long_the_queue_is_empty():
    assert decide(Scaling(min_replicas=3), {}, replicas=3, until_s=3600) == {}


def test_as_many_messages_as_activation_asks_for_wake_nobody():
    rules = Scaling(activation_messages=5)
    assert decide(rules, {0: 5}, replicas=0, until_s=300) == {}
    assert decide(rules, {0: 6}, replicas=0, until_s=300) == {0: 1}


@settings(deadline=None)
@given(
    messages=st.lists(st.integers(0, 10**6), min_size=1, max_size=40),
    least=st.integers(0, 5),
    most=st.integers(5, 500),
    length=st.integers(1, 1000),
)
def test_pods_stay_within_their_bounds_and_never_more_than_double_or_add_four(
    messages: list[int], least: int, most: int, length: int
):
    autoscaler = Autoscaler(Scaling(min_replicas=least, max_replicas=most, queue_length=length))
    replicas = least
    for now_s in range(15 * len(messages)):
        wanted = autoscaler.decide(now_s, messages[now_s // 15], replicas)
        assert least <= wanted <= most
        before = max(replicas, 1)  # the first pod may come in the same second
        assert wanted <= max(2 * before, before + 4)
        replicas = wanted
