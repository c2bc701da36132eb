"""The cases as a file for promtool test rules."""

import re
from collections.abc import Mapping
from typing import Any, Final

from service.monitoring.alerts import ALERTS, Alert
from service.monitoring.cases import CASES, Case
from service.monitoring.rules import annotate, build_rules
from service.monitoring.writing import write_yaml

RULES_FILE: Final = "rules.yaml"
_LABEL: Final = re.compile(r"\{\{ \$labels\.(\w+) \}\}")
_VALUE: Final = re.compile(r"\{\{ \$value(?: \| [^}]+)? \}\}")


def build_rule_tests(rules_file: str = RULES_FILE) -> dict[str, Any]:
    """Every case, in promtool's schema.

    Args:
        rules_file: where promtool finds the rules, from the tests' folder.
    """
    alerts = {alert.name: alert for alert in ALERTS}
    return {
        "rule_files": [rules_file],
        "evaluation_interval": "5m",
        "group_eval_order": [group["name"] for group in build_rules()["groups"]],  # else any order, another each time
        "tests": [_build_test(case, alerts[case.alert]) for case in CASES],
    }


def describe_rule_tests() -> str:
    """The same as YAML."""
    return "# Generated: vehicle-damage reference rules-test.\n" + write_yaml(build_rule_tests())


def _build_test(case: Case, alert: Alert) -> dict[str, Any]:
    values = case.values or ("",) * len(case.labels)
    return {
        "name": f"{case.alert}: {case.says}",
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in case.samples.items()],
        "alert_rule_test": [
            {
                "eval_time": case.at,
                "alertname": alert.full_name,
                "exp_alerts": [
                    {
                        "exp_labels": {"severity": alert.severity, **labels},
                        "exp_annotations": _fill(annotate(alert), labels, value),
                    }
                    for labels, value in zip(case.labels, values, strict=True)
                ],
            }
        ],
    }


def _fill(annotations: Mapping[str, str], labels: Mapping[str, str], value: str) -> dict[str, str]:
    """Annotations as Prometheus would show them."""
    return {
        name: _VALUE.sub(value, _LABEL.sub(lambda found: labels[found[1]], text)) for name, text in annotations.items()
    }
