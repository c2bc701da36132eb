"""References say what the code has."""

import json
import os

import pytest
import yaml

from service.commands.reference import REFERENCES, describe_metrics, describe_settings
from service.metrics import REGISTRY
from service.settings import ENV_PREFIX, Settings, load_settings


def cells(table: str) -> list[list[str]]:
    lines = table.splitlines()
    assert set(lines[1]) == {"|", "-"}
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert {len(row) for row in rows} == {3}
    return rows[2:]


def test_every_variable_has_one_row_with_its_meaning():
    rows = cells(describe_settings())
    assert [row[0] for row in rows] == [f"`{ENV_PREFIX}{name.upper()}`" for name in Settings.model_fields]
    assert all(row[2] for row in rows)


def test_every_default_in_the_table_can_be_set_as_it_stands(monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in os.environ if name.startswith(ENV_PREFIX)]:
        monkeypatch.delenv(name)
    for variable, default, _ in cells(describe_settings()):
        if default.startswith("`"):
            monkeypatch.setenv(variable.strip("`"), default.strip("`"))
    assert load_settings() == Settings.model_construct()


def test_every_metric_has_one_row_with_the_name_that_prometheus_shows():
    rows = cells(describe_metrics())
    families = list(REGISTRY.collect())
    assert len(rows) == len(families)
    assert {row[1] for row in rows} <= {"counter", "gauge", "histogram", "info"}
    names = {row[0].strip("`") for row in rows}
    assert {"vehicle_damage_messages_total", "vehicle_damage_in_flight_messages"} <= names
    assert {row[1] for row in rows if row[0].endswith("_total`")} == {"counter"}


def test_an_info_metric_is_shown_under_the_name_that_it_is_queried_by():
    assert "`vehicle_damage_model_set_info`" in describe_metrics()


@pytest.mark.parametrize("name", ["request", "result", "dashboard"])
def test_schemas_and_the_dashboard_are_json_objects(name: str):
    assert json.loads(REFERENCES[name]()).keys() & {"properties", "panels"}


@pytest.mark.parametrize(("name", "key"), [("rules", "groups"), ("rules-test", "tests")])
def test_rules_and_their_tests_are_yaml_that_says_where_it_comes_from(name: str, key: str):
    text = REFERENCES[name]()
    assert text.startswith(f"# Generated: vehicle-damage reference {name}.\n")
    assert yaml.safe_load(text)[key]
