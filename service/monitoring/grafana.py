"""The panels as a dashboard that Grafana imports."""

import json
from itertools import count
from typing import Any, Final

from service.monitoring.panels import JOB_VARIABLE, NAMESPACE_VARIABLE, ROWS, VARIABLE_METRIC, Panel, Query

SCHEMA_VERSION: Final = 41
"""Grafana 12's; older ones read it, newer ones migrate it."""
COLUMNS: Final = 24
PANEL_WIDTH: Final = 8
PANEL_HEIGHT: Final = 8
_DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_LETTERS: Final = "ABCDEFGH"


def build_dashboard() -> dict[str, Any]:
    """Every row with its panels, three beside each other, in Grafana's schema."""
    panels: list[dict[str, Any]] = []
    numbers = count(1)
    top = 0
    for row in ROWS:
        panels.append(
            {
                "id": next(numbers),
                "type": "row",
                "title": row.title,
                "collapsed": False,
                "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": top},
                "panels": [],
            }
        )
        top += 1
        per_line = COLUMNS // PANEL_WIDTH
        for position, panel in enumerate(row.panels):
            line, column = divmod(position, per_line)
            place = {
                "h": PANEL_HEIGHT,
                "w": PANEL_WIDTH,
                "x": column * PANEL_WIDTH,
                "y": top + line * PANEL_HEIGHT,
            }
            panels.append({"id": next(numbers), **_build_panel(panel), "gridPos": place})
        top += -(-len(row.panels) // per_line) * PANEL_HEIGHT
    return {
        "uid": "vehicle-damage",
        "title": "vehicle-damage",
        "description": "Generated: vehicle-damage reference dashboard.",
        "tags": ["vehicle-damage"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": _build_variables()},
        "panels": panels,
    }


def describe_dashboard() -> str:
    """The same as JSON."""
    return json.dumps(build_dashboard(), indent=2)


def _build_variables() -> list[dict[str, Any]]:
    return [
        {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1},
        _build_label_variable(NAMESPACE_VARIABLE, VARIABLE_METRIC),
        _build_label_variable(JOB_VARIABLE, f'{VARIABLE_METRIC}{{namespace=~"${NAMESPACE_VARIABLE}"}}'),
    ]


def _build_label_variable(label: str, selector: str) -> dict[str, Any]:
    definition = f"label_values({selector}, {label})"
    return {
        "name": label,
        "label": label,
        "type": "query",
        "datasource": _DATASOURCE,
        "definition": definition,
        "query": {"qryType": 1, "query": definition, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _build_panel(panel: Panel) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _DATASOURCE,
        "targets": [
            _build_target(panel, letter, query) for letter, query in zip(_LETTERS, panel.queries, strict=False)
        ],
        "fieldConfig": {"defaults": _build_defaults(panel), "overrides": []},
        "options": _OPTIONS[panel.kind],
    }


def _build_target(panel: Panel, letter: str, query: Query) -> dict[str, Any]:
    is_now = panel.kind == "table"
    return {
        "refId": letter,
        "datasource": _DATASOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "instant": is_now,
        "range": not is_now,
        "format": {"table": "table", "heatmap": "heatmap"}.get(panel.kind, "time_series"),
    }


def _build_defaults(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.limit is not None:
        steps.append({"color": "red", "value": panel.limit})
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "min": 0,
        "thresholds": {"mode": "absolute", "steps": steps},
        "custom": {},
    }
    if panel.kind == "timeseries":
        defaults["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 10,
            "showPoints": "never",
            "spanNulls": False,
            "thresholdsStyle": {"mode": "off" if panel.limit is None else "dashed"},
        }
    return defaults


_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "textMode": "auto",
        "orientation": "auto",
    },
    "table": {"showHeader": True, "cellHeight": "sm", "footer": {"show": False, "reducer": ["sum"], "fields": ""}},
    "heatmap": {
        "calculate": False,
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Oranges", "exponent": 0.5, "steps": 64, "fill": "dark-orange"},
        "legend": {"show": True},
        "tooltip": {"mode": "single", "yHistogram": False, "showColorScale": False},
        "yAxis": {"axisPlacement": "left", "unit": "percentunit"},
        "filterValues": {"le": 1e-9},
        "rowsFrame": {"layout": "auto"},
    },
}
