"""A rollout in earnest: workers that are processes, a real Prometheus, the command itself, and a queue that fills."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from models.object_store import FolderStore
from models.store import ModelStore
from service.assembly import load_models
from service.cluster.deployment import PIN_VARIABLE
from service.pipeline import Pipeline
from tests.models.evaluation.stores import THRESHOLDS, write_promoted
from tests.service.cluster.api_server import State
from tests.service.cluster.deployment_controller import drive, make_deployment
from tests.service.cluster.worker_pods import WorkerPods
from tests.service.monitoring.cluster import serve_prometheus
from tests.service.world import WorkerProcess, World, rendered_jpeg, wait_until

MESSAGES = 500
PICTURES = 8
PHOTOS_AT_ONCE, EVERY_S, MOST_WAITING = 5, 0.4, 60
POLICIES = {f"{label}_policy": "threshold" for label in ("scratch", "dent", "spacing")}


def add_version(store: ModelStore, network: str, version: str, thresholds: Mapping[str, float]) -> None:
    """The promoted version with other thresholds."""
    promoted = store.load_promoted().versions[network]
    card = promoted.card.model_copy(update={"version": version, "thresholds": dict(thresholds)})
    store.add(card, promoted.files)


@dataclass
class Traffic:
    """Customers: photos come at a steady pace while somebody waits for something."""

    world: World
    keys: list[str] = field(default_factory=list)
    asked_s: float = 0.0

    def flow_until(self, is_reached: Callable[[], bool], what: str) -> None:
        def ask() -> bool:
            if time.monotonic() - self.asked_s >= EVERY_S and sum(self.world.queue.depth()) < MOST_WAITING:
                self.asked_s = time.monotonic()
                start = len(self.keys)
                new = [
                    self.world.put(f"drive/photo-{i:05}.jpg", rendered_jpeg(i % PICTURES))
                    for i in range(start, start + PHOTOS_AT_ONCE)
                ]
                self.world.send(self.world.message(key) for key in new)
                self.keys += new
            return is_reached()

        wait_until(ask, what)


@dataclass
class Fleet:
    world: World
    state: State
    pods: WorkerPods
    store: ModelStore
    rollout: Callable[[], subprocess.Popen[bytes]]
    log: Path

    @property
    def phase(self) -> str:
        annotations = self.state.get("deployments", "worker")["metadata"]["annotations"]
        return annotations.get("vehicle-damage/rollout-phase", "idle")

    def serves(self, digest: str, pods: int = 3) -> bool:
        """Is every pod of that set and ready, and nothing under way?"""
        status = self.state.get("deployments", "worker")["status"]
        return self.pods.counts() == {digest: pods} and status.get("readyReplicas") == pods and self.phase == "idle"


@pytest.fixture
def fleet(aws, state: State, kubeconfig: Path, tmp_path: Path) -> Iterator[Fleet]:
    world = World(aws, tmp_path)
    store = ModelStore(FolderStore(write_promoted(tmp_path / "models")))
    add_version(store, "gate", "half", {"score_threshold": 0.44})
    store.promote({"gate": "half"})

    def start(variables: dict[str, str]) -> WorkerProcess:
        chosen = {"model_store": str(tmp_path / "models"), "model_set": variables[PIN_VARIABLE]}
        return world.start_process(**chosen, **POLICIES, batch_photos=4)

    state.add("deployments", make_deployment("worker", pin=store.read_promoted_digest()))
    targets = tmp_path / "targets.json"
    targets.write_text("[]", encoding="utf-8")
    scraping = {"job_name": "worker", "scrape_interval": "1s", "file_sd_configs": [{"files": [str(targets)]}]}
    pods = WorkerPods(state, "worker", start, targets)
    with serve_prometheus(tmp_path, {"scrape_configs": [scraping]}) as prometheus, drive(pods):
        log = tmp_path / "rollout.log"
        command = (
            *(sys.executable, "-m", "service.cli", "rollout", "--deployment", "worker", "--namespace", "vd"),
            *("--models", str(tmp_path / "models"), "--prometheus", prometheus.url, "--kubeconfig", str(kubeconfig)),
            *("--observe", "5s", "--observe-limit", "2m", "--ready-within", "2m", "--interval", "1s"),
            *("--min-photos", "25", "--latency-tolerance", "50"),
        )

        def rollout() -> subprocess.Popen[bytes]:
            with log.open("ab") as file:
                return subprocess.Popen(command, stdout=file, stderr=file)

        yield Fleet(world, state, pods, store, rollout, log)
    for worker in (*pods.running.values(), *pods.ending):
        worker.end()


@contextmanager
def ending(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_five_hundred_messages_outlive_a_rollout_and_a_refused_candidate(fleet: Fleet):
    store, traffic = fleet.store, Traffic(fleet.world)
    first = store.read_promoted_digest()
    segmenter = {name: value - 0.01 for name, value in THRESHOLDS["segmenter"].items()}
    add_version(store, "segmenter", "good", segmenter)
    add_version(store, "gate", "lets everything through", {"score_threshold": 0.0})

    wait_until(lambda: fleet.serves(first), "the first set serves")
    traffic.flow_until(lambda: len(traffic.keys) >= MESSAGES // 10, "a tenth of the messages")
    with ending(fleet.rollout()):
        store.promote({"segmenter": "good"})
        good = store.read_promoted_digest()
        traffic.flow_until(lambda: fleet.phase == "canary", "a canary begins")
    # That process was killed with its canary under way: another goes on.
    with ending(fleet.rollout()):
        traffic.flow_until(lambda: fleet.serves(good), f"the good set serves\n{fleet.log.read_text()}")
        store.promote({"gate": "lets everything through"})
        bad = store.read_promoted_digest()
        traffic.flow_until(lambda: fleet.pods.counts().get(bad) == 1, "a canary of the bad set")
        traffic.flow_until(lambda: fleet.serves(good), "the bad set is gone")
        traffic.flow_until(lambda: len(traffic.keys) >= MESSAGES, "every message is sent")
        wait_until(lambda: fleet.world.depths() == (0, 0), "the queue is empty")

    told = fleet.log.read_text(encoding="utf-8")
    assert f"{good} serves everywhere" in told
    assert f"{bad} is refused, back to {good}: gate rate" in told
    assert store.read_promoted_digest() == good
    assert fleet.pods.most_pods == 5
    assert set(fleet.pods.end()) == {0}
    results = fleet.world.results()
    assert sorted(result.photo.key for result in results) == sorted(traffic.keys)
    made_by = {digest: load_pipeline(fleet, digest) for digest in (first, good, bad)}
    named = {pipeline.digest: pipeline for pipeline in made_by.values()}
    assert {result.model_set for result in results} == set(named)
    expected = {digest: list_areas(pipeline) for digest, pipeline in named.items()}
    assert len({str(areas) for areas in expected.values()}) == len(expected)  # a mixture would show
    for result in results:
        picture = int(result.photo.key[-9:-4]) % PICTURES
        assert [region.area_px2 for region in result.regions] == expected[result.model_set][picture]


def load_pipeline(fleet: Fleet, digest: str) -> Pipeline:
    """The set as the workers load it."""
    return load_models(
        fleet.world.settings(model_store=str(fleet.world.folder / "models"), model_set=digest, **POLICIES)
    ).pipeline


def list_areas(pipeline: Pipeline) -> list[list[int]]:
    """Regions of each picture."""
    photos = [pipeline.decode(rendered_jpeg(i)) for i in range(PICTURES)]
    return [[region.area_px2 for region in pipeline.inspect([photo])[0].regions] for photo in photos]
