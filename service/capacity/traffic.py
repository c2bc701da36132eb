"""traffic: a day's photos become arrivals a second.

In:   Traffic. Out: int64 (86400,), photos that arrive in each second of the day.
Must not know: pods, prices.
"""

import numpy as np

from service.capacity.options import DAY_S, Traffic


def compute_rates(traffic: Traffic) -> np.ndarray:
    """Expected arrivals.

    Returns:
        float64 (86400,), photos a second; the sum is traffic.photos_a_day.
    """
    hours = (np.arange(DAY_S) + 0.5) / 3600
    begin_s = round(traffic.burst_hour * 3600)
    burst = np.zeros(DAY_S)
    burst[begin_s : begin_s + max(round(traffic.burst_minutes * 60), 1)] = 1
    shapes = [
        (traffic.morning_ratio, _bell(hours, traffic.morning_hour, traffic.morning_spread_h)),
        (traffic.evening_ratio, _bell(hours, traffic.evening_hour, traffic.evening_spread_h)),
        (traffic.burst_ratio, burst),
    ]
    even_ratio = 1 - sum(ratio for ratio, _ in shapes)
    shapes.append((even_ratio, np.ones(DAY_S)))
    return traffic.photos_a_day * sum(ratio * shape / shape.sum() for ratio, shape in shapes)


def draw_arrivals(traffic: Traffic, seed: int) -> np.ndarray:
    """Draw one day: Poisson around the expected rates; the same seed is the same day.

    Returns:
        int64 (86400,), photos.
    """
    return np.random.default_rng(seed).poisson(compute_rates(traffic))


def _bell(hours: np.ndarray, middle: float, spread_h: float) -> np.ndarray:
    """A normal curve around the clock: what would lie after midnight is on the same day's morning."""
    apart = np.abs(hours - middle % 24)
    return np.exp(-0.5 * (np.minimum(apart, 24 - apart) / spread_h) ** 2)
