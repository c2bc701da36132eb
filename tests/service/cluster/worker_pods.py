"""Pods that are worker processes of this machine, and a list of them for Prometheus."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.service.cluster.api_server import State
from tests.service.cluster.deployment_controller import DeploymentController, Pod, ReplicaSet
from tests.service.world import WorkerProcess, answers

PROBE_EVERY_S = 0.2


class WorkerPods(DeploymentController):
    """Starts `vehicle-damage worker` for each pod with the variables of its template; ends it by SIGTERM."""

    def __init__(
        self, state: State, name: str, start: Callable[[dict[str, str]], WorkerProcess], targets: Path
    ) -> None:
        """Name everything.

        Args:
            state: of the API.
            name: of the Deployment.
            start: starts a worker with the container's variables.
            targets: file that Prometheus reads its targets from.
        """
        super().__init__(state, name)
        self.running: dict[str, WorkerProcess] = {}
        self.ending: list[WorkerProcess] = []
        self._start, self._targets = start, targets
        self._probed_s: dict[str, float] = {}
        self._ports: dict[str, int] = {}
        self._shown: list[dict[str, Any]] | None = None

    def tick(self) -> None:
        super().tick()
        wanted = {pod.name: each for each in self.sets.values() for pod in each.pods}
        for name in self.running.keys() - wanted.keys():
            worker = self.running.pop(name)
            worker.process.terminate()
            self.ending.append(worker)
        for name in wanted.keys() - self.running.keys():
            self.running[name] = self._start(_variables(wanted[name]))
        self._show([pod for each in self.sets.values() for pod in each.pods if pod.ready_s is not None])

    def is_up(self, pod: Pod) -> bool:
        if time.monotonic() - self._probed_s.get(pod.name, 0) < PROBE_EVERY_S or pod.name not in self.running:
            return False
        self._probed_s[pod.name] = time.monotonic()
        for started in self.running[pod.name].events("started"):
            self._ports[pod.name] = started["port"]
            return answers(f"http://127.0.0.1:{started['port']}/readyz")
        return False

    def end(self) -> list[int]:
        """End every pod; the exit code of each that ever ran."""
        self.ending += self.running.values()
        for worker in self.running.values():
            worker.process.terminate()
        self.running.clear()
        return [worker.wait() for worker in self.ending]

    def _show(self, pods: list[Pod]) -> None:
        targets = [
            {"targets": [f"127.0.0.1:{self._ports[pod.name]}"], "labels": {"namespace": "vd", "pod": pod.name}}
            for pod in pods
        ]
        if targets == self._shown:
            return
        partial = self._targets.with_suffix(".partial")
        partial.write_text(json.dumps(targets), encoding="utf-8")
        partial.rename(self._targets)
        self._shown = targets


def _variables(replicas: ReplicaSet) -> dict[str, str]:
    (worker,) = (each for each in replicas.template["spec"]["containers"] if each["name"] == "worker")
    return {variable["name"]: variable["value"] for variable in worker["env"]}
