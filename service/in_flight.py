"""What the worker holds: every message received and not yet settled.

A message may ask for several photos; it is settled when each of its parts has ended.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from service.metrics import IN_FLIGHT
from service.sqs import Message


@dataclass(eq=False)
class Delivery:
    """One message in work.

    Attributes:
        message: as received.
        open_parts: photos of it whose end is still to come.
        error: the first error that sends it back; None = all well so far.
        is_returned: it has no fault and is given back unfinished, because the worker stops.
        is_lost: SQS refused to renew it, so another worker may hold it.
    """

    message: Message
    open_parts: int
    error: Exception | None = None
    is_returned: bool = False
    is_lost: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def goes_back(self) -> bool:
        """Whether the message has to be delivered again."""
        return self.error is not None or self.is_returned

    def end_part(self, *, error: Exception | None = None, is_returned: bool = False) -> bool:
        """Note that one photo of the message has ended.

        Args:
            error: why it has to be tried again.
            is_returned: it was not tried.

        Returns:
            Whether it was the last part.
        """
        with self.lock:
            self.error = self.error or error
            self.is_returned = self.is_returned or is_returned
            self.open_parts -= 1
            return self.open_parts == 0


class InFlight:
    """The set of deliveries in work; every method may be called from any thread."""

    def __init__(self, limit: int) -> None:
        """Open an empty set.

        Args:
            limit: deliveries at most.
        """
        self._limit = limit
        self._deliveries: dict[str, Delivery] = {}
        self._changed = threading.Condition(threading.RLock())

    def add(self, delivery: Delivery) -> None:
        """Start to hold a delivery."""
        with self._changed:
            self._deliveries[delivery.message.receipt_handle] = delivery
            IN_FLIGHT.set(len(self._deliveries))

    def remove(self, delivery: Delivery) -> bool:
        """Cease to hold a delivery.

        Returns:
            Whether it was held.
        """
        with self._changed:
            held = self._deliveries.pop(delivery.message.receipt_handle, None) is not None
            IN_FLIGHT.set(len(self._deliveries))
            self._changed.notify_all()
            return held

    def snapshot(self) -> list[Delivery]:
        """What is held now."""
        with self._changed:
            return list(self._deliveries.values())

    def room(self) -> int:
        """How many deliveries may be added."""
        with self._changed:
            return self._limit - len(self._deliveries)

    def is_empty(self) -> bool:
        """Whether nothing is held."""
        with self._changed:
            return not self._deliveries

    def wait(self, is_reached: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until a condition on this set holds; it is asked again whenever a delivery leaves.

        Returns:
            Whether it held before the time was over.
        """
        with self._changed:
            return self._changed.wait_for(is_reached, timeout_s)
