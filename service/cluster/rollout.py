"""rollout: what to do next, from what is: a state machine without I/O.

In:   Facts. Out: one Action.
Must not know: Kubernetes, Prometheus, the store.

    idle ──canary──▶ canary ──spread──▶ spreading ──finish──▶ idle
                        │                   │
                        └──return──▶ returning ──store rolled back──▶ idle

A canary that is withdrawn (nothing to compare with, another set promoted) goes back to idle and is not refused; nor is
one that could not be tried (no node for its pods, nothing measured them), which is told as an error and tried again.
A refused set is not tried again while promoted.json goes on naming it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from service.cluster.deployment import Fleet
from service.cluster.judgement import Verdict

_MAX_RESTARTS: Final = 3
_MOST_SHARES: Final = 1.5


@dataclass(frozen=True)
class Policy:
    """How a candidate is tried.

    Attributes:
        observe: a canary is watched so long before it may spread.
        observe_limit: …and at most so long; without enough photos by then it goes back.
        ready_within: a pod of the candidate has to be ready by then.
        share: of all pods, the canary's.
    """

    observe: timedelta
    observe_limit: timedelta
    ready_within: timedelta
    share: float = 0.25


@dataclass(frozen=True)
class Facts:
    """What is.

    Attributes:
        fleet: the workers' Deployment.
        promoted: digest that promoted.json names.
        verdict: on the canary; None: there is none, or nobody could be asked.
        now: the time.
    """

    fleet: Fleet
    promoted: str
    verdict: Verdict | None
    now: datetime


@dataclass(frozen=True)
class Rest:
    """Nothing is to be done."""

    reason: str


@dataclass(frozen=True)
class Wait:
    """Something goes on; look again."""

    reason: str


@dataclass(frozen=True)
class Adopt:
    """Pin a fleet that has no pin to what is promoted, which it serves already."""

    digest: str


@dataclass(frozen=True)
class StartCanary:
    """Verify the candidate, then pin a share of pods to it."""

    candidate: str


@dataclass(frozen=True)
class Spread:
    """Let the candidate reach every pod."""

    reason: str


@dataclass(frozen=True)
class Finish:
    """The candidate serves everywhere."""


class Outcome(StrEnum):
    """What a return makes of its candidate."""

    REFUSED = "refused"
    """Found bad."""
    WITHDRAWN = "withdrawn"
    """Overtaken by something else."""
    NOT_TRIED = "not tried"
    """The cluster, not the candidate, is at fault."""


@dataclass(frozen=True)
class Return:
    """Pin every pod to the incumbent again.

    Attributes:
        reason: why, for people.
        outcome: of the candidate.
    """

    reason: str
    outcome: Outcome


@dataclass(frozen=True)
class RollStoreBack:
    """Promote the incumbent in the store, and end."""

    incumbent: str
    candidate: str


@dataclass(frozen=True)
class EndReturn:
    """The store names another set already."""


@dataclass(frozen=True)
class Forget:
    """Drop what is noted: it is no longer true."""

    reason: str


Action = Rest | Wait | Adopt | StartCanary | Spread | Finish | Return | RollStoreBack | EndReturn | Forget


def decide(facts: Facts, policy: Policy) -> Action:
    """Choose the next action; the same facts give the same action.

    Args:
        facts: what is.
        policy: how a candidate is tried.
    """
    return {
        "idle": _decide_idle,
        "canary": _decide_canary,
        "spreading": _decide_spreading,
        "returning": _decide_returning,
    }[facts.fleet.phase](facts, policy)


def _decide_idle(facts: Facts, _policy: Policy) -> Action:  # noqa: PLR0911 - a rule a line
    fleet, promoted = facts.fleet, facts.promoted
    if fleet.is_held:
        return Forget("a canary's pace stood without a canary")
    if not fleet.pin:
        return Adopt(promoted)
    if fleet.refused and fleet.refused != promoted:
        return Forget(f"{fleet.refused} was refused and is no longer promoted")
    if promoted == fleet.pin:
        return Rest(f"{promoted} serves") if fleet.is_settled else Wait(f"{promoted} is pinned and reaches the pods")
    if promoted == fleet.refused:
        return Rest(f"{promoted} was refused: {fleet.reason}")
    if not fleet.replicas:
        return Wait(f"{promoted} is promoted, and no worker runs to try it beside")
    if not fleet.is_settled:
        return Wait(f"{promoted} is promoted, and another change of the deployment goes on")
    if fleet.is_full and fleet.replicas == 1:
        return Wait(f"{promoted} is promoted; one worker, and no surge: nothing would be left to compare with")
    return StartCanary(promoted)


def _decide_canary(facts: Facts, policy: Policy) -> Action:  # noqa: PLR0911 - a rule a line
    fleet, verdict = facts.fleet, facts.verdict
    if fleet.pin != fleet.candidate or fleet.started_at is None:
        return Forget(f"somebody else pinned the pods to {fleet.pin or 'nothing'}")
    if facts.promoted != fleet.candidate:
        return Return(f"{facts.promoted} is promoted now", Outcome.WITHDRAWN)
    if not fleet.replicas or (fleet.candidate_pods and not fleet.incumbent_pods):
        return Return("no pod of the incumbent is left to compare with", Outcome.WITHDRAWN)
    if fleet.candidate_pods > 1 + _MOST_SHARES * policy.share * (fleet.candidate_pods + fleet.incumbent_pods):
        # Kubernetes gives new pods to both sets alike: of one worker and its canary, half of any number.
        return Return(f"it grew to {fleet.candidate_pods} pods with the fleet, and begins again", Outcome.WITHDRAWN)
    elapsed = facts.now - fleet.started_at
    if trouble := _find_pod_trouble(fleet, elapsed, policy, has_served=verdict is not None):
        return trouble
    told = f"canary of {fleet.candidate} for {_minutes(elapsed)}"
    if verdict is None:
        if elapsed > policy.observe_limit:
            return Return(f"nothing measured it in {_minutes(elapsed)}", Outcome.NOT_TRIED)
        return Wait(f"{told}: nothing measured yet")
    if verdict.is_failing:
        return Return(f"attempts fail: {verdict.bad}", Outcome.REFUSED)
    if elapsed < policy.observe:
        return Wait(f"{told} of {_minutes(policy.observe)}: {verdict}")
    if not verdict.has_enough:
        if elapsed > policy.observe_limit:
            return Return(f"too few photos in {_minutes(elapsed)}: {verdict}", Outcome.REFUSED)
        return Wait(f"{told}: too few photos yet: {verdict}")
    if verdict.bad:
        return Return(verdict.bad, Outcome.REFUSED)
    return Spread(str(verdict))


def _find_pod_trouble(fleet: Fleet, elapsed: timedelta, policy: Policy, *, has_served: bool) -> Return | None:
    if fleet.candidate_restarts >= _MAX_RESTARTS:
        return Return(f"a pod of it restarted {fleet.candidate_restarts} times", Outcome.REFUSED)
    if fleet.candidate_ready or has_served or elapsed <= policy.ready_within:
        return None  # a pod that served and is replaced, as on a spot node that went, says nothing against its set
    if fleet.candidate_blocked == fleet.candidate_pods:
        return Return(f"no node or no image for its pods in {_minutes(elapsed)}", Outcome.NOT_TRIED)
    return Return(f"no pod of it is ready after {_minutes(elapsed)}", Outcome.REFUSED)


def _decide_spreading(facts: Facts, _policy: Policy) -> Action:
    fleet = facts.fleet
    if fleet.pin != fleet.candidate:
        return Forget(f"somebody else pinned the pods to {fleet.pin or 'nothing'}")
    if facts.promoted == fleet.incumbent:
        return Return(f"{fleet.incumbent} is promoted again", Outcome.WITHDRAWN)
    deadline = timedelta(seconds=fleet.pace.progress_deadline_s)
    # A canary outlasts that deadline, so Kubernetes reports it passed until the first pod counts as available.
    if fleet.has_stalled and (fleet.started_at is None or facts.now - fleet.started_at > deadline):
        told = "Kubernetes saw no progress within the deployment's deadline"
        return Return(told, Outcome.NOT_TRIED if fleet.candidate_blocked else Outcome.REFUSED)
    if fleet.is_settled:
        return Finish()
    return Wait(f"{fleet.candidate} reaches the pods: {fleet.candidate_ready} of {fleet.replicas} are ready with it")


def _decide_returning(facts: Facts, _policy: Policy) -> Action:
    fleet = facts.fleet
    if facts.promoted == fleet.candidate:
        return RollStoreBack(fleet.incumbent, fleet.candidate)
    return EndReturn()


def _minutes(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:.0f} min"
