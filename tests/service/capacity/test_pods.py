"""Pods start after what a start takes, and every place on a node is paid for as long as it stands."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.capacity.options import Fleet
from service.capacity.pods import Pods

FLEET = Fleet(pod_start_s=6, image_pull_s=30, node_provisioning_s=90, node_linger_s=300)


@pytest.fixture
def pods() -> Pods:
    return Pods(FLEET, shutdown_grace_s=20, ready=2)


def test_a_pod_on_a_fresh_node_waits_for_node_image_and_start(pods: Pods):
    pods.scale_to(5, now_s=0)
    assert (pods.ready, pods.starting, pods.paid) == (2, 3, 5)
    pods.advance(125)
    assert pods.ready == 2
    pods.advance(126)
    assert (pods.ready, pods.starting, pods.paid) == (5, 0, 5)


def test_a_place_is_paid_until_it_has_stood_empty_for_long_enough(pods: Pods):
    pods.scale_to(1, now_s=0)
    assert (pods.ready, pods.paid) == (1, 2)
    pods.advance(319)
    assert pods.paid == 2
    pods.advance(320)  # 20 s to end, 300 s empty
    assert pods.paid == 1


def test_an_empty_place_takes_a_pod_at_once_and_costs_no_more(pods: Pods):
    pods.scale_to(0, now_s=0)
    pods.advance(20)
    pods.scale_to(3, now_s=20)
    assert pods.paid == 3
    pods.advance(26)
    assert pods.ready == 2
    pods.advance(146)
    assert (pods.ready, pods.starting, pods.paid) == (3, 0, 3)


def test_a_place_takes_no_pod_while_another_still_ends_there(pods: Pods):
    pods.scale_to(0, now_s=0)
    pods.advance(19)
    pods.scale_to(1, now_s=19)
    assert pods.paid == 3


def test_pods_that_are_still_starting_go_first_the_latest_before_the_others(pods: Pods):
    pods.scale_to(4, now_s=0)
    pods.scale_to(6, now_s=50)
    pods.scale_to(3, now_s=60)
    assert (pods.ready, pods.starting) == (2, 1)
    pods.advance(126)
    assert pods.ready == 3


def test_an_interrupted_pod_loses_its_node_and_is_replaced_on_a_fresh_one(pods: Pods):
    pods.interrupt(1, now_s=0)
    assert (pods.ready, pods.starting, pods.paid) == (1, 1, 2)
    pods.advance(126)
    assert (pods.ready, pods.starting, pods.paid) == (2, 0, 2)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 30)), max_size=40))
def test_whatever_is_asked_for_is_there_or_starting_and_paid(steps: list[tuple[int, int]]):
    pods, now_s = Pods(FLEET, shutdown_grace_s=20, ready=0), 0
    for pause_s, replicas in steps:
        now_s += pause_s
        pods.advance(now_s)
        pods.scale_to(replicas, now_s)
        pods.interrupt(pods.ready // 3, now_s)
        assert pods.ready + pods.starting == replicas
        assert pods.ready >= 0
        assert pods.starting >= 0
        assert pods.paid >= replicas
    pods.scale_to(0, now_s)
    pods.advance(now_s + 20)
    pods.advance(now_s + 320)
    assert (pods.ready, pods.starting, pods.paid) == (0, 0, 0)
