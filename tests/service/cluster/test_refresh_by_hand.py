"""What a person does to a rollout: undo, and deployments that cannot be rolled out."""

from pathlib import Path

import pytest

from service.cluster import rollout
from service.cluster.api import Cluster
from service.cluster.deployment import NEVER_READY_S
from service.cluster.prometheus import Prometheus
from service.cluster.refresh import Refresher
from service.errors import SetupError
from tests.service.cluster.api_server import State
from tests.service.cluster.deployment_controller import make_deployment
from tests.service.cluster.rollout_world import PLAN, SOUND, World, wait_for
from tests.service.cluster.stores import make_store


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
