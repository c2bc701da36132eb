"""pods: what was asked for becomes pods that work, after nodes, pulls and starts; and places that are paid.

In:   pods that should be there. Out: pods that work, places paid.
Must not know: messages, why the pods are wanted.
"""

import heapq

from service.capacity.options import Fleet


class Pods:
    """The pods of one Deployment and the places on nodes that hold them.

    A place is one pod's share of a node, paid from when it is asked for until it has stood empty for node_linger_s.

    Attributes:
        ready: pods that work.
        starting: pods that were asked for and do not work yet.
        paid: places, with a pod or empty.
    """

    def __init__(self, fleet: Fleet, *, shutdown_grace_s: float, ready: int) -> None:
        """Start with pods that work already, each on its place.

        Args:
            fleet: how pods come and go.
            shutdown_grace_s: a pod that goes keeps its place so long.
            ready: pods at the beginning.
        """
        self._fleet = fleet
        self._grace_s = shutdown_grace_s
        self.ready = ready
        self.starting = 0
        self.paid = ready
        self._starts: list[tuple[float, int]] = []
        self._leaving: list[tuple[float, int]] = []
        self._empty: list[tuple[float, int]] = []

    def advance(self, now_s: float) -> None:
        """Let happen what is due: starts end, places of pods that went fall empty, empty places go."""
        while self._starts and self._starts[0][0] <= now_s:
            count = heapq.heappop(self._starts)[1]
            self.starting -= count
            self.ready += count
        while self._leaving and self._leaving[0][0] <= now_s:
            left_s, count = heapq.heappop(self._leaving)
            heapq.heappush(self._empty, (left_s + self._fleet.node_linger_s, count))
        while self._empty and self._empty[0][0] <= now_s:
            self.paid -= heapq.heappop(self._empty)[1]

    def scale_to(self, replicas: int, now_s: float) -> None:
        """Start or stop pods until ready and starting are so many; those that are still starting go first."""
        missing = replicas - self.ready - self.starting
        if missing > 0:
            self._start(missing, now_s)
        elif missing < 0:
            self._stop(-missing, now_s)

    def interrupt(self, count: int, now_s: float) -> None:
        """Take working pods and their nodes away; others start on fresh nodes."""
        self.ready -= count
        self.paid -= count
        self._start_fresh(count, now_s)

    def _start(self, count: int, now_s: float) -> None:
        reused = self._take_empty(count)
        if reused:
            self._push_start(now_s + self._fleet.pod_start_s, reused)
        self._start_fresh(count - reused, now_s)

    def _start_fresh(self, count: int, now_s: float) -> None:
        fleet = self._fleet
        if count:
            self.paid += count
            self._push_start(now_s + fleet.node_provisioning_s + fleet.image_pull_s + fleet.pod_start_s, count)

    def _push_start(self, ready_s: float, count: int) -> None:
        heapq.heappush(self._starts, (ready_s, count))
        self.starting += count

    def _take_empty(self, count: int) -> int:
        """Take up to count empty places, those that would go soonest first."""
        taken = 0
        while self._empty and taken < count:
            goes_s, places = heapq.heappop(self._empty)
            used = min(places, count - taken)
            taken += used
            if used < places:
                heapq.heappush(self._empty, (goes_s, places - used))
        return taken

    def _stop(self, count: int, now_s: float) -> None:
        unstarted = min(count, self.starting)
        left = unstarted
        self._starts.sort(reverse=True)  # the latest first
        kept = []
        for ready_s, starts in self._starts:
            gone = min(starts, left)
            left -= gone
            if starts > gone:
                kept.append((ready_s, starts - gone))
        self._starts = kept
        heapq.heapify(self._starts)
        self.starting -= unstarted
        self.ready -= count - unstarted
        heapq.heappush(self._leaving, (now_s + self._grace_s, count))
