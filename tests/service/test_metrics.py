"""Every metric is named as promtool wants it and declared in one place."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

import service
from service.metrics import REGISTRY

FAMILIES = {family.name: family for family in REGISTRY.collect()}
WRONG_UNITS = ("ms", "milliseconds", "minutes", "hours", "days", "kb", "mb", "megabytes", "percent", "px")
LABELS = {
    "outcome", "status", "error", "label", "at", "stage", "le", "reason", "state", "queue", "of",
    "model_set", "stored_set", "versions",
}  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_a_metric_is_named_by_promtools_rules(name: str):
    family = FAMILIES[name]
    assert re.fullmatch(r"vehicle_damage_[a-z][a-z0-9_]*[a-z0-9]", name)
    assert family.documentation.endswith(".")
    assert not set(name.split("_")) & {*WRONG_UNITS, "counter", "gauge", "histogram", "metric"}
    assert not re.search(r"_(total|count|sum|bucket)$", name)


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.type == "histogram"])
def test_a_histogram_says_its_unit(name: str):
    assert re.search(r"_(seconds|bytes|ratio|photos)$", name)


def test_counters_are_exposed_as_totals_and_nothing_else_is():
    totals = {
        sample.name
        for family in text_string_to_metric_families(generate_latest(REGISTRY).decode())
        for sample in family.samples
        if sample.name.endswith("_total")
    }
    labelled = {f"{name}_total" for name, family in FAMILIES.items() if family.type == "counter"}
    assert totals <= labelled
    assert "vehicle_damage_cars_not_found_total" in totals


def test_labels_have_few_values_and_none_names_a_photo_or_a_car():
    found = {label for family in REGISTRY.collect() for sample in family.samples for label in sample.labels}
    assert found <= LABELS


def test_no_other_module_declares_a_metric():
    declared = re.compile(r"from prometheus_client import .*(Counter|Gauge|Histogram|Summary|Info)")
    modules = Path(service.__file__).parent.rglob("*.py")
    assert [m.name for m in modules if declared.search(m.read_text()) and m.name != "metrics.py"] == []


def test_the_registry_is_our_own():
    assert isinstance(REGISTRY, CollectorRegistry)
    assert not [name for name in FAMILIES if name.startswith(("python_", "process_"))]
