"""Manifests and Dockerfile before a security linter: no finding, and a reason for every exception."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.cluster.jobs import render_job
from tests.charts.chart import CHART_DIR, EXAMPLES, SCENARIOS, read_example, render, render_scenario
from tests.conftest import require
from tests.service.cluster.test_jobs import DETECTOR, EXPORT, GAN, SR_RCNN

ROOT = CHART_DIR.parents[1]
CHECKOV = os.environ.get("CHECKOV") or shutil.which("checkov")
NAMESPACE = "vehicle-damage-jobs"


def lint(*arguments: str | Path) -> dict[str, Any]:
    """What checkov reports: passed, failed and skipped checks."""
    require(CHECKOV and Path(CHECKOV).is_file(), "checkov; `make test` installs it beside the environments")
    ended = subprocess.run(
        [CHECKOV, *map(str, arguments), "--skip-download", "--output", "json"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LOG_LEVEL": "ERROR"},
    )
    assert ended.stdout, ended.stderr
    return json.loads(ended.stdout)["results"]


def assert_clean(results: dict[str, Any]) -> None:
    findings = {(each["check_id"], each["check_name"], each["resource"]) for each in results["failed_checks"]}
    assert findings == set()
    assert len(results["passed_checks"]) > 30
    for each in results["skipped_checks"]:
        assert each["check_result"]["suppress_comment"].strip(), each


def lint_manifests(folder: Path, manifests: Iterable[dict[str, Any]]) -> dict[str, Any]:
    (folder / "rendered.yaml").write_text(yaml.safe_dump_all(manifests), encoding="utf-8")
    configuration = CHART_DIR / ".checkov.yaml"
    return lint("--directory", folder, "--framework", "kubernetes", "--config-file", configuration)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_has_no_finding(name: str, tmp_path: Path):
    assert_clean(lint_manifests(tmp_path, render(read_example(name))))


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_has_no_finding(name: str, tmp_path: Path):
    assert_clean(lint_manifests(tmp_path, render_scenario(name)))


def test_jobs_in_their_namespace_have_no_finding(tmp_path: Path):
    base = [
        {**found, "metadata": {**found["metadata"], "namespace": NAMESPACE}}
        for path in sorted((ROOT / "k8s" / "base").glob("*.yaml"))
        for found in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if path.name != "kustomization.yaml"
    ]
    jobs = [
        manifest
        for request in (GAN, DETECTOR, SR_RCNN, EXPORT)
        for manifest in render_job(replace(request, namespace=NAMESPACE))
    ]
    assert_clean(lint_manifests(tmp_path, [*base, *jobs]))


def test_a_planted_mistake_is_found(tmp_path: Path):
    objects = render_scenario("fixed")
    for found in objects:
        if found["kind"] == "Deployment":
            found["spec"]["template"]["spec"]["containers"][0]["securityContext"]["privileged"] = True
    failed = lint_manifests(tmp_path, objects)["failed_checks"]
    assert {each["check_id"] for each in failed} == {"CKV_K8S_16"}


def test_the_dockerfile_has_no_finding():
    assert_clean(lint("--file", ROOT / "Dockerfile", "--framework", "dockerfile"))
