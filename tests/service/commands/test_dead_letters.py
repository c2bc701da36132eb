"""Dead letters can be looked at without being moved, and sent back without being lost."""

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from service.commands.dead_letters import list_dead_letters, requeue_dead_letters
from service.embedded import EmbeddedAws
from service.errors import QueueUnavailable
from service.ledger import Failure, Ledger, open_ledger
from service.sqs import Queue


@pytest.fixture
def source(aws: EmbeddedAws) -> Queue:
    return Queue(aws.client("sqs"), aws.create_queue(f"queue-{uuid4().hex[:12]}"))


@pytest.fixture
def dead(source: Queue) -> Queue:
    return source.dead_letter_queue()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    yield opened
    opened.close()


def bury(dead: Queue, count: int) -> None:
    bodies = [json.dumps({"photo": {"bucket": "fleet-photos", "key": f"{i}.jpg"}}) for i in range(count)]
    for _ in dead.send(bodies):
        pass


def bodies_in(queue: Queue, count: int) -> set[str]:
    found: set[str] = set()
    while len(found) < count:
        found |= {message.body for message in queue.receive(10, wait_s=1, visibility_timeout_s=60)}
    return found


def test_a_look_leaves_every_letter_where_it_is(dead: Queue, ledger: Ledger):
    bury(dead, 12)
    for _ in range(2):
        letters = list_dead_letters(dead, ledger, limit=100)
        assert {letter.photos for letter in letters} == {(f"s3://fleet-photos/{i}.jpg",) for i in range(12)}
        assert dead.depth() == (12, 0)


def test_a_letter_shows_its_last_failure_and_its_age(dead: Queue, ledger: Ledger):
    bury(dead, 2)
    first, second = (letter.message.message_id for letter in list_dead_letters(dead, ledger, limit=10))
    ledger.record_failures([Failure(first, 4, "StorageUnavailable", "early"), Failure(first, 5, "ValueError", "late")])

    by_id = {letter.message.message_id: letter for letter in list_dead_letters(dead, ledger, limit=10)}

    assert by_id[first].failure == Failure(first, 5, "ValueError", "late")
    assert by_id[second].failure is None
    assert 0 <= by_id[first].age_s < 120


def test_a_letter_that_is_no_request_is_listed_without_photos(dead: Queue, ledger: Ledger):
    list(dead.send(["not json"]))
    (letter,) = list_dead_letters(dead, ledger, limit=10)
    assert (letter.photos, letter.message.body) == ((), "not json")


@pytest.mark.parametrize("limit", [0, 1, 3, 11])
def test_a_look_stops_at_its_limit(dead: Queue, ledger: Ledger, limit: int):
    bury(dead, 12)
    assert len(list_dead_letters(dead, ledger, limit=limit)) == limit
    assert dead.depth() == (12, 0)


def test_an_empty_queue_has_nothing_to_show_or_to_send_back(dead: Queue, source: Queue, ledger: Ledger):
    assert list_dead_letters(dead, ledger, limit=10) == []
    assert requeue_dead_letters(dead, source, limit=10, message_ids=frozenset()) == 0


def test_a_look_at_letters_that_a_broken_ledger_ends_puts_them_back(dead: Queue, ledger: Ledger):
    class BrokenLedger:
        def fetch_failures(self, message_ids: list[str]) -> dict[str, Failure]:
            raise QueueUnavailable("away")

    bury(dead, 2)
    with pytest.raises(QueueUnavailable):
        list_dead_letters(dead, BrokenLedger(), limit=10)
    assert dead.depth() == (2, 0)


def test_all_letters_go_back_as_they_were(dead: Queue, source: Queue, ledger: Ledger):
    bury(dead, 12)
    bodies = {letter.message.body for letter in list_dead_letters(dead, ledger, limit=100)}
    assert requeue_dead_letters(dead, source, limit=100, message_ids=frozenset()) == 12
    assert dead.depth() == (0, 0)
    assert bodies_in(source, 12) == bodies


def test_only_the_chosen_letters_go_back_and_the_others_stay_visible(dead: Queue, source: Queue, ledger: Ledger):
    bury(dead, 12)
    letters = list_dead_letters(dead, ledger, limit=100)
    chosen = {letter.message.message_id: letter.message.body for letter in letters[3:5]}

    assert requeue_dead_letters(dead, source, limit=100, message_ids=frozenset([*chosen, "unknown"])) == 2

    assert dead.depth() == (10, 0)
    assert bodies_in(source, 2) == set(chosen.values())


def test_no_more_than_the_limit_goes_back(dead: Queue, source: Queue):
    bury(dead, 12)
    assert requeue_dead_letters(dead, source, limit=11, message_ids=frozenset()) == 11
    assert (dead.depth(), source.depth()) == ((1, 0), (11, 0))


def test_a_letter_that_could_not_be_sent_stays_and_is_visible_at_once(dead: Queue, aws: EmbeddedAws):
    bury(dead, 3)
    missing = Queue(aws.client("sqs"), f"{dead.url}-missing")
    with pytest.raises(QueueUnavailable):
        requeue_dead_letters(dead, missing, limit=10, message_ids=frozenset())
    assert dead.depth() == (3, 0)
