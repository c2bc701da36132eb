"""Models change while the queue is worked: nothing is lost, no result mixes two sets, a bad set never serves."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from models.object_store import FolderStore
from models.store import ModelSet, ModelStore
from service.assembly import build_worker
from service.finding import Finding
from service.ledger import open_ledger
from service.model_source import ModelSource
from service.pipeline import Decoded, Pipeline, PipelineOptions
from tests.models.evaluation.stores import write_promoted
from tests.service.test_model_source import add_segmenter, swaps
from tests.service.world import World, rendered_jpeg, wait_until

MESSAGES = 500
WORKERS = 2


@pytest.fixture
def world(aws, tmp_path: Path) -> World:
    return World(aws, tmp_path)


def build(models: ModelSet) -> Pipeline:
    return Pipeline(models, PipelineOptions(policies=("threshold",) * 3, gate_score_threshold=0.0))


def ask_for(world: World, start: int, photos: int) -> list[str]:
    """Upload photos of eight pictures under numbered keys and ask for each."""
    keys = [world.put(f"drive/photo-{i:04}.jpg", rendered_jpeg(i % 8)) for i in range(start, start + photos)]
    world.send(world.message(key) for key in keys)
    return keys


def test_five_hundred_messages_outlive_a_promotion_and_a_bad_candidate(world: World, tmp_path: Path):
    store = ModelStore(FolderStore(write_promoted(tmp_path / "models")))
    add_segmenter(store, "good", 0.85)
    add_segmenter(store, "bad", float("nan"))
    sources = [ModelSource(store, build) for _ in range(WORKERS)]
    first = sources[0].pipeline
    workers = [world.build_worker(source, batch_photos=4) for source in sources]
    threads = [threading.Thread(target=worker.run) for worker in workers]
    for source in sources:
        source.start(0.1)
    refused, keys = swaps("refused"), []

    def ask_until(is_reached: Callable[[], bool], what: str) -> None:
        """Let new photos arrive, ten at a time, until a state is reached."""

        def ask() -> bool:
            if len(keys) < MESSAGES and sum(world.queue.depth()) < 60:
                keys.extend(ask_for(world, len(keys), 10))
            return is_reached()

        wait_until(ask, what)

    for thread in threads:
        thread.start()
    try:
        ask_until(lambda: len(keys) >= MESSAGES // 5, "a fifth of the messages")
        store.promote({"segmenter": "good"})
        second = build(store.load_promoted())
        ask_until(lambda: all(s.pipeline.digest == second.digest for s in sources), "the promoted set serves")
        ask_until(lambda: len(keys) >= MESSAGES // 2, "half of the messages")
        store.promote({"segmenter": "bad"})
        ask_until(lambda: swaps("refused") >= refused + WORKERS, "the bad set is refused by every worker")
        store.rollback()
        ask_until(lambda: len(keys) >= MESSAGES, "all messages")
        wait_until(lambda: world.depths() == (0, 0), "the queue is empty")
    finally:
        for worker in workers:
            worker.request_stop()
        for source in sources:
            source.close()
        for thread in threads:
            thread.join(60)

    results = world.results()
    assert sorted(result.photo.key for result in results) == sorted(keys)
    assert len(keys) == MESSAGES
    assert store.read_promoted_digest() == second.stored_set
    by_set = {pipeline.digest: pipeline for pipeline in (first, second)}
    made = {digest: [r for r in results if r.model_set == digest] for digest in by_set}
    assert sum(map(len, made.values())) == MESSAGES
    assert all(made.values())
    for digest, pipeline in by_set.items():
        expected = [pipeline.inspect([pipeline.decode(rendered_jpeg(i))])[0] for i in range(8)]
        for result in made[digest]:
            finding = expected[int(result.photo.key[-8:-4]) % 8]
            assert [r.area_px2 for r in result.regions] == [r.area_px2 for r in finding.regions]
    areas = [{tuple(r.area_px2 for r in result.regions) for result in rows} for rows in made.values()]
    assert areas[0] != areas[1]  # the two sets see different things, so that a mixture would show


class SwappedInMidBatch:
    """A source whose set is swapped while a batch is in the networks."""

    def __init__(self, before: Pipeline, after: Pipeline) -> None:
        self._before, self._after, self._is_swapped = before, after, False

    @property
    def pipeline(self) -> Any:
        return self._after if self._is_swapped else self

    digest = property(lambda self: self._before.digest)
    decode = property(lambda self: self._before.decode)
    reference = property(lambda self: self._before.reference)

    def inspect(self, batch: Sequence[Decoded]) -> list[Finding]:
        self._is_swapped = True
        return self._before.inspect(batch)


def test_a_swap_in_mid_batch_leaves_the_batch_to_the_set_that_inspected_it(world: World, tmp_path: Path):
    store = ModelStore(FolderStore(write_promoted(tmp_path / "models")))
    before = build(store.load_promoted())
    add_segmenter(store, "2", 0.5)
    store.promote({"segmenter": "2"})
    after = build(store.load_promoted())
    (key,) = ask_for(world, 1, 1)
    source = SwappedInMidBatch(before, after)
    build_worker(world.settings(), source, open_ledger(world.ledger_url), sqs=world.aws.client("sqs"), s3=world.s3).run(
        drain=True
    )
    (result,) = world.results()
    assert (result.photo.key, result.model_set) == (key, before.digest)
    assert source.pipeline is after
