"""renewal: everything in flight stays hidden from other workers until it is settled.

Must not know: photos, what a message asks for.
"""

import threading

from service import metrics
from service.errors import QueueUnavailable
from service.in_flight import InFlight
from service.settlement import Outages
from service.sqs import Queue


class Renewal:
    """Extends the visibility timeout of every delivery in flight."""

    def __init__(
        self, messages: Queue, in_flight: InFlight, outages: Outages, *, interval_s: float, visibility_timeout_s: int
    ) -> None:
        """Join the edges; nothing is called yet.

        Args:
            messages: the queue.
            in_flight: what is received and not yet settled; what SQS refuses to extend is marked lost there.
            outages: learns when SQS does not answer.
            interval_s: time between two rounds.
            visibility_timeout_s: how long each round hides a message.
        """
        self._messages, self._in_flight, self._outages = messages, in_flight, outages
        self._interval_s, self._visibility_timeout_s = interval_s, visibility_timeout_s

    def run(self, settled: threading.Event) -> None:
        """Renew until everything is settled."""
        while not settled.wait(self._interval_s):
            self.renew()

    def renew(self) -> None:
        """Extend everything in flight once."""
        held = [delivery for delivery in self._in_flight.snapshot() if not delivery.is_lost]
        if not held:
            return
        try:
            refused = self._messages.extend([delivery.message for delivery in held], self._visibility_timeout_s)
        except QueueUnavailable as error:
            metrics.RENEWALS.labels("unavailable").inc(len(held))
            self._outages.note(error)
            return
        for delivery in held:
            delivery.is_lost = delivery.message.receipt_handle in refused
            metrics.RENEWALS.labels("refused" if delivery.is_lost else "extended").inc()
