"""A plan offers rules from zero to all warm, and chooses the cheapest that keeps the objective."""

import pytest

from service.capacity.options import CapacityOptions, Fleet, Scaling, Traffic, Worker
from service.capacity.plan import Load, count_days, plan_load

FLEET = Fleet(spot_interruptions_a_day=0)
OPTIONS = CapacityOptions(
    traffic=Traffic(photos_a_day=50_000, evening_ratio=0, morning_ratio=0, burst_ratio=0.2, burst_minutes=10),
    worker=Worker(photos_a_second=2),
    fleet=FLEET,
    slo_oldest_s=100,
)
DAYS: list[int] = []


@pytest.fixture(scope="module")
def load() -> Load:
    DAYS.clear()
    return plan_load(1, OPTIONS, lambda: DAYS.append(1))


def test_the_peak_decides_how_many_pods_are_offered(load: Load):
    assert load.peak_a_second == pytest.approx(40_000 / 86_400 + 10_000 / 600)
    needed = 9  # 17.1 photos a second, 2 a pod
    assert [own.min_replicas for own in load.by_min] == [0, 1, 3, 5, needed]
    assert {own.max_replicas for own in load.by_min} == {13}  # 17.13 / 2 / 0.7


def test_more_warm_pods_cost_more_and_wait_less(load: Load):
    costs = [own.cost.compute for own in load.by_min]
    ages = [own.oldest_s for own in load.by_min]
    assert costs == sorted(costs)
    assert ages == sorted(ages, reverse=True)


def test_the_smallest_minimum_that_keeps_the_objective_is_chosen(load: Load):
    assert load.is_kept
    assert load.chosen.oldest_s < OPTIONS.slo_oldest_s
    cheaper = load.by_min[: load.by_min.index(load.chosen)]
    assert cheaper
    assert all(own.oldest_s >= OPTIONS.slo_oldest_s for own in cheaper)


def test_every_day_is_counted(load: Load):
    assert len(DAYS) == len(load.by_min) + len(load.by_queue_length) <= count_days(1)


def test_queue_lengths_are_seconds_of_a_pods_work(load: Load):
    assert [own.queue_length for own in load.by_queue_length] == [4, 20, 60, 120, 240]
    assert {own.min_replicas for own in load.by_queue_length} == {0}


def test_an_objective_that_nothing_keeps_is_said_to_be_missed():
    narrow = Scaling(min_replicas=1, max_replicas=1)
    load = plan_load(1, OPTIONS.model_copy(update={"scaling": narrow}))
    assert not load.is_kept
    assert [own.min_replicas for own in load.by_min] == [1]
    assert load.chosen.oldest_s >= OPTIONS.slo_oldest_s


def test_a_pod_that_takes_longer_than_the_shortest_wait_is_planned_for():
    slow = OPTIONS.model_copy(update={"worker": Worker(photos_a_second=0.2)})
    assert [own.queue_length for own in plan_load(1, slow).by_queue_length] == [1, 2, 6, 12, 24]
