"""A bad value is refused before anything is installed, and the message names it."""

from typing import Any

import helm_python
import pytest

from tests.charts.chart import BASE, COMPANIONS, merge, nest, render

EMULATOR = merge(COMPANIONS["emulator.enabled", True], nest("emulator.enabled", True))
REFRESH = nest("refresh.enabled", True)

# What is wrong, laid over good values: the key that the message has to name.
OF_SEVERAL: list[tuple[str, dict[str, Any]]] = [
    ("queue.url", nest("queue.url", "")),
    ("queue.url", merge(EMULATOR, nest("queue.url", "https://sqs.example.com/1/photos"))),
    ("aws.endpointUrl", merge(EMULATOR, nest("aws.endpointUrl", "http://elsewhere:4566"))),
    ("photoBuckets", nest("photoBuckets", [])),
    ("results.bucket", nest("results.bucket", "")),
    ("ledger.existingSecret", nest("ledger.existingSecret", "")),
    ("review.enabled", merge(nest("ledger.mode", "ephemeral"), nest("review.enabled", True))),
    ("worker.scaling.minReplicas", nest("worker.scaling", {"minReplicas": 5, "maxReplicas": 4})),
    ("worker.scaling.minReplicas", nest("worker.scaling", {"mode": "hpa", "minReplicas": 0})),
    ("worker.scaling.keda.fallback.replicas", nest("worker.scaling.keda.fallback.replicas", 21)),
    (
        "worker.scaling.keda.authentication.roleArn",
        nest(
            "worker.scaling.keda.authentication",
            {"identityOwner": "workload", "roleArn": "arn:aws:iam::123456789012:role/keda"},
        ),
    ),
    ("aws.credentialsSecret", nest("worker.scaling.keda.authentication.provider", "secret")),
    (
        "worker.scaling.keda.authentication.provider",
        merge(EMULATOR, nest("worker.scaling.keda.authentication.provider", "aws")),
    ),
    ("worker.strategy.maxUnavailable", nest("worker.strategy", {"maxSurge": 0, "maxUnavailable": "0%"})),
    ("worker.settings.receive_wait_s", nest("worker.settings.receive_wait_s", 16)),
    ("worker.settings.visibility_timeout_s", nest("worker.settings.visibility_timeout_s", 34)),
    ("worker.settings.visibility_timeout_s", nest("worker.longestBatchSeconds", 85)),
    ("worker.settings.renewal_interval_s", nest("worker.settings.renewal_interval_s", 61)),
    ("worker.settings.renewal_interval_s", nest("worker.settings.renewal_interval_s", None)),
    ("models.store", merge(nest("worker.flavour", "gpu"), nest("models.store", ""))),
    ("models.store", merge(REFRESH, nest("models.store", ""))),
    ("refresh.prometheusUrl", merge(REFRESH, nest("refresh.prometheusUrl", ""))),
    ("worker.modelSet", merge(REFRESH, nest("worker.modelSet", "0123456789abcdef"))),
    ("worker.settings.model_refresh_s", merge(REFRESH, nest("worker.settings.model_refresh_s", 30))),
    ("review.ingress.enabled", nest("review.ingress.enabled", True)),
    ("review.ingress.host", nest("review", {"enabled": True, "ingress": {"enabled": True, "host": ""}})),
]
OF_ONE: list[tuple[str, object]] = [
    ("worker.flavour", "tpu"),
    ("worker.image.tag", "latest"),
    ("image.tag", "latest"),
    ("worker.image.digest", "sha256:abc"),
    ("worker.modelSet", "0123"),
    ("worker.longestBatchSeconds", 0),
    ("worker.settings.batch_photos", 65),
    ("worker.settings.batch_photos", "8"),
    ("worker.settings.scratch_policy", "snake"),
    ("worker.scaling.mode", "cron"),
    ("worker.scaling.maxReplicas", 0),
    ("worker.scaling.keda.queueLength", 0),
    ("worker.scaling.keda.authentication.provider", "aws-eks"),
    ("worker.scaling.hpa.cpuUtilization", 101),
    ("worker.pdb.maxUnavailable", 0),
    ("worker.pdb.maxUnavailable", "0%"),
    ("worker.strategy.maxSurge", "150%"),
    ("worker.resources.limits.memory", "3 gigabytes"),
    ("worker.gpu.count", 0),
    ("worker.tmpSize", "1G"),
    ("worker.topologySpread.whenUnsatisfiable", "Perhaps"),
    ("queue.url", "sqs://photos"),
    ("models.store", "gs://models"),
    ("photoBuckets", ["Photos"]),
    ("aws.region", "Frankfurt"),
    ("ledger.mode", "mysql"),
    ("ledger.port", 70000),
    ("refresh.canaryShare", 0.75),
    ("refresh.observe", "half an hour"),
    ("refresh.schedule", "every minute"),
    ("review.replicas", 0),
    ("monitoring.scrape", "prometheus"),
    ("networkPolicy.httpsCidrs", ["everywhere"]),
    ("networkPolicy.prometheusNamespaceLabels", {"kubernetes.io/metadata.name": None}),
    ("fullnameOverride", "Vehicle_Damage"),
]
# A name that does not exist, at every level: (where, the name).
UNKNOWN = [
    ("", "wroker"),
    ("worker", "replicas"),
    ("worker.settings", "batch_photo"),
    ("worker.settings", "ledger_url"),
    ("worker.settings", "shutdown_grace_s"),
    ("worker.scaling.keda", "queuelength"),
    ("review.ingress", "hosts"),
    ("ledger", "url"),
]


@pytest.mark.parametrize(("key", "wrong"), OF_SEVERAL)
def test_values_that_contradict_each_other_are_refused_by_name(key: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(helm_python.HelmError) as refused:
        render(BASE, wrong)
    assert f"{key}: " in str(refused.value)


@pytest.mark.parametrize(("key", "wrong"), OF_ONE)
def test_a_value_out_of_its_bounds_is_refused_by_name(key: str, wrong: object) -> None:
    with pytest.raises(helm_python.HelmValuesError) as refused:
        render(BASE, nest(key, wrong))
    assert f"'/{key.replace('.', '/')}" in str(refused.value)


@pytest.mark.parametrize(("where", "name"), UNKNOWN)
def test_a_name_that_does_not_exist_is_refused(where: str, name: str) -> None:
    with pytest.raises(helm_python.HelmValuesError) as refused:
        render(BASE, nest(f"{where}.{name}".lstrip("."), "x"))
    assert f"additional properties '{name}' not allowed" in str(refused.value)


@pytest.mark.parametrize("variable", [{"name": "VEHICLE_DAMAGE_PRECISION", "value": "bf16"}, {"name": "HTTPS_PROXY"}])
def test_a_variable_that_is_a_setting_or_has_no_value_is_refused(variable: dict[str, str]) -> None:
    with pytest.raises(helm_python.HelmValuesError, match="/worker/extraEnv/0"):
        render(BASE, nest("worker.extraEnv", [variable]))
