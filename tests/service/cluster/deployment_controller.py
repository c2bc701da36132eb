"""What Kubernetes does with a Deployment: ReplicaSets under its pace (surge, readiness, deadline), and its status.

Follows the Deployment controller's rolling update (reconcile new, then old; a ReplicaSet keeps its own
minReadySeconds; a scaled Deployment shares among its ReplicaSets; progress is judged against its deadline).
"""

import copy
import hashlib
import json
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.service.cluster.api_server import Object, State

NO_DEADLINE_S = 2**31 - 1
PIN = "vehicle-damage/model-set"


@dataclass
class Pod:
    name: str
    made_s: float
    ready_s: float | None = None
    restarts: int = 0


@dataclass
class ReplicaSet:
    template: Object
    min_ready_s: float
    pods: list[Pod] = field(default_factory=list)

    @property
    def pin(self) -> str:
        return (self.template["metadata"].get("annotations") or {}).get(PIN, "")

    def available(self, now_s: float) -> int:
        return sum(pod.ready_s is not None and now_s - pod.ready_s >= self.min_ready_s for pod in self.pods)


def resolve(value: int | str, replicas: int, *, rounds_up: bool) -> int:
    """An absolute number or a percentage; surge rounds up, unavailability down."""
    if isinstance(value, int):
        return value
    share = int(value.removesuffix("%")) * replicas / 100
    return math.ceil(share) if rounds_up else math.floor(share)


class DeploymentController:
    """Drives one Deployment."""

    def __init__(self, state: State, name: str, *, start_s: float = 0.02) -> None:
        self.state, self.name, self.start_s = state, name, start_s
        self.sets: dict[str, ReplicaSet] = {}
        self.never_ready: set[str] = set()
        self.unschedulable: set[str] = set()
        self.crashing: set[str] = set()
        self.most_pods = 0
        self.made = 0
        self._wanted: int | None = None
        self._progress = ((), time.monotonic())
        self._has_timed_out = False

    def counts(self) -> dict[str, int]:
        with self.state.lock:
            return {each.pin: len(each.pods) for each in self.sets.values() if each.pods}

    def tick(self) -> None:
        with self.state.lock:
            now_s, spec = time.monotonic(), self.state.objects["deployments", "vd", self.name]["spec"]
            generation = self.state.objects["deployments", "vd", self.name]["metadata"]["generation"]
            new = self._find_new(spec)
            self._start_pods(now_s)
            self._scale(spec, new)
            self._roll(spec, new, now_s)
            total = sum(len(each.pods) for each in self.sets.values())
            self.most_pods = max(self.most_pods, total)
            self._publish_pods()
            self._publish_status(spec, new, generation, now_s)

    def _find_new(self, spec: Object) -> ReplicaSet:
        digest = hashlib.sha256(json.dumps(spec["template"], sort_keys=True).encode()).hexdigest()[:10]
        if digest not in self.sets:
            self.sets[digest] = ReplicaSet(copy.deepcopy(spec["template"]), spec.get("minReadySeconds", 0))
        found = self.sets[digest]
        found.min_ready_s = spec.get("minReadySeconds", 0)  # of the new one only: old ones keep theirs
        return found

    def _start_pods(self, now_s: float) -> None:
        for each in self.sets.values():
            for pod in each.pods:
                if each.pin in self.crashing:
                    pod.restarts += 1
                elif pod.ready_s is None and each.pin not in self.never_ready | self.unschedulable and self.is_up(pod):
                    pod.ready_s = now_s

    def is_up(self, pod: Pod) -> bool:
        """Does its readiness probe succeed?"""
        return time.monotonic() - pod.made_s >= self.start_s

    def _scale(self, spec: Object, new: ReplicaSet) -> None:
        """A changed number of replicas is shared; without any pod the newest takes them all."""
        replicas = spec["replicas"]
        if self._wanted is not None and replicas != self._wanted:
            active = [each for each in self.sets.values() if each.pods] or [new]
            total = sum(len(each.pods) for each in active)
            rolling = spec["strategy"]["rollingUpdate"]
            surge = resolve(rolling["maxSurge"], replicas, rounds_up=True) if replicas and len(active) > 1 else 0
            wanted, left = replicas + surge, replicas + surge
            for index, each in enumerate(active):
                is_last = index == len(active) - 1
                share = left if is_last else round(wanted * len(each.pods) / total)
                self._set_pods(each, share)
                left -= share
        self._wanted = replicas

    def _roll(self, spec: Object, new: ReplicaSet, now_s: float) -> None:
        replicas, rolling = spec["replicas"], spec["strategy"]["rollingUpdate"]
        surge = resolve(rolling["maxSurge"], replicas, rounds_up=True)
        unavailable = resolve(rolling["maxUnavailable"], replicas, rounds_up=False) or int(surge == 0)
        old = [each for each in self.sets.values() if each is not new]
        total = sum(len(each.pods) for each in self.sets.values())
        if len(new.pods) > replicas:
            self._set_pods(new, replicas)
        elif total < replicas + surge:
            self._set_pods(new, len(new.pods) + min(replicas + surge - total, replicas - len(new.pods)))
        least = replicas - unavailable
        total = sum(len(each.pods) for each in self.sets.values())
        spare = total - least - (len(new.pods) - new.available(now_s))
        for each in old:  # unhealthy ones first
            dead = min(len(each.pods) - each.available(now_s), max(spare, 0))
            each.pods.sort(key=lambda pod: pod.ready_s is not None)
            del each.pods[:dead]
            spare -= dead
        spare = min(spare, sum(each.available(now_s) for each in self.sets.values()) - least)
        for each in old:
            gone = min(len(each.pods), max(spare, 0))
            del each.pods[:gone]
            spare -= gone

    def _set_pods(self, target: ReplicaSet, count: int) -> None:
        while len(target.pods) < count:
            self.made += 1
            target.pods.append(Pod(f"{self.name}-{self.made}", time.monotonic()))
        del target.pods[count:]

    def _publish_pods(self) -> None:
        wanted: dict[str, Object] = {}
        for each in self.sets.values():
            for pod in each.pods:
                wanted[pod.name] = {
                    "metadata": {"name": pod.name, **copy.deepcopy(each.template["metadata"])},
                    "spec": each.template["spec"],
                    "status": {
                        "phase": "Running",
                        "conditions": [
                            {"type": "PodScheduled", "status": str(each.pin not in self.unschedulable)},
                            {"type": "Ready", "status": str(pod.ready_s is not None)},
                        ],
                        "containerStatuses": [
                            {"name": "worker", "restartCount": pod.restarts, "ready": True, "image": "", "imageID": ""}
                        ],
                    },
                }
        shown = {name for kind, _, name in self.state.objects if kind == "pods" and name.startswith(f"{self.name}-")}
        for name in shown - set(wanted):
            self.state.write("pods", "vd", self.state.objects["pods", "vd", name], "DELETED")
        for name, pod in wanted.items():
            if name not in shown:
                self.state.add("pods", pod)
            else:
                self.state.change("pods", name, lambda found, pod=pod: found.update(status=pod["status"]))

    def _publish_status(self, spec: Object, new: ReplicaSet, generation: int, now_s: float) -> None:
        sets = self.sets.values()
        counts = {
            "replicas": sum(len(each.pods) for each in sets),
            "updatedReplicas": len(new.pods),
            "readyReplicas": sum(pod.ready_s is not None for each in sets for pod in each.pods),
            "availableReplicas": sum(each.available(now_s) for each in sets),
        }
        is_complete = counts["updatedReplicas"] == counts["replicas"] == counts["availableReplicas"] == spec["replicas"]
        if tuple(counts.values()) != self._progress[0]:
            self._progress, self._has_timed_out = (tuple(counts.values()), now_s), False
        deadline_s = spec.get("progressDeadlineSeconds", 600)
        if is_complete:
            self._has_timed_out = False
        elif deadline_s != NO_DEADLINE_S and now_s - self._progress[1] > deadline_s:
            self._has_timed_out = True
        reason = "NewReplicaSetAvailable" if is_complete else "ReplicaSetUpdated"
        condition = {
            "type": "Progressing",
            "status": "False" if self._has_timed_out else "True",
            "reason": "ProgressDeadlineExceeded" if self._has_timed_out else reason,
        }
        status = {**counts, "observedGeneration": generation, "conditions": [condition]}
        self.state.change("deployments", self.name, lambda found: found.update(status=status))


def make_deployment(name: str, *, replicas: int = 3, pin: str = "", **spec: Any) -> Object:
    """A worker Deployment as the chart renders it, defaults filled in as the server does."""
    annotations = {PIN: pin} if pin else {}
    return {
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/component": "worker"},
            "annotations": {"note": "kept"},
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": 0,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": {"app.kubernetes.io/component": "worker"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "50%", "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": {"app.kubernetes.io/component": "worker"}, "annotations": annotations},
                "spec": {
                    "containers": [
                        {"name": "sidecar", "image": "example.com/sidecar:1", "env": [{"name": "A", "value": "b"}]},
                        {
                            "name": "worker",
                            "image": "example.com/worker:1",
                            "env": [
                                {"name": "VEHICLE_DAMAGE_QUEUE_URL", "value": "https://queue"},
                                {"name": "VEHICLE_DAMAGE_MODEL_SET", "value": pin},
                            ],
                        },
                    ]
                },
            },
            **spec,
        },
        "status": {},
    }


@contextmanager
def run_controller(state: State, deployment: Object, **options: Any) -> Iterator[DeploymentController]:
    """Add a Deployment and drive it from a thread."""
    state.add("deployments", deployment)
    controller = DeploymentController(state, deployment["metadata"]["name"], **options)
    with drive(controller):
        yield controller


@contextmanager
def drive(controller: DeploymentController) -> Iterator[None]:
    """Drive a controller from a thread; its Deployment is there."""
    stopping = threading.Event()

    def keep_ticking() -> None:
        while not stopping.wait(0.005):
            controller.tick()

    controller.tick()
    thread = threading.Thread(target=keep_ticking, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
