"""Maps a function over what another one yields, in threads, in order, a few items at a time.

The function has to spend its time where Python lets other threads run (numpy, OpenCV).
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def map_ahead(function: Callable[[Item], Answer], items: Iterable[Item]) -> Iterator[Answer]:
    """Yield function(item) of each item, in their order; a thread a core, two items each begun ahead at most.

    What the function raises is raised here, when its item's turn comes; what was begun is finished first.
    """
    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads, thread_name_prefix="judge") as pool:
        pending: deque[Future[Answer]] = deque()
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= 2 * threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
