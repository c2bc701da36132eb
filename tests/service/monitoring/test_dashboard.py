"""The dashboard is what Grafana imports, shows every metric and draws no panel over another."""

import json
import re
from itertools import combinations

import pytest

from service.metrics import REGISTRY
from service.monitoring.grafana import COLUMNS, build_dashboard, describe_dashboard
from service.monitoring.panels import ROWS
from tests.service.monitoring.documents import list_selectors

PANELS = build_dashboard()["panels"]
TARGETS = [(panel["title"], target) for panel in PANELS for target in panel.get("targets", [])]


def test_it_is_json_with_what_grafana_asks_of_a_dashboard():
    dashboard = json.loads(describe_dashboard())
    assert dashboard["schemaVersion"] >= 39
    assert {"uid", "title", "panels", "templating", "time", "timezone", "annotations", "tags"} <= dashboard.keys()
    assert "id" not in dashboard, "an id belongs to one Grafana"
    assert [variable["name"] for variable in dashboard["templating"]["list"]] == ["datasource", "namespace", "job"]
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


def test_no_panel_covers_another_or_leaves_the_grid():
    places = [panel["gridPos"] for panel in PANELS]
    for place in places:
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= COLUMNS
    for one, other in combinations(places, 2):
        is_beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        is_apart = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert is_beside or is_apart, (one, other)


def test_each_row_stands_above_its_panels():
    titles = [panel["title"] for panel in sorted(PANELS, key=lambda p: (p["gridPos"]["y"], p["gridPos"]["x"]))]
    assert titles == [title for row in ROWS for title in (row.title, *(panel.title for panel in row.panels))]


@pytest.mark.parametrize("panel", [panel for panel in PANELS if panel["type"] != "row"], ids=lambda p: p["title"])
def test_a_panel_has_queries_unit_and_description(panel: dict):
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["type"] in ("timeseries", "stat", "table", "heatmap")
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    references = [target["refId"] for target in panel["targets"]]
    assert references == list("ABCDEFGH")[: len(references)] != []


def test_every_metric_of_the_service_is_shown():
    shown = {
        re.sub(r"_(bucket|sum|count|total)$", "", selector.split("{")[0])
        for _, target in TARGETS
        for selector in list_selectors(target["expr"])
    }
    assert {family.name for family in REGISTRY.collect()} - shown == set()


@pytest.mark.parametrize(("title", "target"), TARGETS, ids=[f"{title}-{t['refId']}" for title, t in TARGETS])
def test_a_query_is_of_the_chosen_installation(title: str, target: dict):
    ours = [selector for selector in list_selectors(target["expr"]) if "vehicle_damage_" in selector]
    assert all('namespace=~"$namespace", job=~"$job"' in selector for selector in ours), title
