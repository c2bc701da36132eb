"""An upgrade keeps what the rollout owns: rendered by the engine against an API server that has the live Deployment."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import helm_python
import pytest
import yaml

from tests.charts.chart import (
    BASE,
    CHART_DIR,
    NAMESPACE,
    RELEASE,
    SCENARIOS,
    environment_of,
    find,
    merge,
    nest,
    render,
)

PIN = "0123456789abcdef"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/"
DISCOVERY = {
    "/apis/apps/v1": {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "apps/v1",
        "resources": [{"name": "deployments", "singularName": "deployment", "namespaced": True, "kind": "Deployment",
                       "verbs": ["get", "list", "patch"]}],
    },
}  # fmt: skip


@contextmanager
def serve_api(live: dict[str, Any] | None) -> Iterator[str]:
    """An API server with one Deployment, or none; yields its kubeconfig."""
    answers = {**DISCOVERY, **({DEPLOYMENTS + live["metadata"]["name"]: live} if live else {})}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answers.get(self.path.partition("?")[0])
            missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
            body = json.dumps(found or missing).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "here", "cluster": {"server": url}}],
                "users": [{"name": "me", "user": {}}],
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
                "current-context": "here",
            }
        )
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def render_upgrade(values: dict[str, Any], live: dict[str, Any] | None) -> dict[str, Any]:
    """The worker's Deployment as an upgrade renders it."""
    with (
        serve_api(live) as kubeconfig,
        helm_python.Config(kubeconfig_content=kubeconfig, namespace=NAMESPACE) as config,
        helm_python.Chart.load(CHART_DIR) as chart,
    ):
        files = config.render(chart, values, name=RELEASE, namespace=NAMESPACE, is_upgrade=True)
    return yaml.safe_load(files["vehicle-damage/templates/worker-deployment.yaml"])


@pytest.fixture
def in_canary() -> dict[str, Any]:
    """The live Deployment in the middle of a canary, as the rollout's patch leaves it."""
    live = deepcopy(find(render(BASE, SCENARIOS["everything"]), "Deployment", "worker"))
    live["spec"] |= {
        "replicas": 8,
        "minReadySeconds": 315_360_000,
        "progressDeadlineSeconds": 2**31 - 1,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "34%", "maxUnavailable": 0}},
    }
    template = live["spec"]["template"]
    template["metadata"]["annotations"]["vehicle-damage/model-set"] = PIN
    for variable in template["spec"]["containers"][0]["env"]:
        if variable["name"] == "VEHICLE_DAMAGE_MODEL_SET":
            variable["value"] = PIN
    return live


def test_an_upgrade_in_a_canary_keeps_its_pin_and_its_pace(in_canary: dict[str, Any]) -> None:
    values = merge(BASE, SCENARIOS["everything"], nest("worker.settings.batch_photos", 16))
    upgraded = render_upgrade(values, in_canary)
    for name in ("minReadySeconds", "progressDeadlineSeconds", "strategy"):
        assert upgraded["spec"][name] == in_canary["spec"][name]
    assert "replicas" not in upgraded["spec"]
    template = upgraded["spec"]["template"]
    assert template["metadata"]["annotations"]["vehicle-damage/model-set"] == PIN
    environment = environment_of(template["spec"]["containers"][0])
    assert environment["VEHICLE_DAMAGE_MODEL_SET"] == PIN
    assert environment["VEHICLE_DAMAGE_BATCH_PHOTOS"] == "16"


def test_without_refresh_the_values_win(in_canary: dict[str, Any]) -> None:
    upgraded = render_upgrade(BASE, in_canary)
    assert upgraded["spec"]["minReadySeconds"] == 10
    assert environment_of(upgraded["spec"]["template"]["spec"]["containers"][0])["VEHICLE_DAMAGE_MODEL_SET"] == ""


def test_the_first_install_starts_from_the_values() -> None:
    values = merge(BASE, SCENARIOS["everything"])
    assert render_upgrade(values, None) == find(render(values), "Deployment", "worker")


def test_under_refresh_no_worker_swaps_by_itself() -> None:
    worker = find(render(BASE, nest("refresh.enabled", True)), "Deployment", "worker")
    environment = environment_of(worker["spec"]["template"]["spec"]["containers"][0])
    assert environment["VEHICLE_DAMAGE_MODEL_REFRESH_S"] == "0"
    # The rollout patches this variable by its name, and needs it to be there.
    assert environment["VEHICLE_DAMAGE_MODEL_SET"] == ""
