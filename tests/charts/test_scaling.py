"""One thing scales the worker, on the backlog, and nothing fights it."""

import pytest

from tests.charts.chart import BASE, find, find_all, merge, nest, render, render_scenario

# Of KEDA's aws-sqs-queue trigger; identityOwner there is deprecated in favour of the TriggerAuthentication.
TRIGGER_FIELDS = {"queueURL", "awsRegion", "awsEndpoint", "queueLength", "activationQueueLength", "scaleOnInFlight"}


@pytest.mark.parametrize(
    ("layer", "kinds", "has_replicas"),
    [
        ({"mode": "keda"}, {"ScaledObject", "TriggerAuthentication"}, False),
        ({"mode": "hpa", "minReplicas": 1}, {"HorizontalPodAutoscaler"}, False),
        ({"mode": "fixed", "replicas": 3}, set(), True),
    ],
)
def test_one_thing_scales_the_worker(layer: dict[str, object], kinds: set[str], has_replicas: bool) -> None:
    objects = render(BASE, nest("worker.scaling", layer))
    scalers = find_all(objects, "ScaledObject", "TriggerAuthentication", "HorizontalPodAutoscaler")
    assert {found["kind"] for found in scalers} == kinds
    worker = find(objects, "Deployment", "worker")
    assert ("replicas" in worker["spec"]) is has_replicas
    for found in find_all(objects, "ScaledObject", "HorizontalPodAutoscaler"):
        assert found["spec"]["scaleTargetRef"]["name"] == worker["metadata"]["name"]


def test_keda_counts_the_backlog_and_what_is_in_flight() -> None:
    layer = nest("worker.scaling.keda", {"queueLength": 1_500_000, "activationQueueLength": 5})
    objects = render(BASE, layer)
    (trigger,) = find(objects, "ScaledObject")["spec"]["triggers"]
    assert trigger["type"] == "aws-sqs-queue"
    assert trigger["metadata"].keys() <= TRIGGER_FIELDS
    assert trigger["metadata"]["queueURL"] == BASE["queue"]["url"]
    assert trigger["metadata"]["queueLength"] == "1500000"
    assert trigger["metadata"]["activationQueueLength"] == "5"
    assert trigger["metadata"]["scaleOnInFlight"] == "true"
    assert trigger["authenticationRef"]["name"] == find(objects, "TriggerAuthentication")["metadata"]["name"]


def test_keda_scales_from_zero_and_has_a_fallback() -> None:
    spec = find(render(BASE), "ScaledObject")["spec"]
    assert spec["minReplicaCount"] == 0
    assert spec["fallback"]["replicas"] > 0
    assert spec["triggers"][0]["metricType"] == "AverageValue"  # the one kind that a fallback works with


@pytest.mark.parametrize(
    ("layer", "identity"),
    [
        ({}, {"provider": "aws", "identityOwner": "keda"}),
        ({"identityOwner": "workload"}, {"provider": "aws", "identityOwner": "workload"}),
        (
            {"roleArn": "arn:aws:iam::123456789012:role/keda"},
            {"provider": "aws", "roleArn": "arn:aws:iam::123456789012:role/keda"},
        ),
    ],
)
def test_keda_asks_with_a_pod_identity(layer: dict[str, str], identity: dict[str, str]) -> None:
    objects = render(BASE, nest("worker.scaling.keda.authentication", layer))
    assert find(objects, "TriggerAuthentication")["spec"] == {"podIdentity": identity}


def test_keda_asks_the_emulator_with_its_credentials() -> None:
    objects = render_scenario("emulator")
    secret = find(objects, "Secret")
    references = find(objects, "TriggerAuthentication")["spec"]["secretTargetRef"]
    assert {one["parameter"] for one in references} == {"awsAccessKeyID", "awsSecretAccessKey"}
    assert {one["key"] for one in references} == secret["stringData"].keys()
    assert {one["name"] for one in references} == {secret["metadata"]["name"]}
    service = find(objects, "Service", "emulator")
    endpoint = find(objects, "ScaledObject")["spec"]["triggers"][0]["metadata"]["awsEndpoint"]
    assert endpoint == f"http://{service['metadata']['name']}.damage.svc:{service['spec']['ports'][0]['port']}"


def test_a_gpu_pool_without_a_spare_gpu_can_replace_its_pods() -> None:
    layer = nest("worker.strategy", {"maxSurge": 0, "maxUnavailable": 1})
    strategy = find(render(merge(BASE, layer)), "Deployment", "worker")["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
