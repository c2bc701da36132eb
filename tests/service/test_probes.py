"""The worker's HTTP port tells Prometheus and the kubelet the truth."""

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.errors import SetupError
from service.metrics import REGISTRY
from service.probes import ProbeServer


@pytest.fixture
def state() -> SimpleNamespace:
    return SimpleNamespace(is_alive=True, is_ready=True)


@pytest.fixture
def server(state: SimpleNamespace) -> Iterator[ProbeServer]:
    started = ProbeServer("127.0.0.1", 0, is_alive=lambda: state.is_alive, is_ready=lambda: state.is_ready)
    yield started
    started.close()


def get(server: ProbeServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read().decode()


@pytest.mark.parametrize(("path", "word"), [("/healthz", "is_alive"), ("/readyz", "is_ready")])
def test_a_probe_follows_the_worker(server: ProbeServer, state: SimpleNamespace, path: str, word: str):
    assert get(server, path) == (200, "ok\n")
    setattr(state, word, False)
    assert get(server, path) == (503, "no\n")
    setattr(state, word, True)
    assert get(server, path)[0] == 200


def test_a_worker_may_be_alive_and_not_ready(server: ProbeServer, state: SimpleNamespace):
    state.is_ready = False
    assert (get(server, "/healthz")[0], get(server, "/readyz")[0]) == (200, 503)


def test_metrics_are_what_prometheus_reads(server: ProbeServer):
    status, body = get(server, "/metrics")
    families = {family.name for family in text_string_to_metric_families(body)}
    assert status == 200
    assert {family.name for family in REGISTRY.collect() if family.type != "info"} <= families


@pytest.mark.parametrize("path", ["/", "/metrics/", "/healthz/../../etc/passwd", "/debug"])
def test_nothing_else_is_served(server: ProbeServer, path: str):
    assert get(server, path)[0] == 404


def test_a_probe_that_hangs_does_not_block_the_others(server: ProbeServer):
    with socket.create_connection(("127.0.0.1", server.port)):
        assert get(server, "/healthz")[0] == 200


def test_a_port_that_is_taken_is_a_set_up_error(server: ProbeServer):
    with pytest.raises(SetupError, match=rf"^http port 127\.0\.0\.1:{server.port}: "):
        ProbeServer("127.0.0.1", server.port, is_alive=lambda: True, is_ready=lambda: True)


def test_an_address_that_cannot_be_resolved_is_a_set_up_error():
    with pytest.raises(SetupError, match=r"^http port"):
        ProbeServer("no-such-host.invalid", 0, is_alive=lambda: True, is_ready=lambda: True)


def test_a_closed_server_frees_its_port():
    first = ProbeServer("127.0.0.1", 0, is_alive=lambda: True, is_ready=lambda: True)
    first.close()
    second = ProbeServer("127.0.0.1", first.port, is_alive=lambda: True, is_ready=lambda: True)
    second.close()
