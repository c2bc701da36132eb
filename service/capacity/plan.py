"""plan: loads and rules of scaling become outcomes to choose from.

In:   the options. Out: a Load each: what it meets, and what minReplicaCount and queueLength do to it.
Must not know: HTML.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from service.capacity.cost import Cost, price_day
from service.capacity.limits import peak_a_second
from service.capacity.options import CapacityOptions
from service.capacity.simulation import Day, simulate_day
from service.capacity.traffic import compute_rates, draw_arrivals

FACTORS: Final = (1, 10, 10_000)
"""A plan's loads: the traffic as given, and times these."""
_MIN_SHARES: Final = (0, 0.1, 0.25, 0.5, 1)
_QUEUE_LENGTHS_S: Final = (2, 10, 30, 60, 120)


@dataclass(frozen=True, eq=False)
class Outcome:
    """A day under one rule of scaling."""

    min_replicas: int
    max_replicas: int
    queue_length: float
    day: Day
    cost: Cost

    @property
    def oldest_s(self) -> int:
        """Age of the oldest message at its worst."""
        return int(self.day.oldest_s.max())


@dataclass(frozen=True, eq=False)
class Load:
    """One traffic under several rules.

    Attributes:
        factor: times the traffic of the options.
        peak_a_second: photos that arrive a second in the busiest minute.
        by_min: one outcome a minReplicaCount, ascending; the first scales from zero.
        by_queue_length: one a queueLength, ascending, from zero.
        chosen: the smallest minReplicaCount that keeps the objective, or the largest there is.
        is_kept: whether chosen keeps it.
    """

    factor: int
    peak_a_second: float
    by_min: tuple[Outcome, ...]
    by_queue_length: tuple[Outcome, ...]
    chosen: Outcome
    is_kept: bool


def plan_load(factor: int, options: CapacityOptions, on_day: Callable[[], object] = lambda: None) -> Load:
    """Simulate one load under every rule.

    Args:
        factor: times the options' photos a day.
        options: min_replicas is the least that is looked at.
        on_day: called after each simulated day.
    """
    traffic = options.traffic.model_copy(update={"photos_a_day": options.traffic.photos_a_day * factor})
    rules = options.scaling
    peak = peak_a_second(compute_rates(traffic))
    needed = math.ceil(peak / options.worker.photos_a_second)
    max_replicas = rules.max_replicas or max(
        math.ceil(peak / options.worker.photos_a_second / rules.peak_utilisation), rules.min_replicas
    )
    run = partial(_run, draw_arrivals(traffic, options.seed), options, max_replicas, on_day)
    lengths = [max(1, round(seconds * options.worker.photos_a_second)) for seconds in _QUEUE_LENGTHS_S]
    by_min = tuple(
        run(count, rules.queue_length) for count in _offer_minimums(rules.min_replicas, needed, max_replicas)
    )
    kept = [outcome for outcome in by_min if outcome.oldest_s < options.slo_oldest_s]
    return Load(
        factor,
        peak,
        by_min,
        tuple(run(rules.min_replicas, length) for length in lengths),
        kept[0] if kept else by_min[-1],
        is_kept=bool(kept),
    )


def count_days(loads: int) -> int:
    """How many days so many loads take, at most."""
    return loads * (len(_MIN_SHARES) + 1 + len(_QUEUE_LENGTHS_S))


def _offer_minimums(least: int, needed: int, most: int) -> list[int]:
    """From the least to what the busiest minute needs, one among them."""
    offered = {least, 1, *(math.ceil(share * needed) for share in _MIN_SHARES)}
    return sorted(count for count in offered if least <= count <= most)


def _run(
    arrivals: np.ndarray,
    options: CapacityOptions,
    max_replicas: int,
    on_day: Callable[[], object],
    min_replicas: int,
    queue_length: float,
) -> Outcome:
    rules = options.scaling.model_copy(
        update={"min_replicas": min_replicas, "max_replicas": max_replicas, "queue_length": queue_length}
    )
    own = options.model_copy(update={"scaling": rules})
    day = simulate_day(arrivals, own)
    on_day()
    return Outcome(min_replicas, max_replicas, queue_length, day, price_day(day, own))
