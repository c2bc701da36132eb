"""Rollouts of a Deployment that behaves as Kubernetes makes it: canary, verdict, all or back, and accidents."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from models.store import ModelStore
from service.cluster import rollout
from service.cluster.api import Cluster, ClusterConflict
from service.cluster.deployment import NEVER_READY_S
from service.cluster.judgement import Tolerances
from service.cluster.prometheus import Prometheus
from service.cluster.refresh import Plan, Refresher, Step
from service.errors import SetupError
from tests.service.cluster.api_server import State
from tests.service.cluster.deployment_controller import DeploymentController, make_deployment, run_controller
from tests.service.cluster.prometheus_server import Answers
from tests.service.cluster.stores import make_store, promote

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


@pytest.fixture
def start_world(state: State, cluster: Cluster, prometheus, tmp_path: Path):
    """Starts a settled Deployment of some shape, pinned to the one promoted set."""

    @contextmanager
    def start(**shape: Any) -> Iterator[World]:
        store, [old] = make_store(tmp_path / "store", "0001")
        deployment = make_deployment("worker", pin=old, **shape)
        with run_controller(state, deployment) as controller:
            world = World(state, controller, store, tmp_path / "store", prometheus[1], cluster, prometheus[0], old)
            world.wait_for_pods(**{old: deployment["spec"]["replicas"]})
            wait_for(lambda: world.look().is_done, "the fleet is settled")
            yield world

    return start


@pytest.fixture
def world(start_world) -> Iterator[World]:
    with start_world() as started:
        yield started


FULL = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


def test_a_good_candidate_goes_from_a_share_to_every_pod(world: World):
    before = world.deployment["spec"]
    new = world.begin()
    held = world.deployment["spec"]
    assert held["strategy"]["rollingUpdate"] == {"maxSurge": "33%", "maxUnavailable": 0}
    assert held["minReadySeconds"] < held["progressDeadlineSeconds"]
    world.answers.tell(new, **SOUND)
    world.minutes = 29
    assert isinstance(world.look().action, rollout.Wait)
    assert world.controller.counts() == {world.old: 3, new: 1}
    world.minutes = 31
    assert isinstance(world.look().action, rollout.Spread)
    world.wait_for_pods(**{new: 3})
    wait_for(lambda: isinstance(world.look().action, rollout.Finish), "the rollout ends")
    after = world.deployment["spec"]
    assert {name: after[name] for name in before if name != "template"} == {
        name: before[name] for name in before if name != "template"
    }
    assert {name: world.notes[name] for name in world.notes if name != "pace"} == {
        "note": "kept",
        "previous": world.old,
    }
    assert world.look().told == f"{new} serves"


def test_a_full_pool_tries_the_candidate_in_the_place_of_a_pod(start_world):
    with start_world(replicas=4, strategy=FULL) as world:
        new = promote(world.store, "0002")
        assert isinstance(world.look().action, rollout.StartCanary)
        world.wait_for_pods(**{world.old: 3, new: 1})
        for digest in (world.old, new):
            world.answers.tell(digest, **SOUND)
        world.minutes = 31
        assert isinstance(world.look().action, rollout.Spread)
        world.wait_for_pods(**{new: 4})
        wait_for(lambda: isinstance(world.look().action, rollout.Finish), "the rollout ends")
        assert world.controller.most_pods == 4
        assert world.deployment["spec"]["strategy"] == FULL


def test_one_worker_without_room_for_a_second_is_left_alone(start_world):
    with start_world(replicas=1, strategy=FULL) as world:
        promote(world.store, "0002")
        step = world.look()
        assert isinstance(step.action, rollout.Wait)
        assert "one worker, and no surge" in step.told


def test_a_canary_s_pod_that_is_replaced_refuses_nothing(world: World):
    new = world.begin()
    world.answers.tell(new, **SOUND)
    world.controller.never_ready.add(new)
    with world.state.lock:
        for each in world.controller.sets.values():
            for pod in each.pods:
                pod.ready_s = None if each.pin == new else pod.ready_s
    wait_for(lambda: world.shown_ready() == 3, "the canary's pod is not ready")
    world.minutes = 20
    assert isinstance(world.look().action, rollout.Wait)


def test_a_candidate_without_a_node_is_not_refused_and_tried_again(world: World):
    new = promote(world.store, "0002")
    world.controller.unschedulable.add(new)
    world.look()
    world.controller.tick()
    world.minutes = 11
    step = world.look()
    assert step.is_untried
    assert not step.is_refusal
    assert f"{new} is not tried, back to {world.old}: no node or no image" in step.told
    world.wait_for_pods(**{world.old: 3})
    assert world.store.read_promoted_digest() == new
    world.controller.unschedulable.clear()
    wait_for(lambda: isinstance(world.look().action, rollout.StartCanary), "it is tried again")


def test_a_canary_that_nothing_measures_is_not_refused(world: World):
    world.begin()
    world.answers.status = 503
    world.minutes = 121
    step = world.look()
    assert step.is_untried
    assert "nothing measured it" in step.told


def test_a_canary_s_pace_without_a_canary_is_taken_back(world: World):
    """As `helm rollback` leaves it, to a release that was made during a canary."""
    new = world.begin()
    held = world.deployment["spec"]
    paces = {name: held[name] for name in ("minReadySeconds", "progressDeadlineSeconds", "strategy")}
    world.answers.tell(new, **SOUND)
    world.minutes = 31
    world.look()
    world.wait_for_pods(**{new: 3})
    wait_for(lambda: isinstance(world.look().action, rollout.Finish), "the rollout ends")
    world.state.change("deployments", "worker", lambda found: found["spec"].update(paces))
    assert isinstance(world.look().action, rollout.Forget)
    assert world.deployment["spec"]["minReadySeconds"] == 0
    assert world.deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": "50%", "maxUnavailable": 0}
    wait_for(lambda: world.look().is_done, "the fleet rests")


def test_a_patch_changes_the_pin_and_no_other_variable_or_container(world: World):
    new = world.begin()
    before = make_deployment("worker", pin=world.old)["spec"]["template"]["spec"]["containers"]
    before[1]["env"][1]["value"] = new
    assert world.deployment["spec"]["template"]["spec"]["containers"] == before


def test_a_bad_candidate_goes_back_with_the_store(world: World):
    new = world.begin()
    world.answers.tell(new, **{**SOUND, "inspected": 900, "undamaged": 100})
    world.minutes = 31
    step = world.look()
    assert step.is_refusal
    assert "gate rate 0.9 against 0.3" in step.told
    world.wait_for_pods(**{world.old: 3})
    assert world.store.read_promoted_digest() == world.old
    assert world.notes["reason"].startswith("gate rate")
    assert "refused" not in world.notes
    assert world.deployment["spec"]["minReadySeconds"] == 0
    wait_for(lambda: world.look().is_done, "the fleet rests")
    assert world.controller.most_pods == 4


def test_a_refused_set_that_is_promoted_anew_is_tried_anew(world: World):
    new = world.begin()
    world.answers.tell(new, **{**SOUND, "failures": 500})
    assert world.look().is_refusal
    world.wait_for_pods(**{world.old: 3})
    world.store.promote_set(new)
    wait_for(lambda: isinstance(world.look().action, rollout.StartCanary), "it is tried again")


def test_a_store_that_may_not_be_written_leaves_the_refusal_on_the_deployment(world: World):
    plan = replace(PLAN, rolls_store_back=False)
    new = world.begin()
    world.answers.tell(new, **{**SOUND, "failures": 500})
    assert world.look(plan).is_refusal
    assert world.store.read_promoted_digest() == new
    assert world.notes["refused"] == new
    world.wait_for_pods(**{world.old: 3})
    step = world.look(plan)
    assert step.is_done
    assert "was refused: attempts fail" in step.told
    world.store.promote_set(world.old)
    assert isinstance(world.look(plan).action, rollout.Forget)
    assert "refused" not in world.notes


def test_failing_attempts_end_a_canary_at_once(world: World):
    new = world.begin()
    world.answers.tell(new, inspected=0, undamaged=0, regions=0, failures=9, mean_s=0.1)
    world.minutes = 1
    assert "attempts fail" in world.look().told


@pytest.mark.parametrize("how", ["never_ready", "crashing"])
def test_a_candidate_whose_pods_do_not_live_goes_back(world: World, how: str):
    new = promote(world.store, "0002")
    getattr(world.controller, how).add(new)
    world.look()
    wait_for(lambda: new in world.controller.counts(), "the canary's pod")
    world.minutes = 11
    wait_for(lambda: world.look().is_refusal, "it is refused")
    world.wait_for_pods(**{world.old: 3})
    assert world.store.read_promoted_digest() == world.old


def test_without_photos_a_candidate_goes_back_at_the_limit(world: World):
    new = world.begin()
    world.answers.tell(new, inspected=3, undamaged=7, regions=5, failures=0, mean_s=0.4)
    world.minutes = 119
    assert "too few photos yet: 10 photos against 1000" in world.look().told
    world.minutes = 121
    assert world.look().is_refusal


def test_a_prometheus_that_is_away_is_waited_for(world: World):
    world.begin()
    world.answers.status = 503
    step = world.look()
    assert isinstance(step.action, rollout.Wait)
    assert "503: scripted" in step.told


def test_a_canary_holds_while_nobody_watches_and_another_process_goes_on(world: World):
    new = world.begin()
    made = world.controller.made
    for _ in range(200):
        world.controller.tick()
    assert world.controller.made == made
    assert world.controller.counts() == {world.old: 3, new: 1}
    world.answers.tell(new, **SOUND)
    world.minutes = 31
    assert isinstance(world.look().action, rollout.Spread)


def test_a_process_that_died_between_deployment_and_store_is_replaced(world: World):
    new = world.begin()
    world.answers.tell(new, **{**SOUND, "failures": 500})
    dying = world.refresher()
    dying._take_step()
    assert world.notes["phase"] == "returning"
    assert world.store.read_promoted_digest() == new
    assert world.look().is_refusal
    assert world.store.read_promoted_digest() == world.old
    assert "phase" not in world.notes


def test_a_promotion_in_the_middle_of_a_canary_withdraws_it_and_then_has_its_own(world: World):
    new = world.begin()
    newer = promote(world.store, "0003")
    step = world.look()
    assert isinstance(step.action, rollout.Return)
    assert not step.is_refusal
    world.wait_for_pods(**{world.old: 3})
    wait_for(lambda: isinstance(world.look().action, rollout.StartCanary), "the newer one's canary")
    world.wait_for_pods(**{world.old: 3, newer: 1})
    assert new not in world.controller.counts()


def test_a_return_leaves_a_store_alone_that_names_another_set_by_then(world: World):
    new = world.begin()
    world.answers.tell(new, **{**SOUND, "failures": 500})
    world.refresher()._take_step()
    newer = promote(world.store, "0003")
    assert isinstance(world.look().action, rollout.EndReturn)
    assert world.store.read_promoted_digest() == newer


def test_a_fleet_scaled_to_zero_during_a_canary_comes_back_with_the_incumbent(world: World):
    new = world.begin()
    world.state.change("deployments", "worker", lambda found: found["spec"].update(replicas=0))
    wait_for(lambda: not world.controller.counts(), "no pods")
    step = world.look()
    assert isinstance(step.action, rollout.Return)
    assert not step.is_refusal
    assert "no worker runs" in world.look().told
    world.state.change("deployments", "worker", lambda found: found["spec"].update(replicas=2))
    world.wait_for_pods(**{world.old: 2})
    wait_for(lambda: isinstance(world.look().action, rollout.StartCanary), "the canary begins again")
    world.wait_for_pods(**{world.old: 2, new: 1})


def test_a_fleet_that_grows_during_a_canary_keeps_a_share(world: World):
    new = world.begin()
    world.state.change("deployments", "worker", lambda found: found["spec"].update(replicas=12))
    world.wait_for_pods(**{world.old: 12, new: 4})


def test_a_canary_that_grows_beyond_its_share_begins_again(start_world):
    with start_world(replicas=1) as world:
        new = promote(world.store, "0002")
        world.look()
        world.wait_for_pods(**{world.old: 1, new: 1})
        world.state.change("deployments", "worker", lambda found: found["spec"].update(replicas=12))
        wait_for(lambda: world.controller.counts().get(new, 0) > 6, "half of the pods are the canary's")
        step = world.look()
        assert isinstance(step.action, rollout.Return)
        assert not step.is_refusal
        wait_for(lambda: isinstance(world.look().action, rollout.StartCanary), "it begins again")
        world.wait_for_pods(**{world.old: 12, new: 4})


def test_a_pin_changed_by_others_ends_the_canary_without_a_fight(world: World):
    world.begin()

    def reset(found: dict) -> None:
        found["spec"]["template"]["spec"]["containers"][1]["env"][1]["value"] = "0123456789abcdef"

    world.state.change("deployments", "worker", reset)
    assert isinstance(world.look().action, rollout.Forget)
    assert world.deployment["spec"]["minReadySeconds"] == 0
    assert "phase" not in world.notes


def test_an_unpinned_fleet_is_pinned_to_what_is_promoted(state: State, cluster: Cluster, prometheus, tmp_path: Path):
    store, [digest] = make_store(tmp_path / "store", "0001")
    with run_controller(state, make_deployment("worker")) as controller:
        world = World(state, controller, store, tmp_path, prometheus[1], cluster, prometheus[0], digest)
        assert isinstance(world.look().action, rollout.Adopt)
        world.wait_for_pods(**{digest: 3})


def test_a_damaged_candidate_is_never_tried(world: World):
    promote(world.store, "0002")
    (world.folder / "gate" / "0002" / "weights").write_bytes(b"other bytes")
    before = world.deployment["spec"]
    with pytest.raises(SetupError, match=r"is not tried: .*gate/0002/weights: sha256"):
        world.look()
    assert world.deployment["spec"] == before


def test_a_dry_run_shows_the_patch_and_changes_nothing(world: World):
    new = promote(world.store, "0002")
    before = world.deployment["spec"]
    step = world.look(replace(PLAN, dry_run=True))
    assert step.patch["spec"]["template"]["metadata"]["annotations"] == {"vehicle-damage/model-set": new}
    assert world.deployment["spec"] == before
    assert not any(method == "PATCH" for method, _, _ in world.state.requests)


def test_a_conflict_is_decided_anew(world: World):
    promote(world.store, "0002")
    world.state.before_patch = meddle(world, times=1)
    assert isinstance(world.look().action, rollout.StartCanary)
    assert sum(method == "PATCH" for method, _, _ in world.state.requests) == 2
    assert world.notes["note"] == "changed 1 times"


def test_a_conflict_in_the_middle_of_a_return_leaves_it_a_refusal(world: World):
    new = world.begin()
    world.answers.tell(new, **{**SOUND, "failures": 500})
    world.refresher()._take_step()
    world.wait_for_pods(**{world.old: 3})
    world.state.before_patch = meddle(world, times=1)
    assert world.look().is_refusal
    assert world.store.read_promoted_digest() == world.old
    assert "phase" not in world.notes


def test_endless_conflicts_are_told(world: World):
    promote(world.store, "0002")
    world.state.before_patch = meddle(world, times=100)
    with pytest.raises(ClusterConflict, match="modified"):
        world.look()
    assert "phase" not in world.notes


def meddle(world: World, *, times: int) -> Iterator[None]:
    """Change the Deployment before each of the next patches."""
    for number in range(1, times + 1):
        note = f"changed {number} times"
        world.state.change(
            "deployments", "worker", lambda found, note=note: found["metadata"]["annotations"].update(note=note)
        )
        yield


def test_a_canary_is_undone_by_hand_with_the_store(world: World):
    new = world.begin()
    assert world.store.read_promoted_digest() == new
    world.refresher().undo()
    world.wait_for_pods(**{world.old: 3})
    assert world.store.read_promoted_digest() == world.old
    assert "phase" not in world.notes


def test_the_set_before_comes_back_by_hand_and_what_was_left_is_not_tried_again(world: World):
    new = world.begin()
    world.answers.tell(new, **SOUND)
    world.minutes = 31
    world.look()
    world.wait_for_pods(**{new: 3})
    wait_for(lambda: isinstance(world.look().action, rollout.Finish), "the rollout ends")
    for _ in range(2):  # by two people, or repeated for an answer that was lost
        assert "promoted.json follows" in world.refresher().undo().told
        world.wait_for_pods(**{world.old: 3})
        assert world.store.read_promoted_digest() == world.old
    wait_for(lambda: world.look().is_done, "the fleet rests")
    with pytest.raises(SetupError, match="nothing to go back to"):
        world.refresher().undo()


def test_nothing_to_go_back_to_is_told(world: World):
    with pytest.raises(SetupError, match="nothing to go back to"):
        world.refresher().undo()


def hold_without_a_pace(found: dict) -> None:
    found["spec"]["minReadySeconds"] = NEVER_READY_S
    found["metadata"]["annotations"]["vehicle-damage/rollout-pace"] = "{"


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda found: found["spec"]["strategy"].update(type="Recreate"), "strategy: expected RollingUpdate"),
        (lambda found: found["spec"]["template"]["spec"]["containers"].pop(1), "no container has the variable"),
        (lambda found: found["metadata"]["annotations"].update({"vehicle-damage/rollout-phase": "x"}), "found 'x'"),
        (hold_without_a_pace, "rollout-pace"),
        (lambda found: found["metadata"]["annotations"].update({"vehicle-damage/rollout-started-at": "x"}), "a time"),
    ],
)
def test_a_deployment_that_cannot_be_rolled_out_is_named(state: State, cluster: Cluster, tmp_path: Path, edit, words):
    store, _ = make_store(tmp_path / "store", "0001")
    deployment = make_deployment("worker")
    edit(deployment)
    state.add("deployments", deployment)
    with pytest.raises(SetupError, match=f"deployment worker: .*{words}"):
        Refresher(cluster, "worker", store, Prometheus("http://127.0.0.1"), PLAN).look()
