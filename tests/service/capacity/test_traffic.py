"""A day's photos arrive when the options say, and none is lost or added on the way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from service.capacity.options import DAY_S, Traffic
from service.capacity.traffic import compute_rates, draw_arrivals

EVEN = {"morning_ratio": 0, "evening_ratio": 0, "burst_ratio": 0}


def test_without_peaks_each_second_is_alike():
    assert compute_rates(Traffic(photos_a_day=86_400, **EVEN)) == pytest.approx(np.ones(DAY_S))


def test_a_burst_is_even_and_lies_where_it_is_said():
    rates = compute_rates(Traffic(photos_a_day=9_000, burst_hour=2, burst_minutes=15, **{**EVEN, "burst_ratio": 1}))
    assert rates[7_199] == 0
    assert rates[7_200:8_100] == pytest.approx(np.full(900, 10))
    assert rates[8_100] == 0


def test_the_peaks_lie_at_their_hours():
    rates = compute_rates(Traffic(burst_ratio=0))
    assert np.argmax(rates[: DAY_S // 2]) / 3600 == pytest.approx(8, abs=0.02)
    assert DAY_S // 2 / 3600 + np.argmax(rates[DAY_S // 2 :]) / 3600 == pytest.approx(18, abs=0.02)


def test_what_a_late_peak_would_bring_after_midnight_comes_in_the_morning():
    rates = compute_rates(Traffic(evening_hour=24, evening_ratio=1, morning_ratio=0, burst_ratio=0))
    assert rates[0] == pytest.approx(rates[-1])
    assert rates[0] == rates.max()


@settings(max_examples=30, deadline=None)
@given(
    photos=st.integers(1, 10**10),
    morning=st.floats(0, 0.4),
    evening=st.floats(0, 0.4),
    burst=st.floats(0, 0.2),
    hour=st.floats(0, 23),
)
def test_any_day_adds_up_to_its_photos(photos: int, morning: float, evening: float, burst: float, hour: float):
    traffic = Traffic(
        photos_a_day=photos, morning_ratio=morning, evening_ratio=evening, burst_ratio=burst, burst_hour=hour
    )
    rates = compute_rates(traffic)
    assert rates.sum() == pytest.approx(photos)
    assert rates.min() >= 0


def test_the_same_seed_is_the_same_day_and_another_is_another():
    traffic = Traffic()
    assert np.array_equal(draw_arrivals(traffic, 1), draw_arrivals(traffic, 1))
    assert not np.array_equal(draw_arrivals(traffic, 1), draw_arrivals(traffic, 2))
    assert draw_arrivals(traffic, 1).sum() == pytest.approx(110_000, rel=0.01)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"photos_a_day": 0}, "traffic.photos_a_day"),
        ({"morning_ratio": 0.7}, "expected at most 1, found 1.15"),
        ({"evening_spread_h": 0}, "traffic.evening_spread_h"),
        ({"burst_hour": 23.9}, "traffic.burst_hour"),
        ({"photos": 5}, "photos"),
    ],
)
def test_a_day_that_cannot_be_is_refused_by_name(wrong: dict[str, float], named: str):
    with pytest.raises(ValidationError, match=named.replace(".", r"\.")):
        Traffic(**wrong)
