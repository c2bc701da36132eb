"""Prometheus learns how full the queue and its dead-letter queue are."""

from uuid import uuid4

from service.embedded import EmbeddedAws
from service.metrics import REGISTRY
from service.queue_watch import QueueWatch
from service.sqs import Queue
from tests.service.world import wait_until


def messages(state: str) -> float | None:
    return REGISTRY.get_sample_value("vehicle_damage_queue_messages", {"state": state})


def test_visible_hidden_and_dead_messages_are_counted(aws: EmbeddedAws):
    name = uuid4().hex[:12]
    queue = Queue(aws.client("sqs"), aws.create_queue(name))
    list(queue.send(str(i) for i in range(12)))
    hidden = len(queue.receive(5, wait_s=1, visibility_timeout_s=60))
    list(queue.dead_letter_queue().send(["one", "two"]))
    QueueWatch(queue, interval_s=60).count()
    assert (messages("visible"), messages("hidden"), messages("delayed")) == (12 - hidden, hidden, 0)
    assert REGISTRY.get_sample_value("vehicle_damage_dead_letters", {"queue": f"{name}-dead"}) == 2


def test_a_queue_without_redrive_has_no_dead_letters(aws: EmbeddedAws):
    name = uuid4().hex[:12]
    sqs = aws.client("sqs")
    queue = Queue(sqs, sqs.create_queue(QueueName=name)["QueueUrl"])
    QueueWatch(queue, interval_s=60).count()
    assert messages("visible") == 0
    assert REGISTRY.get_sample_value("vehicle_damage_dead_letters", {"queue": f"{name}-dead"}) is None


def test_while_the_queue_is_away_the_last_count_stands_and_counting_goes_on(aws: EmbeddedAws, aws_away: EmbeddedAws):
    name = uuid4().hex[:12]
    queue = Queue(aws.client("sqs"), aws.create_queue(name))
    list(queue.send(["one"]))
    QueueWatch(queue, interval_s=60).count()
    away = aws_away.client("sqs")
    QueueWatch(Queue(away, queue.url), interval_s=60).count()
    assert messages("visible") == 1


def test_it_counts_by_itself_until_it_is_closed(aws: EmbeddedAws):
    queue = Queue(aws.client("sqs"), aws.create_queue(uuid4().hex[:12]))
    watch = QueueWatch(queue, interval_s=0.05)
    watch.start()
    wait_until(lambda: messages("visible") == 0, "first count")
    list(queue.send(["a", "b", "c"]))
    wait_until(lambda: messages("visible") == 3, "later count")
    watch.close()
    watch.close()
