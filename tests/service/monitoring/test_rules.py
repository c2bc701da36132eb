"""The rules are what Prometheus accepts, and each alert fires when it should and not else."""

import re
import subprocess

import pytest

from service.metrics import REGISTRY
from service.monitoring.alerts import ALERTS
from service.monitoring.cases import CASES
from service.monitoring.recordings import RECORDINGS
from service.monitoring.rule_tests import build_rule_tests
from service.monitoring.rules import build_rules
from tests.service.monitoring.documents import FILES, GENERATED, find_tool, generate, list_selectors


@pytest.mark.parametrize("name", GENERATED)
def test_the_generated_files_are_up_to_date(name: str):
    assert (FILES / name).read_text(encoding="utf-8") == generate(name), f"vehicle-damage reference {GENERATED[name]}"


def test_every_alert_has_a_case_that_fires_and_one_that_stays_quiet():
    for is_firing in (True, False):
        assert {case.alert for case in CASES if bool(case.labels) == is_firing} == {alert.name for alert in ALERTS}
    assert len({(case.alert, case.says) for case in CASES}) == len(CASES)


def test_alerts_and_recordings_have_names_of_their_own():
    names = [rule.name for rule in (*ALERTS, *RECORDINGS)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Z][A-Za-z]+", alert.name) for alert in ALERTS)


def test_a_recording_is_named_after_the_labels_that_it_has():
    for recording in RECORDINGS:
        level, metric, operation = recording.name.split(":")
        assert level == "_".join(recording.labels), recording.name
        assert metric.startswith("vehicle_damage_")
        assert operation


def test_a_rule_reads_only_recordings_that_come_before_it():
    known: set[str] = set()
    for rule in (rule for group in build_rules()["groups"] for rule in group["rules"]):
        recorded = {name.split("{")[0] for name in list_selectors(rule["expr"]) if ":" in name}
        assert recorded <= known, rule
        known.add(rule.get("record", ""))


def test_every_metric_that_a_rule_reads_is_declared():
    families = {family.name + {"counter": "_total"}.get(family.type, "") for family in REGISTRY.collect()}
    for rule in (*ALERTS, *RECORDINGS):
        for selector in list_selectors(rule.expr):
            name = re.sub(r"_(bucket|sum|count)$", "", selector.split("{")[0])
            assert name in families or ":" in name or name.startswith(("kube_", "keda_")), selector


def test_promtool_accepts_the_rules():
    checked = subprocess.run(
        [find_tool("promtool"), "check", "rules", "--lint-fatal", str(FILES / "rules.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(ALERTS) + len(RECORDINGS)} rules found" in checked.stdout


def test_each_alert_fires_under_its_cases_and_stays_quiet_under_the_others():
    assert len(build_rule_tests()["tests"]) == len(CASES)
    tested = subprocess.run(
        [find_tool("promtool"), "test", "rules", "rules_test.yaml"],
        cwd=FILES,
        capture_output=True,
        text=True,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
