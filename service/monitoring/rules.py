"""The rules as a file for Prometheus."""

from typing import Any, Final

from service.monitoring.alerts import ALERTS, Alert
from service.monitoring.recordings import RECORDINGS
from service.monitoring.writing import write_yaml

RUNBOOKS: Final = "README.md"
"""Where the runbook sections are; a chart may put an address before it."""


def build_rules() -> dict[str, Any]:
    """Recording rules and alerts, in Prometheus' schema."""
    recordings = [{"record": recording.name, "expr": recording.expr} for recording in RECORDINGS]
    return {
        "groups": [
            {"name": "vehicle-damage.recordings", "rules": recordings},
            {"name": "vehicle-damage.alerts", "rules": [_build_alert(alert) for alert in ALERTS]},
        ]
    }


def describe_rules() -> str:
    """The same as YAML."""
    return "# Generated: vehicle-damage reference rules.\n" + write_yaml(build_rules())


def _build_alert(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.full_name,
        "expr": alert.expr,
        "for": alert.wait,
        "labels": {"severity": alert.severity},
        "annotations": annotate(alert),
    }


def annotate(alert: Alert) -> dict[str, str]:
    """What the alert says, before labels and value are put in."""
    return {
        "summary": alert.summary,
        "description": alert.description,
        "runbook_url": f"{RUNBOOKS}#{alert.runbook_anchor}",
    }
