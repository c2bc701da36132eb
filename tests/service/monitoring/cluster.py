"""A Prometheus that scrapes workers, and what kube-state-metrics and KEDA would tell it."""

import json
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket
from time import time
from typing import Any, Final

from service.monitoring.recordings import PHOTOS
from tests.service.monitoring.documents import FILES, find_tool
from tests.service.world import answers, wait_until

HERE: Final = {"namespace": "fleet", "job": "vehicle-damage"}
_KUBERNETES: Final = """\
# TYPE kube_job_failed gauge
kube_job_failed{namespace="fleet",job_name="vehicle-damage-migrate-1",condition="true"} 1
kube_job_failed{namespace="vehicle-damage-jobs",job_name="gan-training-7f",condition="true"} 0
kube_job_failed{namespace="fleet",job_name="vehicle-damage-refresh-29384400",condition="true"} 0
# TYPE kube_job_status_start_time gauge
kube_job_status_start_time{namespace="fleet",job_name="vehicle-damage-refresh-29384400"} 1763064000
# TYPE kube_cronjob_status_last_successful_time gauge
kube_cronjob_status_last_successful_time{namespace="fleet",cronjob="vehicle-damage-refresh"} 1763064100
# TYPE kube_deployment_spec_replicas gauge
kube_deployment_spec_replicas{namespace="fleet",deployment="vehicle-damage-worker"} 2
# TYPE kube_deployment_status_replicas_available gauge
kube_deployment_status_replicas_available{namespace="fleet",deployment="vehicle-damage-worker"} 2
kube_deployment_status_replicas_available{namespace="keda",deployment="keda-operator"} 1
# TYPE keda_scaled_object_paused gauge
keda_scaled_object_paused{namespace="fleet",scaledObject="vehicle-damage-worker"} 0
# TYPE keda_scaled_object_errors_total counter
keda_scaled_object_errors_total{namespace="fleet",scaledObject="vehicle-damage-worker"} 0
"""


@contextmanager
def run_kubernetes_exporter() -> Iterator[int]:
    """Tell what kube-state-metrics and KEDA tell of one installation; yields the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = _KUBERNETES.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Every second: say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    def ask(self, path: str, **parameters: object) -> Any:
        """What its HTTP API answers."""
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}{query}", timeout=20) as answer:
            return json.load(answer)["data"]

    def values(self, expr: str, *, over_s: int = 60) -> list[float]:
        """Every number that a panel of the last minute would draw."""
        now = time()
        series = self.ask("query_range", query=expr, start=now - over_s, end=now, step=1)["result"]
        numbers = (float(value) for found in series for _, value in found["values"])
        return [number for number in numbers if number == number]  # noqa: PLR0124 - not NaN

    def firing(self) -> set[str]:
        """Names of the alerts that fire."""
        return {alert["labels"]["alertname"] for alert in self.ask("alerts")["alerts"] if alert["state"] == "firing"}


@contextmanager
def run_prometheus(folder: Path, workers: Sequence[int], exporter: int) -> Iterator[Prometheus]:
    """Run it over the generated rules, with a week of photos in its past.

    Args:
        folder: for its data.
        workers: ports of the workers.
        exporter: port of the Kubernetes exporter.
    """
    _write_past(folder)
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(FILES / "rules.yaml")],
        "scrape_configs": [
            {
                "job_name": HERE["job"],
                "static_configs": [
                    {"targets": [f"127.0.0.1:{port}" for port in workers], "labels": {"namespace": HERE["namespace"]}}
                ],
            },
            {
                "job_name": "kube-state-metrics",
                "honor_labels": True,
                "static_configs": [{"targets": [f"127.0.0.1:{exporter}"]}],
            },
        ],
    }
    with serve_prometheus(folder, config) as running:
        yield running


@contextmanager
def serve_prometheus(folder: Path, config: dict[str, Any]) -> Iterator[Prometheus]:
    """Run it on a loopback port, its configuration, log and data in a folder."""
    (folder / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    log_path = folder / "prometheus.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [
                find_tool("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
        )
    running = Prometheus(f"http://{address}")
    try:
        wait_until(lambda: process.poll() is not None or answers(f"{running.url}/-/ready"), "Prometheus is up")
        assert process.poll() is None, log_path.read_text(encoding="utf-8")
        yield running
    finally:
        process.terminate()
        process.wait(30)


def _write_past(folder: Path) -> None:
    """Photos of an hour, eight hours ago, as the recording rule kept them."""
    now = int(time())
    lines = [f"# TYPE {PHOTOS.name} gauge"]
    for status, per_s in (("inspected", 0.2), ("undamaged", 9.8)):
        labels = ",".join(f'{name}="{value}"' for name, value in {**HERE, "status": status}.items())
        lines += [f"{PHOTOS.name}{{{labels}}} {per_s} {now - 8 * 3600 + second}" for second in range(0, 3600, 60)]
    (folder / "past.txt").write_text("\n".join([*lines, "# EOF", ""]), encoding="utf-8")
    command = ["tsdb", "create-blocks-from", "openmetrics", str(folder / "past.txt"), str(folder / "data")]
    subprocess.run([find_tool("promtool"), *command], check=True, capture_output=True)
