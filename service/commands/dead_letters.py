"""dead letters: what failed too often, why, and the way back."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from service.errors import BadRequest
from service.ledger import Failure, Ledger
from service.request import InspectionRequest, parse_message
from service.sqs import MAX_BATCH, Message, Queue

_LOOK_S: Final = 60


@dataclass(frozen=True)
class DeadLetter:
    """One message in the dead-letter queue, and its last failure as the ledger knows it."""

    message: Message
    photos: tuple[str, ...]
    failure: Failure | None

    @property
    def age_s(self) -> float:
        """Seconds since it was first sent; a dead-letter queue keeps the original time."""
        return max(time.time() - self.message.sent_at_s, 0)


def list_dead_letters(dead: Queue, ledger: Ledger, *, limit: int) -> list[DeadLetter]:
    """Look at dead letters and leave them where they are.

    Args:
        dead: the dead-letter queue.
        ledger: knows why each failed.
        limit: look at so many, at most.

    Raises:
        QueueUnavailable: SQS does not answer.
        LedgerUnavailable: the database does not answer.
    """
    looked_at = [message for batch in _take(dead, limit) for message in batch]
    try:
        failures = ledger.fetch_failures([message.message_id for message in looked_at])
    finally:
        dead.release([(message, 0) for message in looked_at])
    return [DeadLetter(message, _photos_of(message), failures.get(message.message_id)) for message in looked_at]


def requeue_dead_letters(dead: Queue, source: Queue, *, limit: int, message_ids: frozenset[str]) -> int:
    """Send dead letters back; each leaves the dead-letter queue only after it was sent.

    Args:
        dead: the dead-letter queue.
        source: where they came from.
        limit: so many, at most.
        message_ids: only these; empty: all.

    Returns:
        How many were sent back.

    Raises:
        QueueUnavailable: SQS does not answer; what was sent but not deleted will be there twice, and fenced.
    """
    kept: list[Message] = []
    sent = 0
    try:
        for batch in _take(dead, limit):
            chosen = [message for message in batch if not message_ids or message.message_id in message_ids]
            kept += batch
            if chosen:
                for _ in source.send([message.body for message in chosen]):
                    pass
                dead.delete(chosen)
                kept = [message for message in kept if message not in chosen]
                sent += len(chosen)
    finally:
        dead.release([(message, 0) for message in kept])
    return sent


def _take(dead: Queue, limit: int) -> Iterator[list[Message]]:
    taken = 0
    while taken < limit:
        batch = dead.receive(min(limit - taken, MAX_BATCH), wait_s=1, visibility_timeout_s=_LOOK_S)
        if not batch:
            return
        taken += len(batch)
        yield batch


def _photos_of(message: Message) -> tuple[str, ...]:
    try:
        requests = parse_message(message.body)
    except BadRequest:
        return ()
    return tuple(f"s3://{r.photo.bucket}/{r.photo.key}" for r in requests if isinstance(r, InspectionRequest))
