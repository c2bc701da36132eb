"""refresh: looks at the fleet, the store and Prometheus, decides, and does it: one step a look.

In:   a Deployment's name, a model store, a Prometheus. Out: Step.
Must not know: how a decision is made (rollout.py), how a patch looks (deployment.py).

All state lies in the Deployment's annotations and every change carries its resource version: a process that died is
replaced by another that goes on from there, and two of them cannot both act on one state.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from models.object_store import ConflictError, StoreError, StoreUnavailableError
from models.store import ModelStore
from service.cluster import deployment as fleets
from service.cluster import rollout
from service.cluster.api import Cluster, ClusterConflict, Object
from service.cluster.deployment import Fleet
from service.cluster.judgement import Tolerances, Verdict, judge
from service.cluster.prometheus import Prometheus, PrometheusUnavailable
from service.errors import SetupError, StorageUnavailable

_TRIES: Final = 5


@dataclass(frozen=True)
class Step:
    """What one look led to.

    Attributes:
        action: that was chosen.
        told: what was done and why, for people.
        patch: of the Deployment; None: it was not changed.
    """

    action: rollout.Action
    told: str
    patch: Object | None = None

    @property
    def is_done(self) -> bool:
        """Is nothing to be waited for?"""
        return isinstance(self.action, rollout.Rest)

    @property
    def outcome(self) -> rollout.Outcome | None:
        """What just became of a candidate; None where none returns."""
        return self.action.outcome if isinstance(self.action, rollout.Return) else None

    @property
    def is_refusal(self) -> bool:
        """Was a candidate found bad, now or before?"""
        is_old = isinstance(self.action, rollout.RollStoreBack | rollout.EndReturn)
        return is_old or self.outcome is rollout.Outcome.REFUSED

    @property
    def is_untried(self) -> bool:
        """Could the cluster not try a candidate?"""
        return self.outcome is rollout.Outcome.NOT_TRIED


@dataclass(frozen=True)
class Plan:
    """How candidates are tried.

    Attributes:
        policy: share and times.
        tolerances: differences.
        rolls_store_back: a refused candidate leaves promoted.json.
        dry_run: change nothing.
    """

    policy: rollout.Policy
    tolerances: Tolerances = field(default_factory=Tolerances)
    rolls_store_back: bool = True
    dry_run: bool = False


class Refresher:
    """Brings the promoted set to the workers."""

    def __init__(
        self,
        cluster: Cluster,
        deployment: str,
        store: ModelStore,
        prometheus: Prometheus,
        plan: Plan,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Name everything; nothing is called yet.

        Args:
            cluster: where the workers run.
            deployment: the one that is changed.
            store: whose promoted set shall serve.
            prometheus: measures the canary.
            plan: how.
            now: the clock.
        """
        self._cluster, self._name, self._store = cluster, deployment, store
        self._prometheus, self._plan, self._now = prometheus, plan, now

    def look(self) -> Step:
        """Do what is to be done next.

        Raises:
            SetupError: the Deployment, the store or Prometheus cannot be used as told.
            ClusterUnavailable: the Kubernetes API does not answer.
            StorageUnavailable: the store does not answer.
            ClusterConflict: others changed the Deployment every time.
        """
        return self._retry(self._look)

    def undo(self) -> Step:
        """Go back by hand: end a running rollout, or pin every pod to the set before, without a canary.

        Raises:
            SetupError: there is nothing to go back to, or the set before is damaged.
            ClusterUnavailable: the Kubernetes API does not answer.
            StorageUnavailable: the store does not answer.
            ClusterConflict: others changed the Deployment every time.
        """
        return self._retry(self._undo)

    def _retry(self, attempt: Callable[[], Step]) -> Step:
        for _ in range(_TRIES - 1):
            try:
                return attempt()
            except (ClusterConflict, ConflictError):
                continue  # somebody was faster: decide anew
        try:
            return attempt()
        except ConflictError as error:
            raise SetupError(f"models: {error}") from error

    def _look(self) -> Step:
        step = self._take_step()
        if step.outcome is not rollout.Outcome.REFUSED or self._plan.dry_run:
            return step
        ending = self._retry(self._take_step)  # the store follows at once
        return Step(step.action, f"{step.told}; {ending.told}", step.patch)

    def _take_step(self) -> Step:
        fleet, promoted = self._read_fleet(), self._read_promoted()
        verdict, why_not = None, ""
        if fleet.phase == "canary":
            verdict, why_not = self._ask(fleet)
        facts = rollout.Facts(fleet, promoted, verdict, self._now())
        action = rollout.decide(facts, self._plan.policy)
        step = self._act(fleet, action)
        return Step(step.action, f"{step.told} ({why_not})", step.patch) if why_not else step

    def _act(self, fleet: Fleet, action: rollout.Action) -> Step:  # noqa: PLR0911 - an action a line
        match action:
            case rollout.Rest(reason) | rollout.Wait(reason):
                return Step(action, reason)
            case rollout.Adopt(digest):
                self._verify(digest)
                return self._patch(fleet, action, fleets.patch_pin(fleet, digest), f"pinned to {digest}, as promoted")
            case rollout.StartCanary(candidate):
                self._verify(candidate)
                share = self._plan.policy.share
                patch = fleets.patch_canary(fleet, candidate, share=share, now=self._now())
                told = f"canary of {candidate} begins on {share:.0%} of the pods; {fleet.pin} is the incumbent"
                return self._patch(fleet, action, patch, told)
            case rollout.Spread(reason):
                told = f"{fleet.candidate} goes to every pod: {reason}"
                return self._patch(fleet, action, fleets.patch_spread(fleet, now=self._now()), told)
            case rollout.Finish():
                return self._patch(fleet, action, fleets.patch_finish(fleet), f"{fleet.candidate} serves everywhere")
            case rollout.Return(reason, outcome):
                patch = fleets.patch_return(fleet, reason, is_refused=outcome is rollout.Outcome.REFUSED)
                told = f"{fleet.candidate} is {outcome}, back to {fleet.incumbent}: {reason}"
                return self._patch(fleet, action, patch, told)
            case rollout.RollStoreBack(incumbent, candidate):
                return self._roll_store_back(fleet, action, incumbent, candidate)
            case rollout.EndReturn():
                patch = fleets.patch_returned(fleet, is_refused=False)
                return self._patch(fleet, action, patch, f"back to {fleet.pin}: {fleet.reason}")
            case rollout.Forget(reason):
                return self._patch(fleet, action, fleets.patch_forget(fleet), f"forgotten: {reason}")

    def _roll_store_back(self, fleet: Fleet, action: rollout.Action, incumbent: str, candidate: str) -> Step:
        why_not = "" if self._plan.rolls_store_back else "as told"
        if not why_not and not self._plan.dry_run:
            why_not = self._promote_again(incumbent, candidate)
        told = f"promoted.json names {incumbent} again: {fleet.reason}"
        if why_not:
            told = f"{candidate} stays promoted ({why_not}) and is not tried again: {fleet.reason}"
        return self._patch(fleet, action, fleets.patch_returned(fleet, is_refused=bool(why_not)), told)

    def _promote_again(self, incumbent: str, candidate: str) -> str:
        """Promote the incumbent if the candidate still is; why not, if it cannot be."""
        try:
            if self._store.read_promoted_digest() == candidate:
                self._store.promote_set(incumbent, instead_of=candidate)
        except ConflictError:
            raise
        except StoreUnavailableError as error:
            raise StorageUnavailable(f"models: {error}") from error
        except StoreError as error:
            return str(error)
        return ""

    def _undo(self) -> Step:
        fleet, promoted = self._read_fleet(), self._read_promoted()
        if fleet.phase == "idle":
            return self._undo_pin(fleet)
        action = rollout.Return("undone by hand", rollout.Outcome.REFUSED)
        if fleet.phase != "returning":
            step = self._act(fleet, action)
            if self._plan.dry_run:
                return step
            fleet = self._read_fleet()
        is_named = promoted == fleet.candidate
        ending = rollout.RollStoreBack(fleet.incumbent, fleet.candidate) if is_named else rollout.EndReturn()
        return self._act(fleet, ending)

    def _undo_pin(self, fleet: Fleet) -> Step:
        """Pin every pod to the set before; done once, it is done: there is nothing before that, so no second call, nor
        one repeated for a lost answer, brings back what was left."""
        action = rollout.Return("undone by hand", rollout.Outcome.REFUSED)
        if not fleet.previous and fleet.refused and fleet.reason == action.reason:
            step = Step(action, f"every pod was pinned to {fleet.pin} instead of {fleet.refused}")
            target, bad = fleet.pin, fleet.refused
        elif not fleet.previous:
            raise SetupError(f"deployment {self._name}: no rollout went through before: there is nothing to go back to")
        else:
            target, bad = fleet.previous, fleet.pin
            self._verify(target)
            patch = fleets.patch_undo(fleet, target, reason=action.reason)
            step = self._patch(fleet, action, patch, f"every pod goes back from {bad} to {target}")
        if not self._plan.rolls_store_back or self._plan.dry_run:
            return step
        return Step(action, f"{step.told}; {self._follow_with_store(target, bad)}", step.patch)

    def _follow_with_store(self, target: str, bad: str) -> str:
        if why_not := self._promote_again(target, bad):
            return f"{bad} stays promoted ({why_not}) and is not tried again"
        promoted = self._read_promoted()
        return "promoted.json follows" if promoted == target else f"promoted.json names {promoted}"

    def _patch(self, fleet: Fleet, action: rollout.Action, patch: Object, told: str) -> Step:
        if not self._plan.dry_run:
            self._cluster.patch_deployment(fleet.name, patch)
        return Step(action, told, patch)

    def _read_fleet(self) -> Fleet:
        found = self._cluster.fetch_deployment(self._name)
        return fleets.read_fleet(found, self._cluster.list_pods(fleets.selector_of(found)))

    def _read_promoted(self) -> str:
        with _store_errors_told():
            return self._store.read_promoted_digest()

    def _verify(self, digest: str) -> None:
        """Read every byte of a set: a damaged one is never tried, and nothing is changed."""
        with _store_errors_told(f"{digest} is not tried: "):
            self._store.load_set(digest)

    def _ask(self, fleet: Fleet) -> tuple[Verdict | None, str]:
        """The verdict so far, or why there is none."""
        if fleet.started_at is None:
            return None, ""
        window_s = max(int((self._now() - fleet.started_at).total_seconds()), 60)
        try:
            measured = self._prometheus.measure((fleet.incumbent, fleet.candidate), window_s=window_s)
        except PrometheusUnavailable as error:
            return None, str(error)
        return (None, "") if measured is None else (judge(*measured, self._plan.tolerances), "")


@contextmanager
def _store_errors_told(doing: str = "") -> Iterator[None]:
    """A store that does not answer may do so at the next look; one that lacks something is for a person."""
    try:
        yield
    except StoreUnavailableError as error:
        raise StorageUnavailable(f"models: {doing}{error}") from error
    except StoreError as error:
        raise SetupError(f"models: {doing}{error}") from error
