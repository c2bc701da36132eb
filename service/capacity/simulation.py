"""simulation: a day of arrivals, second by second, through queue, scaling and pods.

In:   arrivals a second and the options. Out: a Day.
Must not know: prices, limits, pages.

A photo is done in the second after its arrival at the earliest: about what receive, batch and networks take. Older
messages are served first; SQS promises that only roughly. A pod that is told to go gives back at once what it has not
begun; one that is lost without notice leaves its messages hidden until the visibility timeout.
"""

import heapq
from collections import deque
from dataclasses import dataclass

import numpy as np

from service.capacity.options import DAY_S, CapacityOptions
from service.capacity.pods import Pods
from service.capacity.scaling import Autoscaler


@dataclass(frozen=True, eq=False)
class Day:
    """What happened; arrays are int64 (S,), S seconds, each the state at the second's end or the count within it.

    Attributes:
        arrived: photos that came.
        done: photos that were finished.
        backlog: messages in the queue: visible, in flight or hidden.
        in_flight: of those, held by working pods.
        hidden: of those, left by a lost pod.
        oldest_s: age of the oldest message, seconds; 0 when there is none.
        replicas: pods asked for.
        ready: pods that work.
        paid: places on nodes that are paid.
        waits: int64 (longest wait + 1,), photos done by the seconds from arrival to done.
        interruptions: pods that lost their node.
    """

    arrived: np.ndarray
    done: np.ndarray
    backlog: np.ndarray
    in_flight: np.ndarray
    hidden: np.ndarray
    oldest_s: np.ndarray
    replicas: np.ndarray
    ready: np.ndarray
    paid: np.ndarray
    waits: np.ndarray
    interruptions: int

    def wait_quantile_s(self, quantile: float) -> int:
        """Seconds that this share of the photos had waited at most."""
        if self.waits.sum() == 0:
            return 0
        return int(np.searchsorted(np.cumsum(self.waits), quantile * self.waits.sum()))


def simulate_day(arrivals: np.ndarray, options: CapacityOptions) -> Day:
    """Let a day pass.

    Args:
        arrivals: int64 (S,), photos a second.
        options: traffic and prices are not looked at.

    Returns:
        The day; at each second, photos that arrived until then = done + backlog.
    """
    return _Simulation(options).run(arrivals)


class _Queue:
    """Messages by the second they arrived in."""

    def __init__(self) -> None:
        self._visible: deque[tuple[int, int]] = deque()
        self._hidden: list[tuple[float, int, int]] = []
        self.visible = 0
        self.hidden = 0

    def add(self, arrived_s: int, count: int) -> None:
        if count:
            self._visible.append((arrived_s, count))
            self.visible += count

    def take(self, limit: int) -> list[tuple[int, int]]:
        """Take the oldest messages, up to limit: (second of arrival, count)."""
        taken = []
        while limit > 0 and self._visible:
            arrived_s, count = self._visible.popleft()
            used = min(count, limit)
            if used < count:
                self._visible.appendleft((arrived_s, count - used))
            taken.append((arrived_s, used))
            limit -= used
            self.visible -= used
        return taken

    def hide(self, count: int, until_s: float) -> None:
        """Hide the oldest messages, as those of a lost pod are."""
        for arrived_s, used in self.take(count):
            heapq.heappush(self._hidden, (until_s, arrived_s, used))
            self.hidden += used

    def show(self, now_s: float) -> None:
        """Make visible again what has been hidden for long enough."""
        while self._hidden and self._hidden[0][0] <= now_s:
            _, arrived_s, count = heapq.heappop(self._hidden)
            self._visible.appendleft((arrived_s, count))
            self.visible += count
            self.hidden -= count

    def oldest_arrival_s(self) -> int:
        """When the oldest message arrived; there must be one."""
        if not self._hidden:
            return self._visible[0][0]
        hidden = min(arrived_s for _, arrived_s, _ in self._hidden)
        return min(hidden, self._visible[0][0]) if self._visible else hidden


class _Simulation:
    def __init__(self, options: CapacityOptions) -> None:
        self._worker = options.worker
        self._fleet = options.fleet
        self._autoscaler = Autoscaler(options.scaling)
        self._pods = Pods(
            options.fleet,
            shutdown_grace_s=options.worker.shutdown_grace_s,
            ready=options.scaling.min_replicas,
        )
        self._replicas = options.scaling.min_replicas
        self._interrupt_each_s = options.scaling.sync_s
        self._random = np.random.default_rng([options.seed, 1])
        self._queue = _Queue()
        self._credit = 0.0
        self._interruptions = 0
        self._waits: list[tuple[int, int]] = []

    def run(self, arrivals: np.ndarray) -> Day:
        pods, queue, autoscaler = self._pods, self._queue, self._autoscaler
        rows: list[tuple[int, ...]] = []
        for now_s, arrived in enumerate(arrivals.tolist()):
            queue.show(now_s)
            pods.advance(now_s)
            done = self._serve(now_s) if queue.visible else 0
            queue.add(now_s, arrived)
            self._interrupt(now_s)
            messages = queue.visible + queue.hidden
            wanted = autoscaler.decide(now_s, messages, self._replicas)
            if wanted != self._replicas:
                self._replicas = wanted
                pods.scale_to(wanted, now_s)
            age_s = now_s - queue.oldest_arrival_s() if messages else 0
            rows.append((done, messages, self._in_flight(), queue.hidden, age_s, wanted, pods.ready, pods.paid))
        columns = np.array(rows, np.int64).reshape(-1, 8).T
        waits, counts = np.array(self._waits or [(0, 0)]).T
        return Day(
            arrivals, *columns, waits=np.bincount(waits, counts).astype(np.int64), interruptions=self._interruptions
        )

    def _serve(self, now_s: int) -> int:
        """Finish what the working pods can in a second; a part of a photo is carried over only while there is work."""
        self._credit += self._pods.ready * self._worker.photos_a_second
        taken = self._queue.take(int(self._credit))
        self._waits += [(now_s - arrived_s, count) for arrived_s, count in taken]
        done = sum(count for _, count in taken)
        self._credit = min(self._credit - done, 1) if self._queue.visible else 0.0
        return done

    def _in_flight(self) -> int:
        return min(self._queue.visible, self._pods.ready * self._worker.max_in_flight_messages)

    def _interrupt(self, now_s: int) -> None:
        rate = self._fleet.spot_interruptions_a_day
        if not rate or now_s % self._interrupt_each_s or not self._pods.ready:
            return
        ready = self._pods.ready
        count = int(self._random.binomial(ready, min(rate * self._interrupt_each_s / DAY_S, 1)))
        lost = int(self._random.binomial(count, self._fleet.lost_ratio))
        self._queue.hide(self._in_flight() * lost // ready, now_s + self._worker.visibility_timeout_s)
        self._pods.interrupt(count, now_s)
        self._interruptions += count
