"""A Deployment in rollout: the cluster, its store and what is measured, behind one face."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from models.store import ModelStore
from service.cluster import rollout
from service.cluster.api import Cluster
from service.cluster.judgement import Tolerances
from service.cluster.prometheus import Prometheus
from service.cluster.refresh import Plan, Refresher, Step
from tests.service.cluster.api_server import State
from tests.service.cluster.deployment_controller import DeploymentController
from tests.service.cluster.prometheus_server import Answers
from tests.service.cluster.stores import promote

PLAN = Plan(
    policy=rollout.Policy(timedelta(minutes=30), timedelta(minutes=120), timedelta(minutes=10)),
    tolerances=Tolerances(min_photos=100),
)
SOUND = {"inspected": 300, "undamaged": 700, "regions": 500, "failures": 0, "mean_s": 0.4}


def wait_for(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


@dataclass
class World:
    state: State
    controller: DeploymentController
    store: ModelStore
    folder: Path
    answers: Answers
    cluster: Cluster
    url: str
    old: str
    minutes: float = 0

    def now(self) -> datetime:
        return datetime(2026, 11, 21, 12, tzinfo=UTC) + timedelta(minutes=self.minutes)

    def look(self, plan: Plan = PLAN) -> Step:
        return self.refresher(plan).look()

    def refresher(self, plan: Plan = PLAN) -> Refresher:
        """A process of its own: nothing is kept from the last one."""
        return Refresher(self.cluster, "worker", self.store, Prometheus(self.url), plan, now=self.now)

    def wait_for_pods(self, **counts: int) -> None:
        wait_for(lambda: self.controller.counts() == counts, f"expected {counts}, found {self.controller.counts()}")
        wait_for(lambda: self.shown_ready() == sum(counts.values()), "every pod is shown as ready")

    def shown_ready(self) -> int:
        return self.deployment["status"].get("readyReplicas", 0)

    @property
    def deployment(self) -> dict:
        return self.state.get("deployments", "worker")

    @property
    def notes(self) -> dict[str, str]:
        found = self.deployment["metadata"]["annotations"]
        return {name.removeprefix("vehicle-damage/rollout-"): value for name, value in found.items()}

    def begin(self) -> str:
        """A canary that runs."""
        new = promote(self.store, "0002")
        assert isinstance(self.look().action, rollout.StartCanary)
        self.wait_for_pods(**{self.old: 3, new: 1})
        self.answers.tell(self.old, **SOUND)
        return new
