"""settlement: the end of a message: results stored, rows written, then deleted; or given back with a pause.

Must not know: pixels, how a result was made.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from service import metrics
from service.errors import LedgerUnavailable, QueueUnavailable, TransientError
from service.in_flight import Delivery, InFlight
from service.ledger import Failure, Ledger
from service.result import InspectionResult, ResultStore
from service.sqs import Queue

_LOG: Final = structlog.get_logger()
_FIRST_OUTAGE_PAUSE_S: Final = 1.0
_LONGEST_OUTAGE_PAUSE_S: Final = 15.0


@dataclass(frozen=True)
class Ended:
    """A photo, or a message without photos, that has to be settled.

    Attributes:
        delivery: whose part has ended.
        result: what to store, if anything.
        error: why it has to be tried again, if it has.
        is_returned: it was not tried, because the worker stops.
        is_stored: the result is in the bucket already; only its row may be missing.
    """

    delivery: Delivery
    result: InspectionResult | None = None
    error: Exception | None = None
    is_returned: bool = False
    is_stored: bool = False


class Outages:
    """How long to pause before asking for more work while something we depend on is away."""

    def __init__(self) -> None:
        self._pause_s = 0.0

    def note(self, error: TransientError) -> None:
        """Something is away: pause, twice as long each time."""
        self._pause_s = min(max(self._pause_s * 2, _FIRST_OUTAGE_PAUSE_S), _LONGEST_OUTAGE_PAUSE_S)
        _LOG.warning("unavailable", error=type(error).__name__, reason=str(error), pause_s=self._pause_s)

    def clear(self) -> None:
        """All is well again."""
        self._pause_s = 0.0

    def pause_s(self) -> float:
        """Seconds to wait now; 0 while all is well."""
        return self._pause_s


class Settler:
    """Stores results, writes their rows, deletes or releases their messages."""

    def __init__(
        self,
        messages: Queue,
        results: ResultStore,
        ledger: Ledger,
        in_flight: InFlight,
        *,
        model_set: Callable[[], str],
        retry_pause_s: int,
        retry_pause_max_s: int,
    ) -> None:
        """Join the edges.

        Args:
            messages: the queue.
            results: the results bucket.
            ledger: open.
            in_flight: what is received and not yet settled.
            model_set: digest of the set that serves now; failures are counted under it.
            retry_pause_s: after the first failed attempt; doubles with each.
            retry_pause_max_s: the longest.
        """
        self._messages = messages
        self._results = results
        self._ledger = ledger
        self._in_flight = in_flight
        self._model_set = model_set
        self._retry_pause_s = retry_pause_s
        self._retry_pause_max_s = retry_pause_max_s
        self.outages: Final = Outages()

    def store(self, part: Ended) -> Ended:
        """Write one result unless one is visible; may run in many threads.

        Returns:
            The part with the visible result, or with the error that sends it back.
        """
        result = part.result
        if result is None or part.is_stored:
            return part
        try:
            with metrics.STORE.time():
                visible, is_ours = self._results.store(result)
        except TransientError as error:
            self.outages.note(error)
            return Ended(part.delivery, error=error)
        if not is_ours:
            metrics.DUPLICATES_FENCED.labels("store").inc()
            return Ended(part.delivery, visible)
        metrics.PHOTOS.labels(result.status, result.model_set).inc()
        if result.error is not None:
            metrics.REJECTIONS.labels(result.error).inc()
            metrics.SKIPPED.labels("rejected").inc()
        for region in result.regions:
            metrics.REGIONS.labels(region.label, result.model_set).inc()
        _LOG.info(
            "stored",
            image_id=result.image_id,
            status=result.status,
            reason=result.reason,
            regions=len(result.regions),
            timings_ms=result.timings_ms,
        )
        return part

    def record(self, parts: Sequence[Ended]) -> list[Ended]:
        """Write the rows of stored results, all in one transaction.

        Returns:
            The parts; those whose row could not be written with the error that sends them back.
        """
        visible = [part.result for part in parts if part.result is not None]
        try:
            self._ledger.record_results(visible)
        except LedgerUnavailable as error:
            self.outages.note(error)
            return [part if part.result is None else Ended(part.delivery, error=error) for part in parts]
        if visible:
            self.outages.clear()
        return list(parts)

    def delete(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Delete settled messages in batches.

        Returns:
            Those that have to be tried again, because SQS does not answer.
        """
        try:
            refused = self._messages.delete([delivery.message for delivery in deliveries])
        except QueueUnavailable as error:
            self.outages.note(error)
            time.sleep(_FIRST_OUTAGE_PAUSE_S)
            return list(deliveries)
        for delivery in deliveries:
            is_lost = delivery.message.receipt_handle in refused
            metrics.MESSAGES.labels("lost" if is_lost else "deleted").inc()
            self._in_flight.remove(delivery)
        return []

    def release(self, deliveries: Sequence[Delivery]) -> None:
        """Give messages back: those without fault at once, the others after a pause that doubles with each attempt.

        What SQS does not take back now comes back when its visibility timeout ends.
        """
        if not deliveries:
            return
        failures = [_describe_failure(delivery) for delivery in deliveries if delivery.error is not None]
        for failure in failures:
            metrics.FAILURES.labels(failure.error, self._model_set()).inc()
            _LOG.warning("released", **failure.__dict__)
        try:
            self._ledger.record_failures(failures)
        except LedgerUnavailable as error:
            self.outages.note(error)
        try:
            self._messages.release([(delivery.message, self._pause_s(delivery)) for delivery in deliveries])
        except QueueUnavailable as error:
            self.outages.note(error)
        for delivery in deliveries:
            metrics.MESSAGES.labels("released").inc()
            self._in_flight.remove(delivery)

    def _pause_s(self, delivery: Delivery) -> int:
        if delivery.error is None:
            return 0
        doublings = min(delivery.message.receive_count - 1, 20)
        return min(self._retry_pause_s * 2**doublings, self._retry_pause_max_s)


def _describe_failure(delivery: Delivery) -> Failure:
    error = delivery.error
    return Failure(delivery.message.message_id, delivery.message.receive_count, type(error).__name__, str(error))
