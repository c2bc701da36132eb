"""Every value is explained, has a schema, and does something."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import helm_python
import pytest

from service.settings import Settings
from tests.charts.chart import (
    BASE,
    CHART_DIR,
    COMPANIONS,
    SCENARIOS,
    merge,
    nest,
    read_schema,
    read_values,
    render_files,
)
from tests.charts.settings_schema import OWNED, build_settings_schema

# Maps whose keys are users' own; what is in them by default is one value.
OPEN_MAPS = ("resources", "labels", "nodeSelector", "NamespaceLabels", "annotations", "podLabels", "Annotations")
# Another good value of those whose kind does not say one.
OTHERS: dict[str, object] = {
    "nameOverride": "cars",
    "fullnameOverride": "cars",
    "commonLabels": {"team": "fleet"},
    "commonAnnotations": {"team": "fleet"},
    "image.registry": "registry.example.com/fleet",
    "image.pullSecrets": ["registry"],
    "aws.region": "us-west-2",
    "aws.endpointUrl": "https://vpce.example.com",
    "queue.url": "https://sqs.eu-central-1.amazonaws.com/123456789012/others",
    "photoBuckets": ["others"],
    "models.store": "s3://others/prefix",
    "ledger.cidrs": ["10.1.0.0/16"],
    "worker.modelSet": "0123456789abcdef",
    "worker.extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
    "worker.envFromSecrets": ["proxy"],
    "worker.scaling.keda.authentication.roleArn": "arn:aws:iam::123456789012:role/keda",
    "worker.strategy.maxSurge": 3,
    "worker.strategy.maxUnavailable": "10%",
    "worker.tmpSize": "3Gi",
    "worker.gpu.resourceName": "amd.com/gpu",
    "worker.gpu.tolerations": [],
    "worker.tolerations": [{"key": "spot", "operator": "Exists"}],
    "worker.affinity": {"nodeAffinity": {}},
    "worker.topologySpread.keys": [],
    "worker.pdb.maxUnavailable": 2,
    "refresh.schedule": "@hourly",
    "refresh.canaryShare": 0.1,
    "refresh.observe": "1h",
    "refresh.prometheusUrl": "http://others:9090",
    "refresh.extraArgs": ["--interval=10s"],
    "review.extraEnv": [{"name": "TOKEN", "secretKeyRef": {"name": "tokens", "key": "token"}}],
    "review.tolerations": [{"key": "spot", "operator": "Exists"}],
    "review.ingress.path": "/damage",
    "review.ingress.controllerCidrs": ["10.5.0.0/16"],
    "tasks.tolerations": [{"key": "spot", "operator": "Exists"}],
    "networkPolicy.httpsCidrs": ["10.2.0.0/16"],
    "networkPolicy.apiServerCidrs": ["10.3.0.0/16"],
    "networkPolicy.apiServerPorts": [8443],
    "networkPolicy.extraEgress": [{"cidr": "10.4.0.0/16", "port": 3128}],
}


def list_leaves(values: dict[str, Any], path: str = "") -> Iterator[tuple[str, object]]:
    """Every value by its dotted path; a map of users' own keys is one value."""
    for name, value in values.items():
        below = f"{path}.{name}".lstrip(".")
        if isinstance(value, dict) and value and not name.endswith(OPEN_MAPS):
            yield from list_leaves(value, below)
        else:
            yield below, value


LEAVES = dict(list_leaves(read_values()))


def schema_at(path: str) -> dict[str, Any]:
    """What the schema says at a dotted path."""
    schema = read_schema()
    part = schema
    for name in path.split("."):
        part = part["properties"][name]
        while "$ref" in part:
            part = schema["$defs"][part["$ref"].rsplit("/", 1)[1]]
    return part


def change(path: str, value: object) -> object:
    """Another good value."""
    by_name = {"digest": "sha256:" + "0" * 64, "resources": {"requests": {"cpu": "77m"}}}
    by_kind: dict[type, object] = {bool: not value, dict: {"other": "value"}, str: f"{value}other"}
    if path in OTHERS:
        return OTHERS[path]
    if "enum" in schema_at(path):
        return next(word for word in schema_at(path)["enum"] if word != value)
    name = path.rsplit(".", 1)[1]
    return by_name.get(name) or (value + 1 if type(value) is int else by_kind[type(value)])


@cache
def render_scenario_files(name: str) -> dict[str, str]:
    return render_files(merge(BASE, SCENARIOS[name]))


def has_effect(scenario: str, changed: dict[str, Any]) -> bool:
    try:
        return render_files(merge(BASE, SCENARIOS[scenario], changed)) != render_scenario_files(scenario)
    except helm_python.HelmRenderError:
        return False  # this scenario cannot have it


@pytest.mark.parametrize("path", LEAVES)
def test_every_value_changes_what_is_rendered(path: str) -> None:
    other = change(path, LEAVES[path])
    companions = COMPANIONS.get((path, other), {}) if isinstance(other, str | bool) else {}
    changed = merge(companions, nest(path, other))
    assert any(has_effect(name, changed) for name in SCENARIOS)


def test_every_value_has_a_comment() -> None:
    lines = (CHART_DIR / "values.yaml").read_text().splitlines()
    top, bare = re.compile(r"^( *)([A-Za-z_][\w./-]*):(.*)$"), []
    for number, line in enumerate(lines):
        found = top.match(line)
        if not found or found[3].strip() == "":
            continue  # a group, or an item of a list
        is_in_map = any(path.endswith(f".{found[2]}") or path == found[2] for path in LEAVES)
        if is_in_map and not lines[number - 1].lstrip().startswith("#"):
            bare.append(f"{number + 1}: {line.strip()}")
    assert bare == []


@pytest.mark.parametrize("path", LEAVES)
def test_every_value_has_a_schema(path: str) -> None:
    assert set(schema_at(path)) & {"type", "enum", "oneOf", "const"}


def test_every_name_in_the_schema_is_a_value() -> None:
    schema, missing = read_schema(), []

    def walk(path: str, part: dict[str, Any], values: object) -> None:
        while "$ref" in part:
            part = schema["$defs"][part["$ref"].rsplit("/", 1)[1]]
        if path in {"global", "worker.affinity"} or path.endswith(OPEN_MAPS):
            return
        for name, below in part.get("properties", {}).items():
            where = f"{path}.{name}".lstrip(".")
            if path == "worker.settings":
                continue
            if not isinstance(values, dict) or name not in values:
                if where != "global":
                    missing.append(where)
                continue
            walk(where, below, values[name])

    walk("", schema, read_values())
    assert missing == []


def test_no_object_of_the_schema_takes_unknown_names() -> None:
    schema, open_ones = read_schema(), []

    def walk(path: str, part: object) -> None:
        if isinstance(part, list):
            for number, below in enumerate(part):
                walk(f"{path}/{number}", below)
        if not isinstance(part, dict):
            return
        if part.get("type") == "object" and part.get("additionalProperties") is not False:
            of_each = part.get("additionalProperties", {})
            if not (isinstance(of_each, dict) and ("type" in of_each or "$ref" in of_each)):
                open_ones.append(path)
        for name, below in part.items():
            walk(f"{path}/{name}", below)

    walk("", schema)
    # Helm's own, and what the API server itself checks.
    affinity = "/properties/worker/properties/affinity/properties"
    kinds = ("nodeAffinity", "podAffinity", "podAntiAffinity")
    assert sorted(open_ones) == sorted(["/properties/global", *(f"{affinity}/{kind}" for kind in kinds)])


def test_the_settings_are_those_of_the_service() -> None:
    """If this fails, `python tests/charts/settings_schema.py` brings the chart up to date."""
    assert schema_at("worker.settings") == build_settings_schema()
    assert set(schema_at("worker.settings")["properties"]) | OWNED == set(Settings.model_fields)


def test_the_settings_that_the_chart_checks_start_where_the_service_does() -> None:
    settings = read_values()["worker"]["settings"]
    for name in ("receive_wait_s", "visibility_timeout_s", "renewal_interval_s"):
        assert settings[name] == Settings.model_fields[name].default
