"""A queue, buckets and a ledger of a test's own, and workers on them."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import cv2
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from models.renderer import render_photo
from service.assembly import build_worker
from service.embedded import EmbeddedAws
from service.ledger import open_ledger
from service.metrics import REGISTRY
from service.model_source import PipelineSource
from service.pipeline import Pipeline
from service.result import InspectionResult
from service.settings import Settings
from service.sqs import Queue
from service.worker import Worker

DEADLINE_S = 120


@cache
def rendered_jpeg(seed: int) -> bytes:
    """A small rendered photo; odd seeds show a scratch, even ones nothing."""
    damages = ("scratch",) if seed % 2 else ()
    image = render_photo(seed, size_hw=(240, 320), view="left", damages=damages, is_close_up=False).image
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def sample(name: str, **labels: str) -> float:
    """The sum of a metric's samples that carry these labels."""
    return _sum_samples(REGISTRY.collect(), name, labels)


def _sum_samples(families: Iterable[Metric], name: str, labels: dict[str, str]) -> float:
    samples = (found for family in families for found in family.samples if found.name == name)
    return sum(found.value for found in samples if labels.items() <= found.labels.items())


def wait_until(is_reached: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Poll until a state is reached; fail naming it when the time is over."""
    end = time.monotonic() + deadline_s
    while not is_reached():
        assert time.monotonic() < end, f"not within {deadline_s} s: {what}"
        time.sleep(0.05)


def answers(url: str) -> bool:
    """Does somebody answer 200?"""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


@dataclass
class World:
    """One queue with its dead-letter queue, a photo bucket, a results bucket, a ledger file."""

    aws: EmbeddedAws
    folder: Path
    max_receive_count: int = 3
    photo_bucket: str = field(init=False)
    results_bucket: str = field(init=False)
    queue_url: str = field(init=False)

    def __post_init__(self) -> None:
        name = uuid4().hex[:12]
        self.photo_bucket = self.aws.create_bucket(f"photos-{name}")
        self.results_bucket = self.aws.create_bucket(f"results-{name}")
        self.queue_url = self.aws.create_queue(f"queue-{name}", max_receive_count=self.max_receive_count)
        self.s3 = self.aws.client("s3")
        self.queue = Queue(self.aws.client("sqs"), self.queue_url)

    @property
    def ledger_url(self) -> str:
        return f"sqlite:///{self.folder / 'ledger.sqlite3'}"

    def put(self, key: str, body: bytes) -> str:
        self.s3.put_object(Bucket=self.photo_bucket, Key=key, Body=body)
        return key

    def message(self, key: str, **more: Any) -> str:
        return json.dumps({"version": 1, "photo": {"bucket": self.photo_bucket, "key": key}, **more})

    def send(self, bodies: Iterable[str]) -> None:
        for _ in self.queue.send(bodies):
            pass

    def ask_for_rendered(self, photos: int) -> list[str]:
        """Upload photos of few different pictures under keys of their own and ask for each."""
        keys = [self.put(f"drive/photo-{i:04}.jpg", rendered_jpeg(i % 8)) for i in range(photos)]
        self.send(self.message(key) for key in keys)
        return keys

    def results(self) -> list[InspectionResult]:
        """Every visible result, from the bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.results_bucket)
        keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
        bodies = [self.s3.get_object(Bucket=self.results_bucket, Key=key)["Body"].read() for key in keys]
        return [InspectionResult.model_validate_json(body) for body in bodies]

    def rows(self) -> list[InspectionResult]:
        """Every row of the ledger."""
        ledger = open_ledger(self.ledger_url)
        try:
            return ledger.fetch_results(limit=100_000)
        finally:
            ledger.close()

    def depths(self) -> tuple[int, int]:
        """Messages, visible or hidden, in the queue and in its dead-letter queue."""
        return sum(self.queue.depth()), sum(self.queue.dead_letter_queue().depth())

    def settings(self, **more: Any) -> Settings:
        defaults = {
            "queue_url": self.queue_url,
            "photo_buckets": (self.photo_bucket,),
            "results_bucket": self.results_bucket,
            "ledger_url": self.ledger_url,
            "receive_wait_s": 1,
            "visibility_timeout_s": 30,
            "renewal_interval_s": 5,
            "retry_pause_s": 0,
            "http_port": 0,
        }
        return Settings(**{**defaults, **more})

    def build_worker(self, pipeline: Pipeline | PipelineSource, **more: Any) -> Worker:
        models = SimpleNamespace(pipeline=pipeline) if hasattr(pipeline, "inspect") else pipeline
        ledger = open_ledger(self.ledger_url)
        return build_worker(self.settings(**more), models, ledger, sqs=self.aws.client("sqs"), s3=self.aws.client("s3"))

    def start_process(self, *arguments: str, **more: Any) -> "WorkerProcess":
        """Start `vehicle-damage worker` as a process of its own."""
        return WorkerProcess(self, arguments, more)


class WorkerProcess:
    """A worker under test, with its log and its probes."""

    def __init__(self, world: World, arguments: Sequence[str], more: dict[str, Any]) -> None:
        settings = world.settings(**more)
        chosen = {
            f"VEHICLE_DAMAGE_{name.upper()}": ",".join(value) if isinstance(value, tuple) else str(value)
            for name, value in settings.model_dump(exclude_unset=True).items()
        }
        self._log_path = world.folder / f"worker-{uuid4().hex[:8]}.log"
        with self._log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service.cli", "worker", *arguments],
                env={**os.environ, **world.aws.environment, **chosen},
                stderr=log,
                stdout=log,
            )

    def events(self, name: str) -> list[dict[str, Any]]:
        """Log lines of one event."""
        lines = self._log_path.read_text(encoding="utf-8").splitlines()
        parsed = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [line for line in parsed if line.get("event") == name]

    def log(self) -> str:
        return self._log_path.read_text(encoding="utf-8")

    def wait_until_started(self) -> int:
        """Wait for its probes; return their port."""
        wait_until(lambda: self.events("started") or self.process.poll() is not None, "worker started")
        assert self.process.poll() is None or self.events("started"), self.log()
        return self.events("started")[0]["port"]

    def metric(self, name: str, **labels: str) -> float:
        """The sum of those samples of its /metrics that carry these labels."""
        port = self.wait_until_started()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
        return _sum_samples(families, name, labels)

    def wait(self, deadline_s: float = DEADLINE_S) -> int:
        """Wait for its end; return its exit code."""
        return self.process.wait(deadline_s)

    def end(self) -> None:
        """Kill it if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
