"""Every example and every switch renders, lints and validates."""

from collections.abc import Iterator
from typing import Any

import helm_python
import pytest

from tests.charts.chart import (
    BASE,
    CHART_DIR,
    COMPANIONS,
    EXAMPLES,
    NAMESPACE,
    SCENARIOS,
    merge,
    nest,
    read_example,
    read_schema,
    read_values,
    render,
)
from tests.charts.manifests import CUSTOM_KINDS, validate, validate_custom


def list_switches() -> Iterator[tuple[str, object]]:
    """Every choice that the schema offers: both sides of each boolean, each word of each enumeration."""
    schema = read_schema()

    def walk(path: str, part: dict[str, Any], default: object) -> Iterator[tuple[str, object]]:
        while "$ref" in part:
            part = schema["$defs"][part["$ref"].rsplit("/", 1)[1]]
        if part.get("type") == "boolean":
            yield from ((path, True), (path, False))
        elif "enum" in part:
            yield from ((path, word) for word in part["enum"])
        elif part.get("type") == "object" and isinstance(default, dict):
            for name, below in part.get("properties", {}).items():
                yield from walk(f"{path}.{name}".lstrip("."), below, default.get(name))

    yield from walk("", schema, read_values())


CASES = {
    **{f"example {name}": read_example(name) for name in EXAMPLES},
    **{f"scenario {name}": merge(BASE, layer) for name, layer in SCENARIOS.items()},
    **{
        f"{path}={choice}": merge(BASE, COMPANIONS.get((path, choice), {}), nest(path, choice))
        for path, choice in list_switches()
    },
}
every_case = pytest.mark.parametrize("values", CASES.values(), ids=CASES.keys())


@every_case
def test_every_built_in_object_is_what_kubernetes_takes(values: dict[str, Any]) -> None:
    objects = render(values)
    assert {"Deployment", "NetworkPolicy"} & {found["kind"] for found in objects}
    for found in objects:
        if found["kind"] not in CUSTOM_KINDS:
            validate(found)


@pytest.mark.shared_data
@every_case
def test_every_custom_object_is_what_its_crd_takes(values: dict[str, Any]) -> None:
    for found in render(values):
        if found["kind"] in CUSTOM_KINDS:
            validate_custom(found)


@pytest.mark.parametrize(
    "values",
    [values for name, values in CASES.items() if name.startswith(("example", "scenario"))],
    ids=[name for name in CASES if name.startswith(("example", "scenario"))],
)
def test_the_chart_lints_strictly(values: dict[str, Any]) -> None:
    report = helm_python.lint(CHART_DIR, values, strict=True, namespace=NAMESPACE)
    assert report["total_charts_linted"] == 1
    assert not report["errors"]
    assert [found for found in report["messages"] if found["severity"] > 1] == []


@every_case
def test_no_two_objects_have_one_name(values: dict[str, Any]) -> None:
    names = [(found["apiVersion"], found["kind"], found["metadata"]["name"]) for found in render(values)]
    assert len(names) == len(set(names))


def test_the_switches_are_found() -> None:
    switches = list(list_switches())
    assert ("worker.scaling.mode", "hpa") in switches
    assert ("refresh.serviceAccount.create", False) in switches
    assert len(switches) > 50


def test_an_unknown_field_of_a_built_in_kind_is_refused() -> None:
    found = next(one for one in render(BASE) if one["kind"] == "PodDisruptionBudget")
    found["spec"]["maxUnavailble"] = 1
    with pytest.raises(AssertionError, match="maxUnavailble"):
        validate(found)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(AssertionError, match="Deploymnt"):
        validate({"apiVersion": "apps/v1", "kind": "Deploymnt", "metadata": {"name": "worker"}})


@pytest.mark.shared_data
def test_an_unknown_field_of_a_custom_kind_is_refused() -> None:
    found = next(one for one in render(BASE) if one["kind"] == "ScaledObject")
    found["spec"]["cooldown"] = 1
    with pytest.raises(AssertionError, match="cooldown"):
        validate_custom(found)
