"""Days as the tests of what comes after the simulation need them, worked out by hand."""

import numpy as np

from service.capacity.simulation import Day


def day(seconds: int, **series: int | list[int]) -> Day:
    """A day of so many seconds; each series a value for all of them, or a list; what is not named is 0."""
    names = ("arrived", "done", "backlog", "in_flight", "hidden", "oldest_s", "replicas", "ready", "paid")
    arrays = {name: np.zeros(seconds, np.int64) + np.array(series.get(name, 0)) for name in names}
    return Day(**arrays, waits=np.array([0, int(arrays["done"].sum())]), interruptions=0)
