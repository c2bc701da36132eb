"""Each component is somebody else, and may do what it is for."""

import json
from fnmatch import fnmatch
from typing import Any

import pytest
import typer

from service.commands import rollout
from tests.charts.chart import (
    CHART_DIR,
    FULLNAME,
    NAMESPACE,
    component_of,
    find,
    find_all,
    pods,
    render_scenario,
)

QUEUE = "arn:aws:sqs:REGION:ACCOUNT:QUEUE"
PHOTO, RESULT = "arn:aws:s3:::PHOTO_BUCKET/a.jpg", "arn:aws:s3:::RESULTS_BUCKET/a.json"
MODEL = "arn:aws:s3:::MODELS_BUCKET/MODELS_PREFIX/gate/1/card.json"
PROMOTED = "arn:aws:s3:::MODELS_BUCKET/MODELS_PREFIX/promoted.json"
SET = "arn:aws:s3:::MODELS_BUCKET/MODELS_PREFIX/sets/0123456789abcdef.json"
DATA = "arn:aws:s3:::DATA_BUCKET/a.jpg"
DEEDS = {
    "consume": ("sqs:ReceiveMessage", QUEUE),
    "delete": ("sqs:DeleteMessage", QUEUE),
    "extend": ("sqs:ChangeMessageVisibility", QUEUE),
    "count": ("sqs:GetQueueAttributes", QUEUE),
    "read photo": ("s3:GetObject", PHOTO),
    "write photo": ("s3:PutObject", PHOTO),
    "read result": ("s3:GetObject", RESULT),
    "write result": ("s3:PutObject", RESULT),
    "delete result": ("s3:DeleteObject", RESULT),
    "read model": ("s3:GetObject", MODEL),
    "write model": ("s3:PutObject", MODEL),
    "promote": ("s3:PutObject", PROMOTED),
    "record set": ("s3:PutObject", SET),
    "read data": ("s3:GetObject", DATA),
}
ALLOWED = {
    "worker": {
        "consume", "delete", "extend", "count", "read photo", "read result", "write result", "read model",
    },
    "trainer": {"read data", "read model", "write model", "promote", "record set"},
    "rollout": {"read model", "promote", "record set"},
    "review": {"read photo"},
    "keda": {"count"},
}  # fmt: skip


def may(policy: dict[str, Any], action: str, resource: str) -> bool:
    """Evaluate a policy as IAM does: what is denied is denied, what is not allowed is not."""
    effects = set()
    for statement in policy["Statement"]:
        actions, resources = ([v] if isinstance(v, str) else v for v in (statement["Action"], statement["Resource"]))
        if any(fnmatch(action, one) for one in actions) and any(fnmatch(resource, one) for one in resources):
            effects.add(statement["Effect"])
    return effects == {"Allow"}


@pytest.mark.parametrize("name", ALLOWED)
def test_a_policy_allows_what_its_component_does_and_no_more(name: str) -> None:
    policy = json.loads((CHART_DIR / "iam" / f"{name}.json").read_text())
    assert {deed for deed, asked in DEEDS.items() if may(policy, *asked)} == ALLOWED[name]


def test_the_trainer_is_denied_the_queue_whatever_else_it_is_given() -> None:
    policy = json.loads((CHART_DIR / "iam" / "trainer.json").read_text())
    policy["Statement"].append({"Effect": "Allow", "Action": "*", "Resource": "*"})
    assert not may(policy, *DEEDS["consume"])


def test_each_component_has_an_identity_of_its_own() -> None:
    objects = render_scenario("everything")
    accounts = {component_of(found): found["metadata"]["name"] for found in find_all(objects, "ServiceAccount")}
    assert accounts.keys() == {"worker", "trainer", "migrate", "rollout", "review"}
    assert len(set(accounts.values())) == len(accounts)
    used = {component_of(pod): pod["spec"]["serviceAccountName"] for pod in pods(objects)}
    assert used == {
        **{name: accounts[name] for name in ("worker", "migrate", "review")},
        "refresh": accounts["rollout"],
        "test": accounts["worker"],
    }


def test_only_the_rollout_gets_a_token_of_the_cluster() -> None:
    objects = render_scenario("everything")
    for pod in pods(objects):
        assert pod["spec"]["automountServiceAccountToken"] is (component_of(pod) == "refresh")
    assert all(found["automountServiceAccountToken"] is False for found in find_all(objects, "ServiceAccount"))


def test_the_rollout_may_patch_the_workers_deployment_and_nothing_else() -> None:
    objects = render_scenario("everything")
    worker = find(objects, "Deployment", "worker")["metadata"]["name"]
    assert find(objects, "Role")["rules"] == [
        {
            "apiGroups": ["apps"],
            "resources": ["deployments"],
            "resourceNames": [worker],
            "verbs": ["get", "watch", "patch"],
        },
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    ]
    binding = find(objects, "RoleBinding")
    assert binding["roleRef"]["name"] == find(objects, "Role")["metadata"]["name"]
    account = find(objects, "ServiceAccount", "rollout")["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}]
    assert not find_all(objects, "ClusterRole", "ClusterRoleBinding")


def test_the_refresh_rolls_the_deployment_that_it_may_patch_and_never_twice_at_once() -> None:
    objects = render_scenario("everything")
    spec = find(objects, "CronJob")["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    args = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"]
    assert args[:2] == ["rollout", "--once"]
    assert f"--deployment={FULLNAME}-worker" in args
    assert f"--namespace={NAMESPACE}" in args
    assert "--models=s3://models/prefix" in args


def test_the_refresh_gives_the_rollout_options_that_it_has() -> None:
    app = typer.Typer()
    rollout.register(app)
    command = typer.main.get_command(app).commands["rollout"]
    container = find(render_scenario("everything"), "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    told = command.make_context("rollout", container["containers"][0]["args"][1:]).params
    assert told["once"] is True
    assert (told["deployment"], told["namespace"]) == (f"{FULLNAME}-worker", NAMESPACE)
    assert (told["models"], told["prometheus"]) == ("s3://models/prefix", "http://prometheus.monitoring:9090")
    assert (told["canary_share"], told["observe"]) == (0.25, "30m")
