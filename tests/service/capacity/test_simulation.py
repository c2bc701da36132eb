"""No photo is lost, queues behave as queueing theory says, and the same seed is the same day."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.capacity.options import CapacityOptions, Fleet, Scaling, Worker
from service.capacity.simulation import Day, simulate_day

CALM = Fleet(spot_interruptions_a_day=0)


def fixed(pods: int, photos_a_second: float, **others: object) -> CapacityOptions:
    """Pods that neither come nor go."""
    return CapacityOptions(
        worker=Worker(photos_a_second=photos_a_second),
        scaling=Scaling(min_replicas=pods, max_replicas=pods),
        **{"fleet": CALM, **others},
    )


def assert_conserved(day: Day) -> None:
    assert np.array_equal(np.cumsum(day.arrived), np.cumsum(day.done) + day.backlog)
    assert day.waits.sum() == day.done.sum()
    assert (day.hidden >= 0).all()
    assert (day.in_flight + day.hidden <= day.backlog).all()


def mean_wait_s(day: Day) -> float:
    return float((day.waits * np.arange(len(day.waits))).sum() / day.waits.sum())


@settings(max_examples=30, deadline=None)
@given(
    arrivals=st.lists(st.integers(0, 400), min_size=1, max_size=600),
    rate=st.floats(0.1, 40),
    least=st.integers(0, 4),
    length=st.integers(1, 500),
    interruptions=st.floats(0, 20_000),
    lost=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_what_arrived_is_done_or_in_the_queue_at_every_second(
    arrivals: list[int], rate: float, least: int, length: int, interruptions: float, lost: float, seed: int
):
    options = CapacityOptions(
        worker=Worker(photos_a_second=rate),
        scaling=Scaling(min_replicas=least, queue_length=length, max_replicas=50),
        fleet=Fleet(spot_interruptions_a_day=interruptions, lost_ratio=lost, node_provisioning_s=10),
        seed=seed,
    )
    day = simulate_day(np.array(arrivals), options)
    assert_conserved(day)
    assert (day.ready <= day.replicas).all() or interruptions
    assert (day.paid >= day.ready).all()


def test_a_day_worked_out_by_hand():
    day = simulate_day(np.array([5, 0, 1, 0, 0]), fixed(1, 2.5))
    assert day.done.tolist() == [0, 2, 3, 1, 0]  # two a second, and the halves make a third
    assert day.backlog.tolist() == [5, 3, 1, 0, 0]
    assert day.oldest_s.tolist() == [0, 1, 0, 0, 0]
    assert day.waits.tolist() == [0, 3, 3]  # 2 of the first five and the late one after 1 s, 3 after 2 s
    assert (day.wait_quantile_s(0.5), day.wait_quantile_s(0.51)) == (1, 2)


def test_idle_pods_save_nothing_up():
    day = simulate_day(np.array([0] * 100 + [10, 0, 0, 0, 0, 0]), fixed(1, 2))
    assert day.done[-5:].tolist() == [2, 2, 2, 2, 2]


@pytest.mark.parametrize("load", [0.5, 0.8, 0.9])
def test_one_pod_at_one_photo_a_second_waits_as_pollaczek_and_khinchine_say(load: float):
    """Q' = max(Q - 1, 0) + Poisson(ρ) is the embedded chain of M/D/1: E[Q] = ρ + ρ² / (2 (1 - ρ))."""
    arrivals = np.random.default_rng(5).poisson(load, 100_000)
    day = simulate_day(arrivals, fixed(1, 1))
    assert day.backlog.mean() == pytest.approx(load + load**2 / (2 * (1 - load)), rel=0.1)


@pytest.mark.parametrize(("pods", "rate", "load"), [(1, 1, 0.8), (4, 2.5, 0.95), (20, 15.6, 0.9)])
def test_littles_law_holds(pods: int, rate: float, load: float):
    busy = np.random.default_rng(5).poisson(load * pods * rate, 20_000)
    arrivals = np.concatenate([busy, np.zeros(2_000, int)])  # so that all are done at the end
    day = simulate_day(arrivals, fixed(pods, rate))
    assert day.backlog[-1] == 0
    assert day.backlog.sum() == pytest.approx(arrivals.sum() * mean_wait_s(day))


def test_a_backlog_is_bounded_below_full_load_and_grows_by_the_surplus_above():
    below = simulate_day(np.full(5_000, 9), fixed(2, 5))
    above = simulate_day(np.full(5_000, 12), fixed(2, 5))
    assert below.backlog.max() == 9
    assert above.backlog[-1] == 4_999 * 2 + 12


def test_more_pods_than_the_arrivals_need_change_no_wait():
    arrivals = np.random.default_rng(5).poisson(20, 2_000)
    assert (
        simulate_day(arrivals, fixed(10, 15.6)).waits.tolist() == simulate_day(arrivals, fixed(20, 15.6)).waits.tolist()
    )


def test_from_zero_the_first_photo_waits_for_poll_node_image_and_start():
    arrivals = np.zeros(600, int)
    arrivals[31] = 1
    fleet = Fleet(pod_start_s=6, image_pull_s=30, node_provisioning_s=90, spot_interruptions_a_day=0)
    day = simulate_day(arrivals, CapacityOptions(fleet=fleet))
    assert np.flatnonzero(day.done).tolist() == [60 + 126]
    assert day.oldest_s.max() == 60 + 126 - 31 - 1


def test_a_lost_pods_messages_come_back_after_the_visibility_timeout():
    options = fixed(
        1, 10, fleet=Fleet(spot_interruptions_a_day=1e9, lost_ratio=1, node_provisioning_s=1e6)
    )  # interrupted at the first second, for good
    day = simulate_day(np.array([100] + [0] * 130), options)
    assert day.hidden[:120].tolist() == [30] * 120
    assert day.hidden[120:].tolist() == [0] * 11
    assert day.backlog.tolist() == [100] * 131
    assert_conserved(day)


def test_a_pod_that_is_told_to_go_hides_nothing():
    options = fixed(1, 10, fleet=Fleet(spot_interruptions_a_day=1e9, lost_ratio=0))
    day = simulate_day(np.full(600, 5), options)
    assert day.interruptions > 0
    assert day.hidden.max() == 0
    assert_conserved(day)


def test_interruptions_come_as_often_as_is_said():
    fleet = Fleet(spot_interruptions_a_day=2, pod_start_s=0, image_pull_s=0, node_provisioning_s=0)
    options = fixed(500, 1, fleet=fleet)
    assert simulate_day(np.zeros(86_400, int), options).interruptions == pytest.approx(1000, abs=4 * 1000**0.5)


def test_the_same_seed_is_the_same_day():
    arrivals = np.random.default_rng(5).poisson(40, 3_000)
    options = CapacityOptions(fleet=Fleet(spot_interruptions_a_day=200, lost_ratio=0.5))
    one, two = simulate_day(arrivals, options), simulate_day(arrivals, options)
    other = simulate_day(arrivals, options.model_copy(update={"seed": 2}))
    assert one.interruptions > 0
    for name in ("done", "backlog", "hidden", "oldest_s", "replicas", "ready", "paid", "waits"):
        assert np.array_equal(getattr(one, name), getattr(two, name)), name
    assert not np.array_equal(one.ready, other.ready)
