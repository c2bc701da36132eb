"""The Kubernetes API, a Prometheus and a client, each over HTTP on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.cluster.api import Cluster, connect
from tests.service.cluster.api_server import State, run_api_server, write_kubeconfig
from tests.service.cluster.prometheus_server import Answers, run_prometheus


@pytest.fixture
def api() -> Iterator[tuple[str, State]]:
    """URL and state of a Kubernetes API with the namespace vd."""
    with run_api_server() as running:
        yield running


@pytest.fixture
def state(api: tuple[str, State]) -> State:
    """What the API knows."""
    return api[1]


@pytest.fixture
def kubeconfig(api: tuple[str, State], tmp_path: Path) -> Path:
    """A kubeconfig of it."""
    return write_kubeconfig(tmp_path, api[0])


@pytest.fixture
def cluster(kubeconfig: Path) -> Cluster:
    """The client, connected."""
    return connect("vd", kubeconfig=kubeconfig, backoff_s=0.01)


@pytest.fixture
def prometheus() -> Iterator[tuple[str, Answers]]:
    """URL and answers of a Prometheus."""
    with run_prometheus() as running:
        yield running
