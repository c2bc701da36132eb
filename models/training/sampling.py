"""Which photos a step sees, by the step's number alone, and batches made ahead of the network in threads."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np


def step_rng(seed: int, step: int) -> np.random.Generator:
    """The chance of one step, whatever came before it: a resumed run meets the batches of an unbroken one."""
    return np.random.default_rng([seed, step])


def draw_item(groups: Sequence[Sequence[Any]], shares: Sequence[float], rng: np.random.Generator) -> Any:
    """Draw a group by its share, then any item of it.

    Args:
        groups: items by source; an empty group is left out.
        shares: relative weight of each group.
        rng: source of chance.

    Raises:
        ValueError: no group has both items and a share.
    """
    weights = np.array([share * bool(len(group)) for group, share in zip(groups, shares, strict=True)], np.float64)
    if not weights.sum() > 0:
        raise ValueError("groups: expected at least one item with a share above 0, found none")
    group = groups[int(rng.choice(len(groups), p=weights / weights.sum()))]
    return group[int(rng.integers(len(group)))]


def prefetch(
    make_batch: Callable[[int], Any], start_step: int, *, end_step: int | None = None, workers: int = 1, depth: int = 6
) -> Iterator[Any]:
    """Make batches in threads, a few ahead of their use, and yield them in the order of their steps.

    Args:
        make_batch: step to batch; what it raises is raised here, when that step's turn comes.
        start_step: the first step.
        end_step: no batch of this step or a later one; None: endless.
        workers: threads.
        depth: batches begun ahead of their use, at least one a thread.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="prefetch") as pool:
        pending: deque[Any] = deque()
        step = start_step
        try:
            while end_step is None or step < end_step or pending:
                while len(pending) < max(depth, workers) and (end_step is None or step < end_step):
                    pending.append(pool.submit(make_batch, step))
                    step += 1
                yield pending.popleft().result()
        finally:
            for batch in pending:
                batch.cancel()
