"""Rollouts of a Deployment that behaves as Kubernetes makes it: canary, verdict, all or back, and accidents."""

from dataclasses import replace

import pytest

from service.cluster import rollout
from tests.service.cluster.deployment_controller import make_deployment
from tests.service.cluster.rollout_world import PLAN, SOUND, World, wait_for
from tests.service.cluster.stores import promote

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
