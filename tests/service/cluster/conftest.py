"""The Kubernetes API, a Prometheus and a client, each over HTTP on loopback; a Deployment in rollout."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from service.cluster.api import Cluster, connect
from tests.service.cluster.api_server import State, run_api_server, write_kubeconfig
from tests.service.cluster.deployment_controller import make_deployment, run_controller
from tests.service.cluster.prometheus_server import Answers, run_prometheus
from tests.service.cluster.rollout_world import World, wait_for
from tests.service.cluster.stores import make_store


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


@pytest.fixture
def start_world(state: State, cluster: Cluster, prometheus, tmp_path: Path):
    """Starts a settled Deployment of some shape, pinned to the one promoted set."""

    @contextmanager
    def start(**shape: Any) -> Iterator[World]:
        store, [old] = make_store(tmp_path / "store", "0001")
        deployment = make_deployment("worker", pin=old, **shape)
        with run_controller(state, deployment) as controller:
            world = World(state, controller, store, tmp_path / "store", prometheus[1], cluster, prometheus[0], old)
            world.wait_for_pods(**{old: deployment["spec"]["replicas"]})
            wait_for(lambda: world.look().is_done, "the fleet is settled")
            yield world

    return start


@pytest.fixture
def world(start_world) -> Iterator[World]:
    with start_world() as started:
        yield started
