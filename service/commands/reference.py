"""References made from the code that they describe: the README's tables, schemas, the chart's rules and dashboard."""

import json
from collections.abc import Callable
from typing import Final

from pydantic_core import PydanticUndefined

from models.store import PRETRAINED_DIR
from service.metrics import REGISTRY
from service.monitoring.grafana import describe_dashboard
from service.monitoring.rule_tests import describe_rule_tests
from service.monitoring.rules import describe_rules
from service.request import InspectionRequest
from service.result import InspectionResult
from service.settings import ENV_PREFIX, Settings


def describe_settings() -> str:
    """Every variable as a Markdown table."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.default
        if default is None or default is PydanticUndefined or default in ("", ()):
            shown = "–"
        elif default == str(PRETRAINED_DIR):
            shown = "the shipped set"
        else:
            shown = f"`{default}`"
        rows.append(f"| `{ENV_PREFIX}{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(rows)


def describe_metrics() -> str:
    """Every metric as a Markdown table."""
    rows = ["| metric | type | meaning |", "|---|---|---|"]
    for family in REGISTRY.collect():
        name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
        rows.append(f"| `{name}` | {family.type} | {family.documentation} |")
    return "\n".join(rows)


def _describe_schema(model: type[InspectionRequest] | type[InspectionResult]) -> str:
    return json.dumps(model.model_json_schema(), indent=2)


REFERENCES: Final[dict[str, Callable[[], str]]] = {
    "settings": describe_settings,
    "metrics": describe_metrics,
    "request": lambda: _describe_schema(InspectionRequest),
    "result": lambda: _describe_schema(InspectionResult),
    "rules": describe_rules,
    "rules-test": describe_rule_tests,
    "dashboard": describe_dashboard,
}
"""What `vehicle-damage reference` prints, by its name."""
