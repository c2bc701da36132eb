"""One contract for a queue, kept by two emulators; they differ only where a test says so."""

import time
from collections.abc import Callable
from uuid import uuid4

import pytest

from service.aws import build_client
from service.embedded import EmbeddedAws
from service.errors import QueueUnavailable, SetupError
from service.sqs import MAX_MESSAGE_BYTES, Message, Queue

DEADLINE_S = 20


@pytest.fixture
def build_queue(any_aws: EmbeddedAws) -> Callable[..., Queue]:
    def build(**options: int) -> Queue:
        return Queue(any_aws.client("sqs"), any_aws.create_queue(f"queue-{uuid4().hex[:12]}", **options))

    return build


@pytest.fixture
def queue(build_queue: Callable[..., Queue]) -> Queue:
    return build_queue()


def send(queue: Queue, *bodies: str) -> None:
    for _ in queue.send(bodies):
        pass


def receive(queue: Queue, count: int, *, visibility_timeout_s: int = 60) -> list[Message]:
    """Receive until there are `count` messages."""
    received: list[Message] = []
    end = time.monotonic() + DEADLINE_S
    while len(received) < count:
        assert time.monotonic() < end, f"{len(received)} of {count} messages"
        limit = min(count - len(received), 10)
        received += queue.receive(limit, wait_s=1, visibility_timeout_s=visibility_timeout_s)
    return received


def stranger(message: Message) -> Message:
    """The same message by a receipt handle that the queue never gave."""
    return Message(message.message_id, f"foreign-{uuid4()}", message.body, 1, 0.0, {})


def test_a_message_arrives_as_it_was_sent(queue: Queue):
    before = time.time()
    body = '{"photo": "Größe α \\u0000 😀"}\n'
    send(queue, body)

    (message,) = receive(queue, 1)

    assert (message.body, message.receive_count, message.attributes) == (body, 1, {})
    assert message.message_id
    assert before - 5 < message.sent_at_s < time.time() + 5


def test_message_attributes_arrive_as_strings(queue: Queue, any_aws: EmbeddedAws):
    any_aws.client("sqs").send_message(
        QueueUrl=queue.url,
        MessageBody="x",
        MessageAttributes={
            "site": {"DataType": "String", "StringValue": "FRA"},
            "raw": {"DataType": "Binary", "BinaryValue": b"\x00"},
        },
    )
    assert receive(queue, 1)[0].attributes == {"site": "FRA"}


def test_an_empty_queue_gives_nothing(queue: Queue):
    assert queue.receive(10, wait_s=0, visibility_timeout_s=30) == []
    assert queue.depth() == (0, 0)


def test_more_than_a_batch_is_sent_and_received_in_batches_and_deleted_at_once(queue: Queue):
    bodies = [f"message {i}" for i in range(23)]
    assert list(queue.send(bodies)) == [10, 20, 23]
    assert queue.depth() == (23, 0)

    assert len(queue.receive(50, wait_s=1, visibility_timeout_s=60)) <= 10
    hidden = queue.depth()[1]
    messages = receive(queue, 23 - hidden)

    assert queue.depth() == (0, 23)
    assert queue.extend(messages, 120) == set()
    assert queue.delete(messages) == set()
    assert queue.depth() == (0, hidden)


def test_what_is_received_is_hidden_from_others(queue: Queue):
    send(queue, "x")
    receive(queue, 1)
    assert queue.receive(10, wait_s=0, visibility_timeout_s=60) == []
    assert queue.depth() == (0, 1)


def test_a_message_whose_time_is_over_comes_back_with_its_count(queue: Queue):
    send(queue, "x")
    first = receive(queue, 1, visibility_timeout_s=1)[0]
    second = receive(queue, 1)[0]
    assert (second.message_id, second.receive_count) == (first.message_id, 2)


def test_a_released_message_is_visible_at_once_or_after_its_own_pause(queue: Queue):
    send(queue, "now", "later")
    messages = {message.body: message for message in receive(queue, 2)}

    assert queue.release([(messages["now"], -3), (messages["later"], 3600)]) == set()

    assert [message.body for message in receive(queue, 1)] == ["now"]
    assert queue.receive(10, wait_s=0, visibility_timeout_s=60) == []


def test_an_extended_message_stays_hidden_beyond_its_first_timeout(queue: Queue):
    send(queue, "kept", "clock")
    messages = receive(queue, 2, visibility_timeout_s=2)
    kept = next(message for message in messages if message.body == "kept")
    assert queue.extend([kept], 60) == set()

    assert [message.body for message in receive(queue, 1)] == ["clock"]  # its time is over, so the other's would be too
    assert queue.receive(10, wait_s=0, visibility_timeout_s=60) == []


@pytest.mark.parametrize("act", ["delete", "extend", "release"])
def test_a_foreign_receipt_is_refused_and_the_others_in_the_batch_succeed(queue: Queue, act: str):
    bodies = [f"message {i}" for i in range(12)]
    send(queue, *bodies)
    messages = receive(queue, 12)
    strangers = [stranger(messages[0]), stranger(messages[1])]
    mixed = [messages[0], strangers[0], *messages[1:], strangers[1]]
    calls = {
        "delete": lambda: queue.delete(mixed),
        "extend": lambda: queue.extend(mixed, 600),
        "release": lambda: queue.release([(message, 0) for message in mixed]),
    }

    assert calls[act]() == {message.receipt_handle for message in strangers}

    assert queue.depth() == {"delete": (0, 0), "extend": (0, 12), "release": (12, 0)}[act]


def test_a_stale_receipt_never_deletes_behind_the_back_of_a_strict_queue(
    make_queue: Callable[..., str], aws: EmbeddedAws
):
    # moto deletes by a stale receipt; SQS itself may do either, and the stored result decides.
    queue = Queue(aws.client("sqs"), make_queue())
    send(queue, "x")
    stale = receive(queue, 1, visibility_timeout_s=1)[0]
    current = receive(queue, 1)[0]

    assert queue.delete([stale]) == {stale.receipt_handle}
    assert queue.extend([stale], 60) == {stale.receipt_handle}
    assert queue.depth() == (0, 1)
    assert queue.delete([current]) == set()
    assert queue.depth() == (0, 0)


def test_a_deleted_message_never_comes_back(queue: Queue):
    send(queue, "gone", "here")
    messages = {message.body: message for message in receive(queue, 2)}
    queue.delete([messages["gone"]])
    queue.release([(messages["here"], 0)])
    assert [message.body for message in receive(queue, 1)] == ["here"]
    assert queue.depth() == (0, 1)


def test_no_message_makes_no_call():
    queue = Queue(client=None, queue_url="http://127.0.0.1:1/never")
    assert (queue.delete([]), queue.extend([], 60), queue.release([]), list(queue.send([]))) == (
        set(),
        set(),
        set(),
        [],
    )


def test_a_batch_never_exceeds_the_limit_on_bytes(queue: Queue):
    large = "x" * (MAX_MESSAGE_BYTES // 4)
    assert list(queue.send([large] * 9)) == [4, 8, 9]
    assert queue.depth() == (9, 0)


def test_a_body_at_the_limit_goes_and_one_byte_more_is_refused_before_it_is_sent(queue: Queue):
    assert list(queue.send(["x" * MAX_MESSAGE_BYTES])) == [1]
    with pytest.raises(ValueError, match="expected at most 1048576 bytes, found 1048577"):
        list(queue.send(["ü" * (MAX_MESSAGE_BYTES // 2) + "x"]))
    assert queue.depth() == (1, 0)


def test_a_batch_that_sqs_refuses_is_not_counted_as_sent(make_queue: Callable[..., str], aws: EmbeddedAws):
    queue = Queue(aws.client("sqs"), make_queue())  # moto takes an empty body
    with pytest.raises(QueueUnavailable):
        list(queue.send(["fine", ""]))


def test_a_queue_that_exists_passes_its_check(queue: Queue):
    queue.check()


def test_a_missing_queue_is_a_set_up_error_that_names_it(any_aws: EmbeddedAws, queue: Queue):
    missing = Queue(any_aws.client("sqs"), f"{queue.url}-missing")
    with pytest.raises(SetupError, match=r"-missing: there is no such queue$"):
        missing.check()
    with pytest.raises(QueueUnavailable, match="there is no such queue"):
        missing.receive(1, wait_s=0, visibility_timeout_s=30)


def test_a_service_that_does_not_answer_is_unavailable(closed_port: int):
    client = build_client(
        "sqs",
        connections=1,
        endpoint_url=f"http://127.0.0.1:{closed_port}",
        region_name="us-east-1",
        aws_access_key_id="id",
        aws_secret_access_key="not-to-be-shown",
    )
    queue = Queue(client, f"http://127.0.0.1:{closed_port}/000000000000/queue")
    message = Message("id", "receipt", "body", 1, 0.0, {})
    calls = [
        lambda: queue.receive(1, wait_s=0, visibility_timeout_s=30),
        lambda: queue.delete([message]),
        lambda: queue.extend([message], 30),
        lambda: queue.release([(message, 0)]),
        lambda: list(queue.send(["x"])),
        queue.depth,
        queue.dead_letter_queue,
    ]
    for call in calls:
        with pytest.raises(QueueUnavailable) as refusal:
            call()
        assert "not-to-be-shown" not in str(refusal.value)
    with pytest.raises(SetupError):
        queue.check()


def test_the_dead_letter_queue_is_found_by_the_redrive_policy(queue: Queue, any_aws: EmbeddedAws):
    dead = queue.dead_letter_queue()
    assert dead.url == f"{queue.url}-dead"
    dead.check()
    assert queue.dead_letter_arn().endswith(dead.url.rsplit("/", 1)[-1])
    with pytest.raises(SetupError, match="no redrive policy"):
        dead.dead_letter_queue()


def test_a_message_that_fails_too_often_moves_to_the_dead_letter_queue(build_queue: Callable[..., Queue]):
    queue = build_queue(max_receive_count=2)
    send(queue, "poison")
    for attempt in (1, 2):
        (message,) = receive(queue, 1)
        assert message.receive_count == attempt
        queue.release([(message, 0)])

    dead = queue.dead_letter_queue()
    end = time.monotonic() + DEADLINE_S
    while sum(dead.depth()) == 0:
        assert time.monotonic() < end, "not moved"
        assert queue.receive(1, wait_s=0, visibility_timeout_s=30) == []

    (letter,) = receive(dead, 1)
    assert (letter.body, letter.message_id) == ("poison", message.message_id)
    assert abs(letter.sent_at_s - message.sent_at_s) < 1
    assert queue.depth() == (0, 0)
