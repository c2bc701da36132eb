"""Drift is told when the last photos are unlike the reference, and not before there are enough of them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.reference import build_reference
from service.drift import LARGE_PSI, DriftMonitor, measure_psi

HALVES = {"edges": [0.5], "shares": [0.5, 0.5], "photos": 1000}
REFERENCE = {"gate_score": HALVES, "brightness": HALVES}


def test_the_index_is_the_one_worked_out_by_hand():
    q, p = np.array([30.5, 70.5]) / 101, np.array([50.5, 50.5]) / 101
    expected = (q[0] - p[0]) * math.log(q[0] / p[0]) + (q[1] - p[1]) * math.log(q[1] / p[1])
    assert measure_psi(np.array([30.0, 70.0]), np.array([50.0, 50.0])) == pytest.approx(expected, rel=1e-12)
    assert expected == pytest.approx(0.16592, abs=1e-5)


def test_an_empty_bin_on_either_side_is_finite_and_large():
    for counts, reference in (([0.0, 100.0], [50.0, 50.0]), ([50.0, 50.0], [0.0, 100.0])):
        assert LARGE_PSI < measure_psi(np.array(counts), np.array(reference)) < 10


counts_of_six = st.lists(st.integers(0, 1000), min_size=6, max_size=6)


@given(counts_of_six, counts_of_six)
def test_the_index_is_symmetric_and_never_negative(one: list[int], other: list[int]):
    a, b = np.array(one, float), np.array(other, float)
    assert measure_psi(a, b) == pytest.approx(measure_psi(b, a))
    assert measure_psi(a, b) >= 0
    assert measure_psi(a, a) == 0


def test_photos_of_the_reference_score_about_what_theory_says():
    rng = np.random.default_rng(3)
    found = [
        measure_psi(rng.multinomial(500, [0.1] * 10).astype(float), rng.multinomial(300, [0.1] * 10).astype(float))
        for _ in range(200)
    ]
    assert np.mean(found) == pytest.approx(9 * (1 / 500 + 1 / 300), rel=0.15)
    assert max(found) < LARGE_PSI


def test_nothing_is_said_before_the_window_is_full():
    monitor = DriftMonitor(REFERENCE, window=4)
    assert [monitor.observe(0.1, 0.9) for _ in range(3)] == [{}, {}, {}]
    assert monitor.observe(0.1, 0.9).keys() == {"gate_score", "brightness"}


def test_each_value_is_watched_by_itself():
    monitor = DriftMonitor(REFERENCE, window=100)
    for photo in range(100):
        found = monitor.observe(photo % 2, 0.9)
    assert found["gate_score"] < 0.01
    assert found["brightness"] > LARGE_PSI


def test_old_photos_leave_the_window():
    monitor = DriftMonitor({"brightness": HALVES}, window=50)
    for _ in range(50):
        drifted = monitor.observe(0.5, 0.9)
    for photo in range(50):
        recovered = monitor.observe(0.5, photo % 2)
    assert drifted["brightness"] > LARGE_PSI
    assert recovered["brightness"] < 0.01


def test_a_bin_holds_its_lower_edge():
    upper = {"brightness": {"edges": [0.5], "shares": [0.0, 1.0], "photos": 1000}}
    at, below = DriftMonitor(upper, window=100), DriftMonitor(upper, window=100)
    for _ in range(100):
        found_at, found_below = at.observe(0.0, 0.5), below.observe(0.0, 0.49999)
    assert found_at["brightness"] < LARGE_PSI < found_below["brightness"]


def test_a_card_without_reference_is_not_watched():
    monitor = DriftMonitor({}, window=1)
    assert monitor.observe(0.5, 0.5) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edges": [0.5, 0.4]}, "brightness: edges: expected ascending"),
        ({"edges": [1.0]}, "brightness: edges: expected ascending"),
        ({"edges": []}, "brightness: shares: expected 1"),
        ({"edges": [float("nan")]}, "brightness: edges: expected ascending"),
        ({"shares": [1.0]}, "brightness: shares: expected 2"),
        ({"shares": [0.5, 0.6]}, "brightness: shares: expected parts of 1"),
        ({"shares": [-0.5, 1.5]}, "brightness: shares: expected parts of 1"),
        ({"photos": 0}, "brightness.photos"),
        ({"bins": 3}, "brightness.bins"),
    ],
)
def test_a_wrong_reference_is_refused_by_name(change: dict, message: str):
    with pytest.raises(ValueError, match=f"reference: {message}"):
        DriftMonitor({"brightness": {**HALVES, **change}})


def test_an_unknown_value_and_an_empty_window_are_refused():
    with pytest.raises(ValueError, match="expected gate_score, brightness, found contrast"):
        DriftMonitor({"contrast": HALVES})
    with pytest.raises(ValueError, match="window"):
        DriftMonitor(REFERENCE, window=0)


def test_what_evaluation_writes_can_be_read_and_finds_its_own_photos_unchanged():
    rng = np.random.default_rng(1)
    scores, brightness = rng.beta(1, 8, 2000), rng.beta(5, 5, 2000)
    reference = build_reference(scores, brightness, np.arange(2000) % 2 == 0, prevalence=0.5)
    monitor = DriftMonitor(reference, window=500)
    for score, light in zip(rng.beta(1, 8, 500), rng.beta(5, 5, 500), strict=True):
        same = monitor.observe(score, light)
    for score, light in zip(rng.beta(2, 4, 500), rng.beta(3, 9, 500), strict=True):
        other = monitor.observe(score, light)
    assert max(same.values()) < 0.1
    assert min(other.values()) > LARGE_PSI
