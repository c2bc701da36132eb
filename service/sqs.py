"""sqs: one queue, in batches.

Must not know: photos, what a body means.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from service.errors import QueueUnavailable, SetupError

MAX_BATCH: Final = 10
MAX_VISIBILITY_S: Final = 43_200
MAX_MESSAGE_BYTES: Final = 2**20

_Item = TypeVar("_Item")

_MISSING_CODES: Final = {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}


@dataclass(frozen=True)
class Message:
    """One delivery of one message.

    Attributes:
        message_id: the same on every delivery.
        receipt_handle: valid for this delivery only.
        body: as sent.
        receive_count: deliveries so far, this one included.
        sent_at_s: when it was sent, seconds since 1970.
        attributes: message attributes as strings.
    """

    message_id: str
    receipt_handle: str
    body: str
    receive_count: int
    sent_at_s: float
    attributes: dict[str, str]


class Queue:
    """Receives, extends, releases, deletes and sends; every batch call may succeed for a part."""

    def __init__(self, client: Any, queue_url: str) -> None:
        """Name a queue; nothing is called yet.

        Args:
            client: boto3 SQS client.
            queue_url: the queue's URL.
        """
        self._client = client
        self.url = queue_url

    def check(self) -> None:
        """Ask whether the queue exists.

        Raises:
            SetupError: it does not, or we may not ask, or nobody answers.
        """
        try:
            self._client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        except (ClientError, BotoCoreError) as error:
            raise SetupError(f"queue {self.url}: {_reason(error)}") from error

    def count(self) -> tuple[int, int, int]:
        """Approximate count of messages that can be received now, of hidden ones and of delayed ones.

        Raises:
            QueueUnavailable: SQS does not answer.
        """
        counts = ("", "NotVisible", "Delayed")
        names = [f"ApproximateNumberOfMessages{count}" for count in counts]
        attributes = self._call("get_queue_attributes", AttributeNames=names)["Attributes"]
        visible, hidden, delayed = (int(attributes.get(name, 0)) for name in names)
        return visible, hidden, delayed

    def depth(self) -> tuple[int, int]:
        """Likewise of messages that can be received now, and of those that cannot.

        Raises:
            QueueUnavailable: SQS does not answer.
        """
        visible, hidden, delayed = self.count()
        return visible, hidden + delayed

    def dead_letter_arn(self) -> str | None:
        """ARN of the queue's dead-letter queue.

        Raises:
            QueueUnavailable: SQS does not answer.
        """
        found = self._call("get_queue_attributes", AttributeNames=["RedrivePolicy"])
        policy = found.get("Attributes", {}).get("RedrivePolicy")
        return None if policy is None else json.loads(policy)["deadLetterTargetArn"]

    def dead_letter_queue(self) -> "Queue":
        """The queue that SQS moves a message to after maxReceiveCount deliveries.

        Raises:
            SetupError: the queue has no redrive policy.
            QueueUnavailable: SQS does not answer.
        """
        arn = self.dead_letter_arn()
        if arn is None:
            raise SetupError(f"queue {self.url}: has no redrive policy, so it has no dead-letter queue")
        try:
            url = self._client.get_queue_url(QueueName=arn.rsplit(":", 1)[-1])["QueueUrl"]
        except (ClientError, BotoCoreError) as error:
            raise QueueUnavailable(f"queue {arn}: {_reason(error)}") from error
        return Queue(self._client, url)

    def receive(self, limit: int, *, wait_s: int, visibility_timeout_s: int) -> list[Message]:
        """Receive up to a batch of messages.

        Args:
            limit: 1 to 10.
            wait_s: long poll, 0 to 20 seconds.
            visibility_timeout_s: how long they stay hidden.

        Raises:
            QueueUnavailable: SQS does not answer.
        """
        answer = self._call(
            "receive_message",
            MaxNumberOfMessages=min(limit, MAX_BATCH),
            WaitTimeSeconds=wait_s,
            VisibilityTimeout=visibility_timeout_s,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            MessageAttributeNames=["All"],
        )
        return [_parse_delivery(found) for found in answer.get("Messages", [])]

    def extend(self, messages: Sequence[Message], timeout_s: int) -> set[str]:
        """Hide messages for timeout_s from now on.

        Returns:
            Receipt handles that SQS refused: those deliveries are lost.

        Raises:
            QueueUnavailable: SQS does not answer.
        """
        return self._change_visibility([(message, timeout_s) for message in messages])

    def release(self, pauses_s: Sequence[tuple[Message, int]]) -> set[str]:
        """Give messages back, each visible again after its own pause in seconds.

        Returns:
            Receipt handles that SQS refused.

        Raises:
            QueueUnavailable: SQS does not answer.
        """
        return self._change_visibility([(m, min(max(pause, 0), MAX_VISIBILITY_S)) for m, pause in pauses_s])

    def delete(self, messages: Sequence[Message]) -> set[str]:
        """Delete messages.

        Returns:
            Receipt handles that SQS refused.

        Raises:
            QueueUnavailable: SQS does not answer.
        """
        refused: set[str] = set()
        for batch in _batches(messages):
            entries = [{"Id": str(i), "ReceiptHandle": m.receipt_handle} for i, m in enumerate(batch)]
            answer = self._call("delete_message_batch", Entries=entries)
            refused |= {batch[int(failed["Id"])].receipt_handle for failed in answer.get("Failed", [])}
        return refused

    def send(self, bodies: Iterable[str]) -> Iterator[int]:
        """Send messages in batches, within SQS' limit on a batch's size.

        Args:
            bodies: at most 1 MiB each, UTF-8.

        Yields:
            The number of messages sent so far, after each batch.

        Raises:
            ValueError: a body over the limit.
            QueueUnavailable: SQS does not answer, or refused a message.
        """
        sent, batch, size = 0, [], 0
        for body in bodies:
            length = len(body.encode())
            if length > MAX_MESSAGE_BYTES:
                raise ValueError(f"body: expected at most {MAX_MESSAGE_BYTES} bytes, found {length}")
            if len(batch) == MAX_BATCH or size + length > MAX_MESSAGE_BYTES:
                sent += self._send_batch(batch)
                yield sent
                batch, size = [], 0
            batch.append(body)
            size += length
        if batch:
            yield sent + self._send_batch(batch)

    def _send_batch(self, bodies: Sequence[str]) -> int:
        entries = [{"Id": str(i), "MessageBody": body} for i, body in enumerate(bodies)]
        failed = self._call("send_message_batch", Entries=entries).get("Failed", [])
        if failed:
            raise QueueUnavailable(f"queue {self.url}: {len(failed)} messages refused: {failed[0].get('Code')}")
        return len(bodies)

    def _change_visibility(self, timeouts_s: Sequence[tuple[Message, int]]) -> set[str]:
        refused: set[str] = set()
        for batch in _batches(timeouts_s):
            entries = [
                {"Id": str(i), "ReceiptHandle": message.receipt_handle, "VisibilityTimeout": timeout_s}
                for i, (message, timeout_s) in enumerate(batch)
            ]
            answer = self._call("change_message_visibility_batch", Entries=entries)
            refused |= {batch[int(failed["Id"])][0].receipt_handle for failed in answer.get("Failed", [])}
        return refused

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        try:
            return getattr(self._client, operation)(QueueUrl=self.url, **arguments)
        except (ClientError, BotoCoreError) as error:
            raise QueueUnavailable(f"queue {self.url}: {operation}: {_reason(error)}") from error


def _parse_delivery(found: dict[str, Any]) -> Message:
    system = found.get("Attributes", {})
    return Message(
        message_id=found["MessageId"],
        receipt_handle=found["ReceiptHandle"],
        body=found["Body"],
        receive_count=int(system.get("ApproximateReceiveCount", 1)),
        sent_at_s=int(system.get("SentTimestamp", 0)) / 1000,
        attributes={
            name: value["StringValue"]
            for name, value in found.get("MessageAttributes", {}).items()
            if "StringValue" in value
        },
    )


def _batches(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), MAX_BATCH):
        yield items[start : start + MAX_BATCH]


def _reason(error: ClientError | BotoCoreError) -> str:
    if not isinstance(error, ClientError):
        return str(error)
    code = error.response.get("Error", {}).get("Code", "")
    return "there is no such queue" if code in _MISSING_CODES else f"{code}: {error}"
