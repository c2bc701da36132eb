"""scaling: messages in the queue become a number of pods, as KEDA and the HPA decide it.

In:   messages, visible and in flight, and the pods there are. Out: pods there should be.
Must not know: arrivals, prices, how long a pod takes to start.
"""

import math
from collections import deque

from service.capacity.options import Scaling


def compute_desired(messages: int, replicas: int, *, queue_length: float, tolerance: float) -> int:
    """The HPA's formula for an external metric with an average value, which is what KEDA gives it.

    Args:
        messages: the metric: visible and in flight.
        replicas: pods there are, at least 1.
        queue_length: target a pod.
        tolerance: no change while messages / (queue_length × replicas) is within 1 ± tolerance.

    Source: Kubernetes, pkg/controller/podautoscaler/replica_calculator.go, GetExternalPerPodMetricReplicas.
    """
    ratio = messages / (queue_length * replicas)
    if abs(1 - ratio) <= tolerance:
        return replicas
    return math.ceil(messages / queue_length)


class Autoscaler:
    """KEDA's 0 ↔ 1 and the HPA's 1 ↔ N over one Deployment."""

    def __init__(self, rules: Scaling) -> None:
        self._rules = rules
        self._recommended: deque[tuple[int, int]] = deque()
        self._active_s = 0

    def decide(self, now_s: int, messages: int, replicas: int) -> int:
        """The pods there should be from now on; call it every second.

        Args:
            now_s: seconds since midnight.
            messages: visible and in flight.
            replicas: pods there should be until now.
        """
        rules = self._rules
        if now_s % rules.polling_interval_s == 0:
            if messages > rules.activation_messages:
                self._active_s = now_s
                replicas = max(replicas, rules.min_replicas, 1)
            elif rules.min_replicas == 0 and now_s - self._active_s >= rules.cooldown_s:
                self._recommended.clear()
                return 0
        if replicas > 0 and now_s % rules.sync_s == 0:
            return self._sync(now_s, messages, replicas)
        return replicas

    def _sync(self, now_s: int, messages: int, replicas: int) -> int:
        """One decision of the HPA: the formula, bounds, the policy for more pods, the window for fewer."""
        rules = self._rules
        desired = compute_desired(messages, replicas, queue_length=rules.queue_length, tolerance=rules.tolerance)
        desired = max(desired, rules.min_replicas, 1)
        if rules.max_replicas:
            desired = min(desired, rules.max_replicas)
        self._recommended.append((now_s, desired))
        while self._recommended[0][0] <= now_s - rules.down_window_s and len(self._recommended) > 1:
            self._recommended.popleft()
        if desired > replicas:
            return min(desired, max(math.ceil(replicas * (1 + rules.up_ratio)), replicas + rules.up_pods))
        return min(replicas, max(recommended for _, recommended in self._recommended))
