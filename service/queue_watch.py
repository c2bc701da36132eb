"""queue_watch: tells Prometheus how full the queue and its dead-letter queue are.

Must not know: what a message asks for.
"""

import threading
from typing import Final

import structlog

from service import metrics
from service.errors import QueueUnavailable, SetupError
from service.sqs import Queue

_LOG: Final = structlog.get_logger()
_STATES: Final = ("visible", "hidden", "delayed")


class QueueWatch:
    """Counts messages every interval_s from a thread of its own."""

    def __init__(self, messages: Queue, *, interval_s: float) -> None:
        """Name the queue; nothing is called yet.

        Args:
            messages: the queue.
            interval_s: time between two counts.
        """
        self._messages, self._interval_s = messages, interval_s
        self._dead: Queue | None = None
        self._has_dead = True
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="queue-watch", daemon=True)

    def start(self) -> None:
        """Begin to count."""
        self._thread.start()

    def close(self) -> None:
        """Stop to count."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(5)

    def count(self) -> None:
        """Count once; what cannot be counted keeps its last value."""
        try:
            for state, messages in zip(_STATES, self._messages.count(), strict=True):
                metrics.QUEUE_MESSAGES.labels(state).set(messages)
            if self._dead is None and self._has_dead:
                self._dead = self._find_dead_letter_queue()
            if self._dead is not None:
                metrics.DEAD_LETTERS.labels(self._dead.url.rsplit("/", 1)[-1]).set(sum(self._dead.count()))
        except QueueUnavailable as error:
            _LOG.warning("queue_uncounted", reason=str(error))

    def _find_dead_letter_queue(self) -> Queue | None:
        try:
            return self._messages.dead_letter_queue()
        except SetupError:
            self._has_dead = False
            return None

    def _watch(self) -> None:
        self.count()
        while not self._stopping.wait(self._interval_s):
            self.count()
