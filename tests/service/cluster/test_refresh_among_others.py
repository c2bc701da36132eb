"""Rollouts that others meddle with: processes that die, promotions, scaling, pins and conflicts in mid-canary."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from service.cluster import rollout
from service.cluster.api import Cluster, ClusterConflict
from service.errors import SetupError
from tests.service.cluster.api_server import State
from tests.service.cluster.deployment_controller import make_deployment, run_controller
from tests.service.cluster.rollout_world import PLAN, SOUND, World, wait_for
from tests.service.cluster.stores import make_store, promote


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
