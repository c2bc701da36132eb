"""What is in flight stays hidden; what SQS refuses to hide is known to be lost."""

from uuid import uuid4

import pytest

from service.embedded import EmbeddedAws
from service.in_flight import Delivery, InFlight
from service.renewal import Renewal
from service.settlement import Outages
from service.sqs import Queue
from tests.service.world import sample

RENEWALS = "vehicle_damage_renewals_total"


@pytest.fixture
def queue(aws: EmbeddedAws) -> Queue:
    return Queue(aws.client("sqs"), aws.create_queue(f"queue-{uuid4().hex[:12]}"))


def hold(queue: Queue, count: int) -> InFlight:
    in_flight = InFlight(20)
    list(queue.send(str(i) for i in range(count)))
    while len(in_flight.snapshot()) < count:
        for message in queue.receive(10, wait_s=1, visibility_timeout_s=30):
            in_flight.add(Delivery(message, 1))
    return in_flight


def test_a_round_extends_everything_in_flight(queue: Queue):
    in_flight = hold(queue, 12)
    before = sample(RENEWALS, outcome="extended")
    Renewal(queue, in_flight, Outages(), interval_s=9, visibility_timeout_s=0).renew()
    assert sample(RENEWALS, outcome="extended") == before + 12
    assert queue.depth() == (12, 0)  # extended by nothing: all are visible at once


def test_a_delivery_that_sqs_refuses_to_extend_is_lost_and_never_asked_for_again(queue: Queue):
    in_flight = hold(queue, 3)
    gone = in_flight.snapshot()[0]
    queue.delete([gone.message])
    before = sample(RENEWALS, outcome="refused")
    renewal = Renewal(queue, in_flight, Outages(), interval_s=9, visibility_timeout_s=30)
    renewal.renew()
    renewal.renew()
    assert [delivery for delivery in in_flight.snapshot() if delivery.is_lost] == [gone]
    assert sample(RENEWALS, outcome="refused") == before + 1


def test_while_sqs_is_away_nothing_is_lost_and_the_worker_pauses(queue: Queue, aws_away: EmbeddedAws):
    in_flight, outages = hold(queue, 2), Outages()
    away = aws_away.client("sqs")
    before = sample(RENEWALS, outcome="unavailable")
    Renewal(Queue(away, queue.url), in_flight, outages, interval_s=9, visibility_timeout_s=30).renew()
    assert not any(delivery.is_lost for delivery in in_flight.snapshot())
    assert sample(RENEWALS, outcome="unavailable") == before + 2
    assert outages.pause_s() > 0
