"""Which photo comes next: sources are mixed at given shares, samples prepared by a thread ahead of the network."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np


def draw_forever(groups: Sequence[Sequence[Any]], shares: Sequence[float], rng: np.random.Generator) -> Iterator[Any]:
    """Draw items: first a group by its share, then the next item of that group's shuffled round.

    Args:
        groups: items by source; an empty group is left out.
        shares: relative weight of each group.
        rng: source of chance.

    Raises:
        ValueError: every group is empty.
    """
    filled = [(list(group), share) for group, share in zip(groups, shares, strict=True) if len(group) and share > 0]
    if not filled:
        raise ValueError("groups: expected at least one item, found none")
    weights = np.array([share for _, share in filled])
    rounds: list[list[Any]] = [[] for _ in filled]
    while True:
        index = int(rng.choice(len(filled), p=weights / weights.sum()))
        if not rounds[index]:
            items = filled[index][0]
            rounds[index] = [items[i] for i in rng.permutation(len(items))]
        yield rounds[index].pop()


def prefetch(make: Callable[[], Any], *, depth: int = 6) -> Iterator[Any]:
    """Call make() over and over in one thread, a few results ahead of their use; what it raises is raised here."""
    with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as pool:
        pending = deque(pool.submit(make) for _ in range(depth))
        while True:
            yield pending.popleft().result()
            pending.append(pool.submit(make))
