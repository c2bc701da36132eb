"""deployment: the workers' Deployment as a rollout sees it, and the patches that change it.

In:   objects as the API has them. Out: Fleet; strategic merge patches.
Must not know: when to do what.

A canary is one patch: the new pin, and a pace at which no pod ever counts as available. Kubernetes then starts maxSurge
pods of the new set (or replaces maxUnavailable pods, where the Deployment has no room for more) and holds there by
itself, whether or not anybody watches, until the pace is set back.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from pydantic import TypeAdapter, ValidationError

from service.cluster.api import Object
from service.errors import SetupError

PIN_VARIABLE: Final = "VEHICLE_DAMAGE_MODEL_SET"
PIN_ANNOTATION: Final = "vehicle-damage/model-set"
_PREFIX: Final = "vehicle-damage/rollout-"
NEVER_READY_S: Final = 10 * 365 * 86_400
_NO_IMAGE: Final = frozenset({"ErrImagePull", "ImagePullBackOff"})
_NO_DEADLINE_S: Final = 2**31 - 1  # the Deployment controller's own "no deadline"

Phase = Literal["idle", "canary", "spreading", "returning"]
_PHASES: Final = ("idle", "canary", "spreading", "returning")


@dataclass(frozen=True)
class Pace:
    """How a Deployment replaces its pods; what a canary holds still and puts back."""

    max_surge: int | str
    max_unavailable: int | str
    min_ready_s: int
    progress_deadline_s: int


_PACE: Final = TypeAdapter(Pace)


@dataclass(frozen=True)
class Fleet:
    """The workers' Deployment and its pods.

    Attributes:
        name: of the Deployment.
        version: resource version that was read.
        container: that carries the pin.
        pin: store digest that pods are pinned to; empty: what promoted.json names.
        phase: of the rollout, from the annotations; idle: none.
        incumbent: digest to return to.
        candidate: digest that is tried.
        started_at: of the phase.
        refused: digest that was refused and is still promoted.
        reason: why the last rollout went back.
        previous: digest that served before the last rollout that went through.
        pace: the Deployment's own, whatever a canary holds now.
        is_held: a canary's pace stands, with a canary or without.
        replicas: that are wanted.
        is_settled: every pod is of the present template and available.
        has_stalled: Kubernetes gave up waiting for progress.
        candidate_pods: pods of the candidate.
        candidate_ready: of them ready.
        candidate_blocked: of them found no node, or no image on it.
        candidate_restarts: of the one that restarted most.
        incumbent_pods: pods of any other set.
    """

    name: str
    version: str
    container: str
    pin: str
    phase: Phase
    incumbent: str
    candidate: str
    started_at: datetime | None
    refused: str
    reason: str
    previous: str
    pace: Pace
    replicas: int
    is_settled: bool
    has_stalled: bool
    is_held: bool = False
    candidate_pods: int = 0
    candidate_ready: int = 0
    candidate_blocked: int = 0
    candidate_restarts: int = 0
    incumbent_pods: int = 0

    @property
    def is_full(self) -> bool:
        """Is there no room for a pod more?"""
        return str(self.pace.max_surge).removesuffix("%") == "0"


def read_fleet(deployment: Object, pods: Sequence[Object]) -> Fleet:
    """Read a Deployment and its pods.

    Args:
        deployment: the Deployment.
        pods: chosen by its selector.

    Raises:
        SetupError: no container has the pin's variable, its strategy is not RollingUpdate, or an annotation is damaged.
    """
    metadata, spec, status = deployment["metadata"], deployment["spec"], deployment.get("status") or {}
    name, notes = metadata["name"], metadata.get("annotations") or {}
    container, pin = _find_pin(name, spec["template"]["spec"]["containers"])
    strategy = spec.get("strategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        raise SetupError(f"deployment {name}: strategy: expected RollingUpdate, found {strategy['type']}")
    phase = notes.get(f"{_PREFIX}phase", "idle")
    if phase not in _PHASES:
        raise SetupError(f"deployment {name}: {_PREFIX}phase: expected one of {', '.join(_PHASES)}, found {phase!r}")
    candidate = notes.get(f"{_PREFIX}candidate", "")
    replicas = spec.get("replicas", 1)
    counts = _count_pods(pods, candidate)
    return Fleet(
        name=name,
        version=metadata["resourceVersion"],
        container=container,
        pin=pin,
        phase=phase,
        incumbent=notes.get(f"{_PREFIX}incumbent", ""),
        candidate=candidate,
        started_at=_read_time(name, notes.get(f"{_PREFIX}started-at", "")),
        refused=notes.get(f"{_PREFIX}refused", ""),
        reason=notes.get(f"{_PREFIX}reason", ""),
        previous=notes.get(f"{_PREFIX}previous", ""),
        pace=_read_pace(name, spec, notes.get(f"{_PREFIX}pace", "")),
        replicas=replicas,
        is_settled=_is_settled(metadata, status, replicas),
        has_stalled=any(
            c["type"] == "Progressing" and c.get("reason") == "ProgressDeadlineExceeded"
            for c in status.get("conditions") or []
        ),
        is_held=_is_held(spec),
        **counts,
    )


def selector_of(deployment: Object) -> str:
    """The label selector of a Deployment's pods."""
    labels = (deployment["spec"]["selector"].get("matchLabels") or {}).items()
    return ",".join(f"{name}={value}" for name, value in labels)


def patch_canary(fleet: Fleet, candidate: str, *, share: float, now: datetime) -> Object:
    """Pin a share of pods to the candidate and hold there.

    Args:
        fleet: as read.
        candidate: digest.
        share: of all pods, the candidate's, at least one. Kubernetes adds them to the incumbent's, or, where the
            Deployment's own pace has no surge and there is no room for more, puts them in their place.
        now: when.
    """
    ratio = share if fleet.is_full else share / (1 - share)
    some = f"{max(math.floor(100 * ratio + 1e-9), 1)}%"
    surge, unavailable = (0, some) if fleet.is_full else (some, 0)
    pace = Pace(surge, unavailable, NEVER_READY_S, _NO_DEADLINE_S)
    notes = {
        "phase": "canary",
        "incumbent": fleet.pin,
        "candidate": candidate,
        "started-at": _write_time(now),
        "pace": json.dumps(asdict(fleet.pace)),
        "refused": None,
        "reason": None,
    }
    return _patch(fleet, notes, pin=candidate, pace=pace)


def patch_spread(fleet: Fleet, *, now: datetime) -> Object:
    """Let the candidate reach every pod, at the Deployment's own pace."""
    return _patch(fleet, {"phase": "spreading", "started-at": _write_time(now)}, pace=fleet.pace)


def patch_finish(fleet: Fleet) -> Object:
    """End a rollout that went through."""
    return _patch(fleet, {**_ENDED, "previous": fleet.incumbent or None, "reason": None})


def patch_return(fleet: Fleet, reason: str, *, is_refused: bool) -> Object:
    """Pin every pod to the incumbent again.

    Args:
        fleet: as read.
        reason: why, for people.
        is_refused: the store shall follow; else the candidate is merely not tried now.
    """
    notes = {"phase": "returning", "refused": fleet.candidate} if is_refused else dict(_ENDED)
    return _patch(fleet, {**notes, "reason": reason}, pin=fleet.incumbent, pace=fleet.pace)


def patch_returned(fleet: Fleet, *, is_refused: bool) -> Object:
    """End a rollout that went back.

    Args:
        fleet: as read.
        is_refused: the store still names the candidate, which shall not be tried again until it names another.
    """
    return _patch(fleet, {**_ENDED, "refused": fleet.candidate if is_refused else None})


def patch_forget(fleet: Fleet) -> Object:
    """Drop what is noted of a rollout, and hold nothing."""
    return _patch(fleet, {**_ENDED, "refused": None}, pace=fleet.pace if fleet.is_held else None)


def patch_pin(fleet: Fleet, digest: str) -> Object:
    """Pin every pod to a set, at the Deployment's own pace and without a canary."""
    notes = {**_ENDED, "refused": None, "reason": None, "previous": fleet.pin or fleet.previous or None}
    return _patch(fleet, notes, pin=digest, pace=fleet.pace if fleet.is_held else None)


def patch_undo(fleet: Fleet, digest: str, *, reason: str) -> Object:
    """Pin every pod to the set before; the one that they leave is not tried again while the store names it.

    Args:
        fleet: as read.
        digest: of the set before; after this there is none before it.
        reason: why, for people.
    """
    notes = {**_ENDED, "refused": fleet.pin, "reason": reason, "previous": None}
    return _patch(fleet, notes, pin=digest, pace=fleet.pace if fleet.is_held else None)


# The pace stays noted: a Helm release made during a canary holds the canary's, and brings it back when it is restored.
_ENDED: Final[Mapping[str, str | None]] = {"phase": None, "incumbent": None, "candidate": None, "started-at": None}
_USUAL_PACE: Final = Pace("25%", 0, 0, 600)


def _patch(
    fleet: Fleet, notes: Mapping[str, str | None], *, pin: str | None = None, pace: Pace | None = None
) -> Object:
    patch: dict[str, Any] = {
        "metadata": {
            "resourceVersion": fleet.version,
            "annotations": {f"{_PREFIX}{name}": value for name, value in notes.items()},
        }
    }
    spec: dict[str, Any] = {}
    if pace is not None:
        spec["minReadySeconds"] = pace.min_ready_s
        spec["progressDeadlineSeconds"] = pace.progress_deadline_s
        spec["strategy"] = {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": pace.max_surge, "maxUnavailable": pace.max_unavailable},
        }
    if pin is not None:
        spec["template"] = {
            "metadata": {"annotations": {PIN_ANNOTATION: pin or None}},
            "spec": {"containers": [{"name": fleet.container, "env": [{"name": PIN_VARIABLE, "value": pin}]}]},
        }
    return {**patch, "spec": spec} if spec else patch


def _find_pin(name: str, containers: Sequence[Object]) -> tuple[str, str]:
    for container in containers:
        for variable in container.get("env") or []:
            if variable["name"] == PIN_VARIABLE:
                return container["name"], variable.get("value") or ""
    raise SetupError(f"deployment {name}: no container has the variable {PIN_VARIABLE}")


def _is_held(spec: Object) -> bool:
    return spec.get("minReadySeconds", 0) == NEVER_READY_S


def _read_pace(name: str, spec: Object, noted: str) -> Pace:
    if _is_held(spec):
        if not noted:
            return _USUAL_PACE
        try:
            return _PACE.validate_json(noted)
        except ValidationError as error:
            raise SetupError(f"deployment {name}: {_PREFIX}pace: {error.errors()[0]['msg']}") from error
    rolling = (spec.get("strategy") or {}).get("rollingUpdate") or {}
    return Pace(
        max_surge=rolling.get("maxSurge", "25%"),
        max_unavailable=rolling.get("maxUnavailable", "25%"),
        min_ready_s=spec.get("minReadySeconds", 0),
        progress_deadline_s=spec.get("progressDeadlineSeconds", 600),
    )


def _write_time(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="seconds")


def _read_time(name: str, noted: str) -> datetime | None:
    if not noted:
        return None
    try:
        return datetime.fromisoformat(noted).astimezone(UTC)
    except ValueError as error:
        raise SetupError(f"deployment {name}: {_PREFIX}started-at: expected a time, found {noted!r}") from error


def _is_settled(metadata: Object, status: Object, replicas: int) -> bool:
    has_seen = status.get("observedGeneration", 0) >= metadata.get("generation", 0)
    counts = [status.get(count) or 0 for count in ("replicas", "updatedReplicas", "availableReplicas")]
    return has_seen and all(count == replicas for count in counts)


def _count_pods(pods: Sequence[Object], candidate: str) -> dict[str, int]:
    own, others = [], 0
    for pod in pods:
        status = pod.get("status") or {}
        if pod["metadata"].get("deletionTimestamp") or status.get("phase") in ("Succeeded", "Failed"):
            continue
        if (pod["metadata"].get("annotations") or {}).get(PIN_ANNOTATION, "") == candidate:
            own.append(status)
        else:
            others += 1
    return {
        "candidate_pods": len(own),
        "candidate_ready": sum(_has(status, "Ready", "True") for status in own),
        "candidate_blocked": sum(_is_blocked(status) for status in own),
        "candidate_restarts": max((_restarts(status) for status in own), default=0),
        "incumbent_pods": others,
    }


def _has(status: Object, kind: str, value: str) -> bool:
    return any(c["type"] == kind and c["status"] == value for c in status.get("conditions") or [])


def _is_blocked(status: Object) -> bool:
    states = [container.get("state") or {} for container in status.get("containerStatuses") or []]
    reasons = {(state.get("waiting") or {}).get("reason") for state in states}
    return _has(status, "PodScheduled", "False") or bool(reasons & _NO_IMAGE)


def _restarts(status: Object) -> int:
    return sum(container.get("restartCount", 0) for container in status.get("containerStatuses") or [])
