"""The chart as the real Helm engine renders it, and the values that the tests render it with."""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, Final

import helm_python
import yaml

CHART_DIR: Final = Path(__file__).parents[2] / "charts" / "vehicle-damage"
RELEASE: Final = "fleet"
NAMESPACE: Final = "damage"
FULLNAME: Final = "fleet-vehicle-damage"
EXAMPLES: Final = sorted(path.stem for path in (CHART_DIR / "examples").glob("*.yaml"))
POD_OWNERS: Final = ("Deployment", "Job", "CronJob", "Pod")

# With these, any switch can be turned.
BASE: Final[dict[str, Any]] = {
    "queue": {"url": "https://sqs.eu-central-1.amazonaws.com/123456789012/photos"},
    "photoBuckets": ["photos"],
    "results": {"bucket": "results"},
    "models": {"store": "s3://models/prefix"},
    "ledger": {"existingSecret": "ledger"},
    "refresh": {"prometheusUrl": "http://prometheus.monitoring:9090"},
    "review": {"ingress": {"host": "damage.example.com"}},
}
# What a choice needs beside it.
COMPANIONS: Final[dict[tuple[str, object], dict[str, Any]]] = {
    ("worker.scaling.mode", "hpa"): {"worker": {"scaling": {"minReplicas": 1}}},
    ("worker.scaling.keda.authentication.provider", "secret"): {"aws": {"credentialsSecret": "aws"}},
    ("review.ingress.enabled", True): {"review": {"enabled": True}},
    ("emulator.enabled", True): {
        "queue": {"url": ""},
        "worker": {"scaling": {"keda": {"authentication": {"provider": "secret"}}}},
    },
}
# Between them, these render every object of the chart.
SCENARIOS: Final[dict[str, dict[str, Any]]] = {
    "everything": {
        "refresh": {"enabled": True},
        "review": {"enabled": True, "ingress": {"enabled": True}},
        "monitoring": {"scrape": "podMonitor", "rules": {"enabled": True}, "dashboard": {"enabled": True}},
    },
    "gpu-hpa": {
        "worker": {"flavour": "gpu", "scaling": {"mode": "hpa", "minReplicas": 1}},
        "monitoring": {"scrape": "serviceMonitor"},
    },
    "fixed": {"worker": {"scaling": {"mode": "fixed"}}},
    "emulator": {
        **COMPANIONS["emulator.enabled", True],
        "emulator": {"enabled": True},
        "ledger": {"mode": "ephemeral", "existingSecret": ""},
    },
}


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Lay values over each other as Helm does: maps are merged, anything else is replaced."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            below = merged.get(key)
            merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, Mapping) else value
    return deepcopy(merged)


def nest(path: str, value: object) -> dict[str, Any]:
    """The values in which the dotted path is the value."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return value  # type: ignore[return-value]


def read_example(name: str) -> dict[str, Any]:
    """The values of an example."""
    return yaml.safe_load((CHART_DIR / "examples" / f"{name}.yaml").read_text())


def read_schema() -> dict[str, Any]:
    """The schema of the values."""
    return json.loads((CHART_DIR / "values.schema.json").read_text())


def read_values() -> dict[str, Any]:
    """The default values."""
    return yaml.safe_load((CHART_DIR / "values.yaml").read_text())


def render_files(values: Mapping[str, Any]) -> dict[str, str]:
    """Check the values against the schema and render them.

    Returns:
        Text by template; those that come to nothing are not there.

    Raises:
        helm_python.HelmError: the values are refused.
    """
    chart = _load_chart()
    chart.validate_schema(dict(values))
    rendered = chart.render(values=dict(values), name=RELEASE, namespace=NAMESPACE)
    return {name.removeprefix("vehicle-damage/templates/"): text for name, text in rendered.items() if text.strip()}


def render(*layers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Render the values, laid over each other, to the objects of the release."""
    return deepcopy(_render_text(json.dumps(merge(*layers), sort_keys=True)))


def render_scenario(name: str) -> list[dict[str, Any]]:
    """Render one of the scenarios."""
    return render(BASE, SCENARIOS[name])


def find(objects: list[dict[str, Any]], kind: str, component: str = "") -> dict[str, Any]:
    """The one object of a kind, and of a component where there are several."""
    found = [one for one in find_all(objects, kind) if component in ("", component_of(one))]
    assert len(found) == 1, f"{kind} {component}: expected one, found {len(found)}"
    return found[0]


def find_all(objects: list[dict[str, Any]], *kinds: str) -> list[dict[str, Any]]:
    """The objects of these kinds."""
    return [one for one in objects if one["kind"] in kinds]


def component_of(found: dict[str, Any]) -> str:
    """The component that an object belongs to."""
    return found["metadata"]["labels"]["app.kubernetes.io/component"]


def pods(objects: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every pod that the release makes, as metadata and spec."""
    for found in find_all(objects, *POD_OWNERS):
        if found["kind"] == "Pod":
            yield found
        elif found["kind"] == "CronJob":
            yield found["spec"]["jobTemplate"]["spec"]["template"]
        else:
            yield found["spec"]["template"]


def worker_container(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """The container of the worker."""
    return find(objects, "Deployment", "worker")["spec"]["template"]["spec"]["containers"][0]


def environment_of(container: dict[str, Any]) -> dict[str, str]:
    """The variables of a container; those of a Secret are shown as secret:name/key."""
    shown = {}
    for variable in container.get("env", ()):
        reference = variable.get("valueFrom", {}).get("secretKeyRef")
        shown[variable["name"]] = f"secret:{reference['name']}/{reference['key']}" if reference else variable["value"]
    return shown


@cache
def _render_text(text: str) -> list[dict[str, Any]]:
    objects = []
    for name, rendered in render_files(json.loads(text)).items():
        if name.endswith(".yaml"):
            objects += [found for found in yaml.load_all(rendered, yaml.CSafeLoader) if found]
    return objects


@cache
def _load_chart() -> helm_python.Chart:
    return helm_python.Chart.load(CHART_DIR)
