"""Store, record, then delete; whatever is away in between sends the message back."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text
from structlog.testing import capture_logs

from service.embedded import EmbeddedAws
from service.errors import LedgerUnavailable, StorageUnavailable
from service.in_flight import Delivery, InFlight
from service.ledger import open_ledger
from service.result import ResultStore
from service.settlement import Ended, Outages, Settler
from service.sqs import Message, Queue
from tests.service.samples import rejection, result
from tests.service.world import sample


class Bench:
    """A settler on a real queue, a real bucket and a real ledger file; each can be taken away."""

    def __init__(self, aws: EmbeddedAws, aws_away: EmbeddedAws, folder: Path) -> None:
        name = uuid4().hex[:12]
        self.bucket = aws.create_bucket(f"results-{name}")
        self.queue = Queue(aws.client("sqs"), aws.create_queue(f"queue-{name}"))
        self.results = ResultStore(aws.client("s3"), bucket=self.bucket, prefix="results/")
        self.ledger_url = f"sqlite:///{folder / 'ledger.sqlite3'}"
        self.ledger = open_ledger(self.ledger_url)
        self.in_flight = InFlight(50)
        self._away = aws_away

    def settler(self, **changes: Any) -> Settler:
        parts = {"messages": self.queue, "results": self.results, "ledger": self.ledger, "in_flight": self.in_flight}
        return Settler(
            **{**parts, "model_set": lambda: "set-1", "retry_pause_s": 5, "retry_pause_max_s": 900, **changes}
        )

    def queue_away(self) -> Queue:
        return Queue(self._away.client("sqs"), self.queue.url)

    def results_away(self) -> ResultStore:
        return ResultStore(self._away.client("s3"), bucket=self.bucket, prefix="results/")

    def take_ledger_away(self) -> None:
        engine = create_engine(self.ledger_url)
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE inspections"))
            connection.execute(text("DROP TABLE failures"))
        engine.dispose()

    def receive(self, *bodies: str) -> list[Delivery]:
        for _ in self.queue.send(bodies):
            pass
        deliveries: list[Delivery] = []
        while len(deliveries) < len(bodies):
            deliveries += [Delivery(m, 1) for m in self.queue.receive(10, wait_s=1, visibility_timeout_s=60)]
        for delivery in deliveries:
            self.in_flight.add(delivery)
        return deliveries


@pytest.fixture
def bench(aws: EmbeddedAws, aws_away: EmbeddedAws, tmp_path: Path):
    built = Bench(aws, aws_away, tmp_path)
    yield built
    built.ledger.close()


def test_a_stored_and_recorded_result_lets_its_message_go(bench: Bench):
    settler = bench.settler()
    (delivery,) = bench.receive("x")
    part = Ended(delivery, result())

    assert settler.record([settler.store(part)]) == [part]
    assert settler.delete([delivery]) == []

    assert bench.queue.depth() == (0, 0)
    assert bench.in_flight.is_empty()
    assert bench.results.find(result().photo, result().photo_sha256, result().model_set) == result()
    assert bench.ledger.fetch_results() == [result()]
    assert settler.outages.pause_s() == 0


def test_a_result_that_came_second_gives_way_to_the_first_in_the_ledger_too(bench: Bench):
    settler = bench.settler()
    first, second = result(gate_score=0.9), result(gate_score=0.2)
    bench.results.store(first)
    fenced = sample("vehicle_damage_duplicates_fenced_total", at="store")
    (delivery,) = bench.receive("x")

    settler.record([settler.store(Ended(delivery, second))])

    assert bench.ledger.fetch_results() == [first]
    assert sample("vehicle_damage_duplicates_fenced_total", at="store") == fenced + 1


def test_what_is_stored_already_is_not_written_again(bench: Bench):
    settler = bench.settler(results=bench.results_away())
    (delivery,) = bench.receive("x")
    part = Ended(delivery, result(), is_stored=True)
    assert settler.store(part) is part
    settler.record([part])
    assert bench.ledger.fetch_results() == [result()]


def test_storage_away_sends_the_message_back_and_pauses(bench: Bench):
    settler = bench.settler(results=bench.results_away())
    (delivery,) = bench.receive("x")

    part = settler.store(Ended(delivery, result()))

    assert isinstance(part.error, StorageUnavailable)
    assert part.result is None
    assert settler.record([part]) == [part]
    assert bench.ledger.fetch_results() == []
    assert settler.outages.pause_s() == 1


def test_a_ledger_away_sends_stored_results_back_and_lets_the_others_be(bench: Bench):
    settler = bench.settler()
    stored, returned = bench.receive("x", "y")
    parts = [settler.store(Ended(stored, result())), Ended(returned, is_returned=True)]
    bench.take_ledger_away()

    recorded = settler.record(parts)

    assert isinstance(recorded[0].error, LedgerUnavailable)
    assert recorded[1] is parts[1]
    assert settler.outages.pause_s() > 0
    assert bench.results.find(result().photo, result().photo_sha256, result().model_set) is not None

    stored.end_part(error=recorded[0].error)
    settler.release([stored])
    bench.ledger = open_ledger(bench.ledger_url)
    again = bench.settler()
    redelivered = Ended(stored, result(), is_stored=True)
    assert again.record([again.store(redelivered)]) == [redelivered]
    assert bench.ledger.fetch_results() == [result()]


def test_a_message_that_failed_comes_back_with_its_reason_in_the_ledger(bench: Bench):
    settler = bench.settler(retry_pause_s=0)
    (delivery,) = bench.receive("x")
    delivery.end_part(error=StorageUnavailable("s3://fleet-photos/a.jpg: SlowDown"))

    settler.release([delivery])

    assert bench.in_flight.is_empty()
    assert bench.queue.depth() == (1, 0)
    (again,) = bench.queue.receive(1, wait_s=1, visibility_timeout_s=60)
    assert again.receive_count == 2
    failure = bench.ledger.fetch_failures([delivery.message.message_id])[delivery.message.message_id]
    assert (failure.error, failure.reason, failure.receive_count) == (
        "StorageUnavailable",
        "s3://fleet-photos/a.jpg: SlowDown",
        1,
    )


def test_a_message_without_fault_is_given_back_at_once_and_blamed_for_nothing(bench: Bench):
    settler = bench.settler(retry_pause_s=600)
    (delivery,) = bench.receive("x")
    delivery.end_part(is_returned=True)

    settler.release([delivery])

    assert bench.queue.depth() == (1, 0)
    assert bench.ledger.fetch_failures([delivery.message.message_id]) == {}


class RecordingQueue:
    """Notes the pauses that are asked for; refuses to delete what it is told to."""

    def __init__(self, refused: set[str] = frozenset()) -> None:
        self.pauses_s: list[int] = []
        self._refused = refused

    def release(self, pauses_s: list[tuple[Message, int]]) -> set[str]:
        self.pauses_s += [pause_s for _, pause_s in pauses_s]
        return set()

    def delete(self, messages: list[Message]) -> set[str]:
        return {message.receipt_handle for message in messages} & set(self._refused)


@pytest.mark.parametrize(
    ("receive_count", "pause_s"), [(1, 5), (2, 10), (3, 20), (7, 320), (8, 640), (9, 900), (10, 900), (10_000, 900)]
)
def test_the_pause_doubles_with_each_attempt_and_is_capped(bench: Bench, receive_count: int, pause_s: int):
    asked = RecordingQueue()
    message = Message("id", "receipt", "{}", receive_count, 0.0, {})
    bench.settler(messages=asked).release([Delivery(message, 0, error=ValueError("bug"))])
    assert asked.pauses_s == [pause_s]


def test_the_ledger_away_does_not_keep_a_failed_message(bench: Bench):
    settler = bench.settler(retry_pause_s=0)
    (delivery,) = bench.receive("x")
    delivery.end_part(error=ValueError("bug"))
    bench.take_ledger_away()

    settler.release([delivery])

    assert bench.queue.depth() == (1, 0)
    assert bench.in_flight.is_empty()
    assert settler.outages.pause_s() > 0


def test_a_queue_away_keeps_what_has_to_be_deleted_and_forgets_what_has_to_go_back(bench: Bench):
    settler = bench.settler(messages=bench.queue_away())
    done, failed = bench.receive("x", "y")
    failed.end_part(error=ValueError("bug"))

    assert settler.delete([done]) == [done]
    settler.release([failed])

    assert bench.in_flight.snapshot() == [done]
    assert bench.settler().delete([done]) == []
    assert bench.queue.depth() == (0, 1)


def test_a_message_whose_delete_is_refused_counts_as_lost(bench: Bench):
    messages = [Message(f"id-{i}", f"receipt-{i}", "{}", 1, 0.0, {}) for i in range(3)]
    deliveries = [Delivery(message, 0) for message in messages]
    for delivery in deliveries:
        bench.in_flight.add(delivery)
    lost, deleted = (sample("vehicle_damage_messages_total", outcome=o) for o in ("lost", "deleted"))

    assert bench.settler(messages=RecordingQueue({"receipt-1"})).delete(deliveries) == []

    assert sample("vehicle_damage_messages_total", outcome="lost") == lost + 1
    assert sample("vehicle_damage_messages_total", outcome="deleted") == deleted + 2
    assert bench.in_flight.is_empty()


def test_a_stale_receipt_is_lost_on_a_real_queue(bench: Bench):
    settler = bench.settler()
    (delivery,) = bench.receive("x")
    bench.queue.release([(delivery.message, 0)])
    (other,) = bench.queue.receive(1, wait_s=1, visibility_timeout_s=60)
    lost = sample("vehicle_damage_messages_total", outcome="lost")

    assert settler.delete([delivery]) == []

    assert sample("vehicle_damage_messages_total", outcome="lost") == lost + 1
    assert bench.queue.depth() == (0, 1)
    assert bench.queue.delete([other]) == set()


def test_every_stored_photo_is_counted_once_by_what_became_of_it(bench: Bench):
    settler = bench.settler()
    names = [
        ("vehicle_damage_photos_total", {"status": "inspected"}),
        ("vehicle_damage_photos_total", {"status": "rejected"}),
        ("vehicle_damage_rejections_total", {"error": "PhotoUnreadable"}),
        ("vehicle_damage_regions_total", {"label": "scratch"}),
    ]
    before = [sample(name, **labels) for name, labels in names]
    damaged, refused = bench.receive("x", "y")
    for part in (Ended(damaged, result()), Ended(refused, rejection("b.jpg")), Ended(damaged, result())):
        settler.store(part)
    assert [sample(name, **labels) for name, labels in names] == [count + 1 for count in before]


def test_outages_pause_twice_as_long_each_time_up_to_a_limit_until_all_is_well():
    outages = Outages()
    pauses_s = []
    with capture_logs() as logs:
        for _ in range(6):
            outages.note(StorageUnavailable("s3 away"))
            pauses_s.append(outages.pause_s())
    assert pauses_s == [1, 2, 4, 8, 15, 15]
    assert [log["reason"] for log in logs] == ["s3 away"] * 6
    outages.clear()
    assert outages.pause_s() == 0


def test_a_success_ends_the_pause(bench: Bench):
    settler = bench.settler()
    settler.outages.note(StorageUnavailable("s3 away"))
    (delivery,) = bench.receive("x")
    settler.record([settler.store(Ended(delivery, result()))])
    assert settler.outages.pause_s() == 0


def test_nothing_to_settle_calls_nobody(bench: Bench):
    settler = bench.settler(messages=bench.queue_away(), results=bench.results_away())
    settler.release([])
    assert (settler.record([]), settler.delete([])) == ([], [])
    assert settler.outages.pause_s() == 0
