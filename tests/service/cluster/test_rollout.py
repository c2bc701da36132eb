"""Every rule of the state machine, without I/O."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from service.cluster.deployment import Fleet, Pace
from service.cluster.judgement import Finding, Verdict
from service.cluster.rollout import (
    Adopt,
    EndReturn,
    Facts,
    Finish,
    Forget,
    Outcome,
    Policy,
    Rest,
    Return,
    RollStoreBack,
    Spread,
    StartCanary,
    Wait,
    decide,
)  # fmt: skip

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
POLICY = Policy(timedelta(minutes=30), timedelta(minutes=120), timedelta(minutes=10))
IDLE = Fleet(
    name="worker", version="7", container="worker", pin="old", phase="idle", incumbent="", candidate="",
    started_at=None, refused="", reason="", previous="", pace=Pace("25%", 0, 10, 600), replicas=4, is_settled=True,
    has_stalled=False,
)  # fmt: skip
CANARY = replace(
    IDLE, phase="canary", pin="new", incumbent="old", candidate="new", started_at=NOW - timedelta(minutes=31),
    is_settled=False, candidate_pods=1, candidate_ready=1, incumbent_pods=4,
)  # fmt: skip
SPREADING = replace(CANARY, phase="spreading", started_at=NOW - timedelta(minutes=1))
RETURNING = replace(CANARY, phase="returning", pin="old", reason="too slow")
FINE = Finding("gate rate", 0.3, 0.3, 0.0, 0.05)
GOOD = Verdict(True, False, (FINE,), (300, 900))
BAD = Verdict(True, False, (replace(FINE, difference=0.2),), (300, 900))
FAILING = Verdict(False, True, (replace(FINE, name="error ratio", difference=0.9),), (0, 900))
FEW = Verdict(False, False, (replace(FINE, difference=0.2),), (3, 900))


def after(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("fleet", "promoted", "expected"),
    [
        (IDLE, "old", Rest),
        (replace(IDLE, is_settled=False), "old", Wait),
        (IDLE, "new", StartCanary),
        (replace(IDLE, pin=""), "new", Adopt),
        (replace(IDLE, replicas=0), "new", Wait),
        (replace(IDLE, is_settled=False), "new", Wait),
        (replace(IDLE, refused="new"), "new", Rest),
        (replace(IDLE, refused="new"), "old", Forget),
        (replace(IDLE, refused="new"), "newer", Forget),
    ],
)
def test_an_idle_fleet_follows_what_is_promoted(fleet: Fleet, promoted: str, expected: type):
    assert type(decide(Facts(fleet, promoted, None, NOW), POLICY)) is expected


@pytest.mark.parametrize(
    ("changes", "verdict", "expected"),
    [
        ({}, GOOD, Spread),
        ({}, BAD, "refused"),
        ({"started_at": after(29)}, GOOD, Wait),
        ({"started_at": after(29)}, BAD, Wait),
        ({"started_at": after(1)}, FAILING, "refused"),
        ({}, FEW, Wait),
        ({"started_at": after(119)}, FEW, Wait),
        ({"started_at": after(121)}, FEW, "refused"),
        ({}, None, Wait),
        ({"started_at": after(121)}, None, "not tried"),
        ({"candidate_ready": 0, "started_at": after(9)}, None, Wait),
        ({"candidate_ready": 0, "started_at": after(11)}, None, "refused"),
        ({"candidate_ready": 0, "candidate_blocked": 1, "started_at": after(9)}, None, Wait),
        ({"candidate_ready": 0, "candidate_blocked": 1, "started_at": after(11)}, None, "not tried"),
        ({"candidate_ready": 0, "candidate_pods": 0, "started_at": after(11)}, None, "not tried"),
        ({"candidate_restarts": 3, "started_at": after(1)}, None, "refused"),
        ({"candidate_restarts": 2, "started_at": after(1)}, None, Wait),
        ({"replicas": 0, "candidate_pods": 0, "incumbent_pods": 0}, GOOD, "withdrawn"),
        ({"incumbent_pods": 0}, GOOD, "withdrawn"),
        ({"pin": "other"}, GOOD, Forget),
        ({"started_at": None}, GOOD, Forget),
    ],
)
def test_a_canary_is_judged(changes: dict, verdict: Verdict | None, expected: object):
    action = decide(Facts(replace(CANARY, **changes), "new", verdict, NOW), POLICY)
    if isinstance(expected, str):
        assert isinstance(action, Return)
        assert action.outcome == expected
    else:
        assert type(action) is expected


@pytest.mark.parametrize("promoted", ["old", "newer"])
def test_a_canary_of_what_is_no_longer_promoted_is_withdrawn(promoted: str):
    action = decide(Facts(CANARY, promoted, GOOD, NOW), POLICY)
    assert isinstance(action, Return)
    assert action.outcome is Outcome.WITHDRAWN


@pytest.mark.parametrize(
    ("changes", "promoted", "expected"),
    [
        ({}, "new", Wait),
        ({"is_settled": True}, "new", Finish),
        ({"is_settled": True}, "newer", Finish),
        ({"pin": "other"}, "new", Forget),
        # Kubernetes reports the deadline passed right after a long canary, until the first pod counts as available.
        ({"has_stalled": True}, "new", Wait),
    ],
)
def test_a_spread_ends_when_every_pod_has_it(changes: dict, promoted: str, expected: type):
    assert type(decide(Facts(replace(SPREADING, **changes), promoted, None, NOW), POLICY)) is expected


def test_a_spread_that_stalls_for_its_deadline_goes_back():
    stalled = replace(SPREADING, has_stalled=True, started_at=after(11))
    assert decide(Facts(stalled, "new", None, NOW), POLICY).outcome is Outcome.REFUSED
    blocked = replace(stalled, candidate_blocked=1)
    assert decide(Facts(blocked, "new", None, NOW), POLICY).outcome is Outcome.NOT_TRIED


def test_a_spread_goes_back_when_the_incumbent_is_promoted_again():
    action = decide(Facts(SPREADING, "old", None, NOW), POLICY)
    assert isinstance(action, Return)
    assert action.outcome is Outcome.WITHDRAWN


def test_a_return_rolls_the_store_back_only_while_it_names_the_candidate():
    assert decide(Facts(RETURNING, "new", None, NOW), POLICY) == RollStoreBack("old", "new")
    assert decide(Facts(RETURNING, "old", None, NOW), POLICY) == EndReturn()
    assert decide(Facts(RETURNING, "newer", None, NOW), POLICY) == EndReturn()
