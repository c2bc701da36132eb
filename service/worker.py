"""worker: receive → fetch → batch → pipeline → store → settle, each in threads of its own, with bounded queues between.

    receiver → [tasks] → fetchers → [decoded] → batcher → [ended] → storer
    renewer: extends everything in flight, until the last message is settled

A message is deleted only after each of its results is stored. A photo that cannot be inspected becomes a stored
rejection; anything else sends the message back with a growing pause, and SQS moves it to the dead-letter queue.
Must not know: pixels.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog

from service import metrics
from service.errors import BadRequest, DeadlinePassed, PermanentError, QueueUnavailable, TransientError
from service.in_flight import Delivery, InFlight
from service.ledger import Ledger
from service.model_source import PipelineSource
from service.observation import DriftWatch, observe_finding
from service.photo import PhotoBytes, PhotoLimits, PhotoStorage, check_photo
from service.pipeline import Decoded
from service.renewal import Renewal
from service.request import InspectionRequest, parse_message
from service.result import ResultStore, build_message_rejection, build_rejection, build_result
from service.settlement import Ended, Settler
from service.sqs import MAX_BATCH, Message, Queue

_LOG: Final = structlog.get_logger()
_TICK_S: Final = 0.2
_BATCHES_SHARE_OF_GRACE: Final = 0.8


@dataclass(frozen=True)
class WorkerOptions:
    """Sizes and times of the worker; `service/settings.py` says what each means."""

    batch_photos: int = 8
    batch_age_s: float = 0.2
    fetch_threads: int = 4
    store_threads: int = 4
    max_in_flight_messages: int = 30
    receive_wait_s: int = 20
    visibility_timeout_s: int = 120
    renewal_interval_s: float = 30
    retry_pause_s: int = 5
    retry_pause_max_s: int = 900
    shutdown_grace_s: float = 20
    drift_window_photos: int = 500


@dataclass(frozen=True)
class _Task:
    """One photo of one delivery, on its way through the worker."""

    delivery: Delivery
    request: InspectionRequest


@dataclass(frozen=True)
class _DecodedTask:
    task: _Task
    photo: PhotoBytes
    decoded: Decoded


class Worker:
    """Works one queue until it is told to stop, or until the queue is empty."""

    def __init__(
        self,
        messages: Queue,
        photos: PhotoStorage,
        limits: PhotoLimits,
        models: PipelineSource,
        results: ResultStore,
        ledger: Ledger,
        options: WorkerOptions,
    ) -> None:
        self._messages = messages
        self._photos = photos
        self._limits = limits
        self._models = models
        self._drift = DriftWatch(options.drift_window_photos)
        self._results = results
        self._options = options
        self._in_flight = InFlight(options.max_in_flight_messages)
        self._settler = Settler(
            messages,
            results,
            ledger,
            self._in_flight,
            model_set=lambda: models.pipeline.digest,
            retry_pause_s=options.retry_pause_s,
            retry_pause_max_s=options.retry_pause_max_s,
        )
        self._outages = self._settler.outages
        self._tasks: queue.Queue[_Task] = queue.Queue()  # bounded by max_in_flight_messages
        self._decoded: queue.Queue[_DecodedTask] = queue.Queue(maxsize=2 * options.batch_photos)
        self._ended: queue.Queue[Ended] = queue.Queue()  # bounded by max_in_flight_messages
        self._stopping = threading.Event()
        self._received = threading.Event()
        self._fetched = threading.Event()
        self._inspected = threading.Event()
        self._settled = threading.Event()
        self._is_running = False
        self._crash: BaseException | None = None
        self._threads: list[threading.Thread] = []
        self._store_pool = ThreadPoolExecutor(options.store_threads, thread_name_prefix="store")

    def request_stop(self) -> None:
        """Ask the worker to end; safe from a signal handler, and as often as one likes."""
        self._stopping.set()

    def is_alive(self) -> bool:
        """Whether no thread has died; those of a stopping worker may end."""
        if self._crash is not None:
            return False
        return self._stopping.is_set() or all(thread.is_alive() for thread in self._threads)

    def is_ready(self) -> bool:
        """Whether the worker takes messages."""
        return self._is_running and self.is_alive() and not self._stopping.is_set()

    def run(self, *, drain: bool = False) -> None:
        """Work until asked to stop.

        Args:
            drain: also end when the queue holds no message, visible or hidden, and everything is settled.

        Raises:
            BaseException: whatever killed one of the threads; the messages in work have been given back.
        """
        receiver = self._spawn("receiver", lambda: self._receive_messages(drain=drain))
        fetchers = [self._spawn(f"fetcher-{i}", self._fetch_photos) for i in range(self._options.fetch_threads)]
        batcher = self._spawn("batcher", self._inspect_batches)
        storer = self._spawn("storer", self._settle_messages)
        renewal = Renewal(
            self._messages,
            self._in_flight,
            self._outages,
            interval_s=self._options.renewal_interval_s,
            visibility_timeout_s=self._options.visibility_timeout_s,
        )
        renewer = self._spawn("renewer", lambda: renewal.run(self._settled))
        self._is_running = True
        metrics.READY.set(1)
        try:
            while not self._stopping.wait(_TICK_S):
                pass
            metrics.READY.set(0)
            start = time.monotonic()
            batches_end = start + _BATCHES_SHARE_OF_GRACE * self._options.shutdown_grace_s
            receiver.join(_left(batches_end))
            self._received.set()
            for fetcher in fetchers:
                fetcher.join(_left(batches_end))
            self._fetched.set()
            batcher.join(_left(batches_end))
            self._inspected.set()
            storer.join(_left(start + self._options.shutdown_grace_s))
            self._return_rest()
        finally:
            metrics.READY.set(0)
            self._settled.set()
            renewer.join(5)
            self._store_pool.shutdown(wait=False, cancel_futures=True)
        if self._crash is not None:
            raise self._crash

    def _spawn(self, name: str, work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as error:
                _LOG.exception("thread_died", thread=name)
                self._crash = self._crash or error
                self._stopping.set()

        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)
        return thread

    # receive ---------------------------------------------------------------------------------------------------------

    def _receive_messages(self, *, drain: bool) -> None:
        wait_s = min(self._options.receive_wait_s, 1) if drain else self._options.receive_wait_s
        while not self._stopping.is_set():
            self._stopping.wait(self._outages.pause_s())
            if not self._in_flight.wait(lambda: self._in_flight.room() > 0, _TICK_S):
                continue
            try:
                received = self._messages.receive(
                    min(self._in_flight.room(), MAX_BATCH),
                    wait_s=wait_s,
                    visibility_timeout_s=self._options.visibility_timeout_s,
                )
                if not received and self._in_flight.is_empty():
                    self._outages.clear()
                    if drain and sum(self._messages.depth()) == 0:
                        self.request_stop()
            except QueueUnavailable as error:
                self._outages.note(error)
                continue
            for message in received:
                self._open_delivery(message)

    def _open_delivery(self, message: Message) -> None:
        metrics.QUEUE_AGE.observe(max(time.time() - message.sent_at_s, 0))
        try:
            requests: Sequence[InspectionRequest | BadRequest] = parse_message(message.body)
        except BadRequest as error:
            requests = [error]
        delivery = Delivery(message, open_parts=max(len(requests), 1))
        self._in_flight.add(delivery)
        if not requests:
            self._ended.put(Ended(delivery))
        for record, request in enumerate(requests):
            if isinstance(request, BadRequest):
                rejection = build_message_rejection(
                    message.message_id, message.body, record, request, model_set=self._models.pipeline.digest
                )
                self._ended.put(Ended(delivery, rejection))
            else:
                self._tasks.put(_Task(delivery, request))

    # fetch -----------------------------------------------------------------------------------------------------------

    def _fetch_photos(self) -> None:
        while True:
            try:
                task = self._tasks.get(timeout=_TICK_S)
            except queue.Empty:
                if self._received.is_set():
                    return
                continue
            if self._stopping.is_set():
                self._ended.put(Ended(task.delivery, is_returned=True))
                continue
            ended = self._attempt(task, self._fetch_photo)
            if ended is not None:
                self._ended.put(ended)

    def _fetch_photo(self, task: _Task) -> Ended | None:
        """Fetch and decode one photo and hand it to the batcher; or end it here."""
        request = task.request
        if request.is_overdue(datetime.now(UTC)):
            raise DeadlinePassed(f"deadline: {request.deadline.isoformat()} is over")
        with metrics.FETCH.time():
            photo = self._photos.fetch_photo(request.photo)
        pipeline = self._models.pipeline
        visible = self._results.find(request.photo, photo.sha256, pipeline.digest)
        if visible is not None:
            metrics.DUPLICATES_FENCED.labels("fetch").inc()
            metrics.SKIPPED.labels("duplicate").inc()
            return Ended(task.delivery, visible, is_stored=True)
        try:
            check_photo(photo.body, self._limits)
            decoded = pipeline.decode(photo.body)
        except PermanentError as error:
            return self._reject(task, error, photo_sha256=photo.sha256)
        decoded_task = _DecodedTask(task, photo, decoded)
        while True:
            try:
                self._decoded.put(decoded_task, timeout=_TICK_S)
            except queue.Full:
                if self._inspected.is_set():
                    return Ended(task.delivery, is_returned=True)
            else:
                return None

    def _reject(self, task: _Task, error: PermanentError, *, photo_sha256: str | None) -> Ended:
        model_set = self._models.pipeline.digest
        rejection = build_rejection(task.request, error, photo_sha256=photo_sha256, model_set=model_set)
        return Ended(task.delivery, rejection)

    # inspect ---------------------------------------------------------------------------------------------------------

    def _inspect_batches(self) -> None:
        while True:
            batch = self._gather_batch()
            if not batch:
                if self._fetched.is_set() and self._decoded.empty():
                    return
                continue
            metrics.BATCH_PHOTOS.observe(len(batch))
            for part in self._inspect_apart(batch):
                self._ended.put(part)

    def _inspect_apart(self, batch: Sequence[_DecodedTask]) -> list[Ended]:
        """Inspect a batch; if it fails, each photo alone, since one may be to blame and the others go on without it."""
        if len(batch) == 1:
            ended = self._attempt(batch[0].task, lambda _: self._inspect(batch)[0])
            return [ended] if ended is not None else []
        try:
            return self._inspect(batch)
        except Exception as error:
            _LOG.warning("batch_failed", photos=len(batch), error=type(error).__name__, reason=str(error))
            return [ended for single in batch for ended in self._inspect_apart([single])]

    def _gather_batch(self) -> list[_DecodedTask]:
        """Wait for a micro-batch: full, or its first photo old enough, whichever is first."""
        try:
            batch = [self._decoded.get(timeout=_TICK_S)]
        except queue.Empty:
            return []
        deadline = time.monotonic() + self._options.batch_age_s
        while len(batch) < self._options.batch_photos:
            try:
                batch.append(self._decoded.get(timeout=max(deadline - time.monotonic(), 0.001)))
            except queue.Empty:
                break
        return batch

    def _inspect(self, batch: Sequence[_DecodedTask]) -> list[Ended]:
        pipeline = self._models.pipeline  # once: a batch has one model set, also when another takes its place meanwhile
        findings = pipeline.inspect([single.decoded for single in batch])
        ended = []
        for single, finding in zip(batch, findings, strict=True):
            observe_finding(finding, pipeline.digest)
            self._drift.observe(finding, pipeline)
            result = build_result(
                single.task.request,
                finding,
                photo_sha256=single.photo.sha256,
                model_set=pipeline.digest,
            )
            ended.append(Ended(single.task.delivery, result))
        return ended

    def _attempt(self, task: _Task, work: Callable[[_Task], Ended | None]) -> Ended | None:
        """Do work for one photo; whatever it raises decides the photo's fate and nobody else's."""
        try:
            return work(task)
        except PermanentError as error:
            return self._reject(task, error, photo_sha256=None)
        except TransientError as error:
            self._outages.note(error)
            return Ended(task.delivery, error=error)
        except Exception as error:
            _LOG.exception("bug", message_id=task.delivery.message.message_id, photo=task.request.photo.key)
            return Ended(task.delivery, error=error)

    # store and settle ------------------------------------------------------------------------------------------------

    def _settle_messages(self) -> None:
        undeleted: list[Delivery] = []
        while True:
            ended = self._gather_ended()
            stored = self._settler.record(list(self._store_pool.map(self._store, ended)))
            closed = [
                part.delivery
                for part in stored
                if part.delivery.end_part(error=part.error, is_returned=part.is_returned)
            ]
            self._settler.release([delivery for delivery in closed if delivery.goes_back])
            undeleted += [delivery for delivery in closed if not delivery.goes_back]
            undeleted = self._settler.delete(undeleted)
            if self._inspected.is_set() and self._ended.empty() and not ended:
                return

    def _gather_ended(self) -> list[Ended]:
        """Wait for something to settle, and take along what else is there."""
        ended: list[Ended] = []
        try:
            ended.append(self._ended.get(timeout=_TICK_S))
            while len(ended) < 2 * MAX_BATCH:
                ended.append(self._ended.get_nowait())
        except queue.Empty:
            pass
        return ended

    def _store(self, part: Ended) -> Ended:
        try:
            return self._settler.store(part)
        except Exception as error:
            _LOG.exception("bug", message_id=part.delivery.message.message_id)
            return Ended(part.delivery, error=error)

    def _return_rest(self) -> None:
        """Give back what the grace did not suffice for."""
        rest = self._in_flight.snapshot()
        for delivery in rest:
            delivery.is_returned = True
        self._settler.release(rest)


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0)
