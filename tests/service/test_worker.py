"""The worker on a real queue: every message ends as it should."""

import json
import random
import threading
from collections import Counter
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from structlog.testing import capture_logs

from models.object_store import FolderStore
from models.store import PRETRAINED_DIR, ModelStore
from models.structures import ContractError
from service.commands.dead_letters import list_dead_letters
from service.ledger import open_ledger
from service.pipeline import Pipeline, PipelineOptions
from tests import photos
from tests.service.world import World, rendered_jpeg, sample, wait_until


@pytest.fixture(scope="session")
def pipeline():
    models = ModelStore(FolderStore(PRETRAINED_DIR)).load_promoted()
    options = PipelineOptions(policies=("threshold", "threshold", "threshold"))
    return Pipeline(models, options)


@pytest.fixture
def world(aws, tmp_path: Path) -> World:
    return World(aws, tmp_path)


def s3_event(bucket: str, *keys: str) -> str:
    records = [
        {
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key), "sequencer": "0A"}},
        }
        for key in keys
    ]
    return json.dumps({"Records": records})


def sns(body: str) -> str:
    return json.dumps({"Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:000000000000:t", "Message": body})


def test_three_hundred_messages_of_every_kind_end_as_they_should(world: World, pipeline: Pipeline):
    plain = [world.put(f"plain/{i:03}.jpg", rendered_jpeg(i % 8)) for i in range(190)]
    event_keys = [world.put(f"drive 7/Auto ü+{i:03}.jpg", rendered_jpeg(i % 8)) for i in range(70)]
    wrapped = [world.put(f"sns/{i:03}.jpg", rendered_jpeg(i % 8)) for i in range(44)]
    odd = [world.put(f"odd/{name}", body) for name, body in photos.odd_but_good().items()]
    unreadable = {f"bad/{name}": body for name, body in photos.unreadable().items()}
    for key, body in unreadable.items():
        world.put(key, body)
    malformed = [
        " ", "not json", "[]", "null", "{}", '{"version": 2}', '{"photo": "x"}', world.message("a.jpg", vehicle_id=7),
        json.dumps({"Records": [{"eventSource": "aws:dynamodb"}]}), world.message("a.jpg", taken_at="2026-01-01"),
    ]  # fmt: skip
    bodies = [
        *(world.message(key) for key in plain),
        *(s3_event(world.photo_bucket, *event_keys[i : i + 2]) for i in range(0, 70, 2)),
        *(sns(world.message(key)) for key in wrapped[:22]),
        *(sns(s3_event(world.photo_bucket, key)) for key in wrapped[22:]),
        json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": world.photo_bucket}),
        *malformed,
        *(world.message(key) for key in unreadable),
        *(world.message(key) for key in odd),
    ]
    assert (len(bodies), len(malformed), len(unreadable), len(odd)) == (300, 10, 10, 10)
    random.Random(3).shuffle(bodies)
    world.send(bodies)

    world.build_worker(pipeline, visibility_timeout_s=120).run(drain=True)

    results = world.results()
    good = Counter(r.photo.key for r in results if r.status in ("inspected", "undamaged"))
    assert good == Counter([*plain, *event_keys, *wrapped, *odd])
    rejected = [r for r in results if r.status == "rejected"]
    assert Counter(r.photo.key for r in rejected if r.photo) == Counter(list(unreadable))
    assert {r.error for r in rejected if r.photo} == {"PhotoUnreadable"}
    assert Counter(r.message_body for r in rejected if not r.photo) == Counter(malformed)
    assert {r.error for r in rejected if not r.photo} == {"BadRequest"}
    assert all(r.reason for r in rejected)
    assert world.depths() == (0, 0)
    assert {r.identity() for r in world.rows()} == {r.identity() for r in results}


def test_each_message_five_times_gives_one_visible_result(world: World, pipeline: Pipeline):
    keys = world.ask_for_rendered(6)
    again = [world.message(key) for key in keys] * 4
    random.Random(5).shuffle(again)
    world.send(again)
    fenced = [sample("vehicle_damage_duplicates_fenced_total", at=at) for at in ("fetch", "store")]

    world.build_worker(pipeline).run(drain=True)

    assert Counter(r.photo.key for r in world.results()) == Counter(keys)
    assert len(world.rows()) == 6
    now = [sample("vehicle_damage_duplicates_fenced_total", at=at) for at in ("fetch", "store")]
    assert sum(now) - sum(fenced) == 24
    assert world.depths() == (0, 0)


def test_two_records_of_one_event_are_deleted_only_together(world: World, pipeline: Pipeline):
    good = world.put("good.jpg", rendered_jpeg(0))
    world.send([s3_event(world.photo_bucket, good, "never-uploaded.jpg")])

    world.build_worker(pipeline).run(drain=True)

    by_key = {r.photo.key: r for r in world.results()}
    assert by_key[good].status in ("inspected", "undamaged")
    assert (by_key["never-uploaded.jpg"].status, by_key["never-uploaded.jpg"].error) == ("rejected", "PhotoMissing")
    assert world.depths() == (0, 0)


class PoisonedPipeline:
    """The real pipeline, but a network answers NaN for one photo."""

    def __init__(self, real: Pipeline, poison_hw: tuple[int, int]) -> None:
        self._real, self._poison_hw = real, poison_hw
        self.digest, self.decode, self.reference = real.digest, real.decode, real.reference

    def inspect(self, batch):
        if any(decoded.image.shape[:2] == self._poison_hw for decoded in batch):
            raise ContractError("probs: expected values in [0, 1], found nan to nan")
        return self._real.inspect(batch)


def test_one_poison_photo_among_ten_ends_in_the_dead_letter_queue_and_nine_succeed(world: World, pipeline: Pipeline):
    keys = [world.put(f"{i}.jpg", rendered_jpeg(i)) for i in range(9)]
    poison = world.put("poison.jpg", photos.good_jpeg(size_hw=(111, 222)))
    world.send(world.message(key) for key in [*keys[:5], poison, *keys[5:]])

    with capture_logs() as logs:
        worker = world.build_worker(PoisonedPipeline(pipeline, (111, 222)), batch_photos=10, batch_age_ms=2000)
        threading.Thread(target=worker.run, daemon=True).start()
        wait_until(lambda: world.depths() == (0, 1), "the poison photo is a dead letter")
        worker.request_stop()

    assert Counter(r.photo.key for r in world.results()) == Counter(keys)
    ledger = open_ledger(world.ledger_url)
    (letter,) = list_dead_letters(world.queue.dead_letter_queue(), ledger, limit=10)
    ledger.close()
    assert letter.photos == (f"s3://{world.photo_bucket}/{poison}",)
    assert (letter.failure.error, letter.failure.receive_count) == ("ContractError", world.max_receive_count)
    assert "found nan" in letter.failure.reason
    assert [line for line in logs if line["event"] == "bug"]


class CountingPipeline:
    """The real pipeline, noting how many photos each batch held."""

    def __init__(self, real: Pipeline) -> None:
        self._real, self.batches = real, []
        self.digest, self.decode, self.reference = real.digest, real.decode, real.reference

    def inspect(self, batch):
        self.batches.append(len(batch))
        return self._real.inspect(batch)


def test_a_micro_batch_goes_on_when_it_is_full(world: World, pipeline: Pipeline):
    counting = CountingPipeline(pipeline)
    world.ask_for_rendered(10)
    world.build_worker(counting, batch_photos=5, batch_age_ms=30_000).run(drain=True)
    assert counting.batches == [5, 5]


def test_a_micro_batch_goes_on_when_its_first_photo_is_old_enough(world: World, pipeline: Pipeline):
    counting = CountingPipeline(pipeline)
    world.ask_for_rendered(3)
    world.build_worker(counting, batch_photos=64, batch_age_ms=500).run(drain=True)
    assert sum(counting.batches) == 3


class SlowPipeline:
    """The real pipeline, held up until the test lets it go."""

    def __init__(self, real: Pipeline) -> None:
        self._real, self.may_go, self.is_held = real, threading.Event(), threading.Event()
        self.digest, self.decode, self.reference = real.digest, real.decode, real.reference

    def inspect(self, batch):
        self.is_held.set()
        assert self.may_go.wait(60)
        return self._real.inspect(batch)


def test_a_batch_slower_than_the_visibility_timeout_is_not_delivered_twice(world: World, pipeline: Pipeline):
    slow = SlowPipeline(pipeline)
    keys = world.ask_for_rendered(3)
    before = sample("vehicle_damage_renewals_total", outcome="extended")
    worker = world.build_worker(slow, visibility_timeout_s=2, renewal_interval_s=0.5)
    thread = threading.Thread(target=worker.run, kwargs={"drain": True}, daemon=True)
    thread.start()
    wait_until(slow.is_held.is_set, "the batch is in the networks")
    # Eight renewals of three messages at half a second each: the first timeout is over twice.
    wait_until(
        lambda: sample("vehicle_damage_renewals_total", outcome="extended") - before >= 8 * len(keys), "renewed often"
    )
    assert world.queue.receive(10, wait_s=0, visibility_timeout_s=1) == []
    slow.may_go.set()
    thread.join(60)

    assert Counter(r.photo.key for r in world.results()) == Counter(keys)
    assert world.depths() == (0, 0)


def test_stopping_gives_unfinished_messages_back_at_once_and_keeps_their_photos(world: World, pipeline: Pipeline):
    slow = SlowPipeline(pipeline)
    keys = world.ask_for_rendered(20)
    worker = world.build_worker(slow, batch_photos=2, shutdown_grace_s=8, receive_wait_s=1)
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    wait_until(slow.is_held.is_set, "a batch is in the networks")
    worker.request_stop()
    worker.request_stop()
    slow.may_go.set()
    thread.join(60)
    assert not thread.is_alive()

    done = {r.photo.key for r in world.results()}
    visible, hidden = world.queue.depth()
    assert hidden == 0
    assert visible == len(keys) - len(done) > 0

    world.build_worker(pipeline).run(drain=True)
    assert Counter(r.photo.key for r in world.results()) == Counter(keys)


def test_a_stop_that_outlasts_its_grace_returns_what_the_networks_hold(world: World, pipeline: Pipeline):
    slow = SlowPipeline(pipeline)
    world.ask_for_rendered(4)
    worker = world.build_worker(slow, batch_photos=2, shutdown_grace_s=6, receive_wait_s=1)
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    wait_until(slow.is_held.is_set, "a batch is in the networks")
    worker.request_stop()
    thread.join(60)
    assert not thread.is_alive()
    assert world.queue.depth() == (4, 0)
    slow.may_go.set()


def test_a_passed_deadline_is_a_rejection_with_its_reason(world: World, pipeline: Pipeline):
    key = world.put("late.jpg", rendered_jpeg(0))
    world.send([world.message(key, deadline="2026-01-01T00:00:00Z")])
    world.build_worker(pipeline).run(drain=True)
    (result,) = world.results()
    assert (result.status, result.error) == ("rejected", "DeadlinePassed")
    assert "2026-01-01T00:00:00+00:00" in result.reason


def test_no_bucket_but_the_allowed_ones_is_fetched(world: World, pipeline: Pipeline):
    other = world.aws.create_bucket(f"{world.photo_bucket}-other")
    world.s3.put_object(Bucket=other, Key="secret.jpg", Body=rendered_jpeg(0))
    world.send([json.dumps({"photo": {"bucket": other, "key": "secret.jpg"}})])
    world.build_worker(pipeline).run(drain=True)
    (result,) = world.results()
    assert (result.status, result.error, result.photo_sha256) == ("rejected", "BadRequest", None)


def test_what_the_message_says_of_the_photo_stands_in_its_result(world: World, pipeline: Pipeline):
    key = world.put("a/b/front.jpg", rendered_jpeg(1))
    said = {
        "vehicle_id": "car-9", "view": "front", "taken_at": "2026-03-04T05:06:07+09:00", "rental_id": "r-1",
        "attributes": {"city": "서울", "mileage_km": 1200},
    }  # fmt: skip
    world.send([world.message(key, **said)])
    world.build_worker(pipeline).run(drain=True)
    (result,) = world.results()
    document = result.model_dump(mode="json")
    assert document["image_id"] == "front.jpg"
    assert {name: document[name] for name in said} == said
    assert result.photo_size_hw == (240, 320)
    assert set(result.timings_ms) >= {"decode", "localize", "gate"}
    assert result.model_set == pipeline.digest
