"""The client's edge: every refusal one clear line, every busy moment borne."""

import socket
from pathlib import Path

import pytest

from service.cluster.api import AlreadyThere, Cluster, ClusterConflict, ClusterUnavailable, NotThere, connect
from service.errors import SetupError
from tests.service.cluster.api_server import Fault, State, write_kubeconfig
from tests.service.cluster.deployment_controller import make_deployment

JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "one"},
    "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "trainer", "image": "x:1"}]}}},
}


def test_a_busy_server_is_asked_again_after_its_pause(cluster: Cluster, state: State):
    state.add("deployments", make_deployment("worker"))
    state.faults += [Fault("GET", "deployments", "status", 429, retry_after="0", times=2)]
    assert cluster.fetch_deployment("worker")["metadata"]["name"] == "worker"
    assert len(state.requests) == 3


def test_a_server_that_stays_busy_is_told(cluster: Cluster, state: State):
    state.faults += [Fault("GET", "deployments", "status", 503, retry_after="0", times=20)]
    with pytest.raises(ClusterUnavailable, match=r"vd: get deployment worker: 503: scripted 503"):
        cluster.fetch_deployment("worker")
    assert len(state.requests) == 5


def test_a_lost_reply_is_asked_for_again(cluster: Cluster, state: State):
    state.faults += [Fault("POST", "jobs", "drop")]
    assert cluster.create(JOB)["metadata"]["name"] == "one"


def test_a_taken_name_is_told_apart_from_a_conflict(cluster: Cluster, state: State):
    cluster.create(JOB)
    with pytest.raises(AlreadyThere, match=r'jobs.batch "one" already exists'):
        cluster.create(JOB)


def test_a_stale_version_is_a_conflict_and_changes_nothing(cluster: Cluster, state: State):
    state.add("deployments", make_deployment("worker"))
    stale = cluster.fetch_deployment("worker")["metadata"]["resourceVersion"]
    state.change("deployments", "worker", lambda found: found["spec"].update(replicas=9))
    with pytest.raises(ClusterConflict, match="the object has been modified"):
        cluster.patch_deployment("worker", {"metadata": {"resourceVersion": stale}, "spec": {"replicas": 1}})
    assert state.get("deployments", "worker")["spec"]["replicas"] == 9


@pytest.mark.parametrize(
    ("verb", "ask", "words"),
    [
        ("get", lambda cluster: cluster.fetch_deployment("worker"), "403: deployments.apps is forbidden"),
        ("list", lambda cluster: cluster.list_pods("a=b"), "403: pods is forbidden"),
        ("create", lambda cluster: cluster.create(JOB), "403: jobs.batch is forbidden"),
        ("delete", lambda cluster: cluster.delete_job("one"), "403: jobs.batch is forbidden"),
        ("watch", lambda cluster: list(cluster.watch_job("one", "1", timeout_s=1)), "403: jobs.batch is forbidden"),
    ],
)
def test_a_missing_right_is_named(cluster: Cluster, state: State, verb: str, ask, words: str):
    state.forbidden |= {(verb, resource) for resource in ("deployments", "pods", "jobs")}
    with pytest.raises(SetupError, match=words) as told:
        ask(cluster)
    assert not isinstance(told.value, ClusterUnavailable)
    assert "\n" not in str(told.value)


def test_a_missing_namespace_is_named(kubeconfig: Path):
    with pytest.raises(NotThere, match='other: create job one: 404: namespaces "other" not found'):
        connect("other", kubeconfig=kubeconfig).create(JOB)


def test_nobody_listening_is_one_line(tmp_path: Path, closed_port: int):
    cluster = connect("vd", kubeconfig=write_kubeconfig(tmp_path, f"http://127.0.0.1:{closed_port}"))
    with pytest.raises(ClusterUnavailable, match=f"127.0.0.1:{closed_port}: get deployment worker") as told:
        cluster.fetch_deployment("worker")
    assert "\n" not in str(told.value)


def test_a_server_that_never_answers_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("service.cluster.api._TIMEOUT_S", (0.2, 0.2))
    monkeypatch.setattr("service.cluster.api._TRIES", 1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        cluster = connect("vd", kubeconfig=write_kubeconfig(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}"))
        with pytest.raises(ClusterUnavailable, match="list pods"):
            cluster.list_pods("a=b")


DAMAGED = """
apiVersion: v1
kind: Config
current-context: a
clusters: [{name: a, cluster: {server: "https://127.0.0.1:1", certificate-authority-data: "abc"}}]
users: [{name: a, user: {token: a}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
"""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "Invalid kube-config file"),
        ("kind: [", "while parsing"),
        ("{}", "Invalid kube-config"),
        (DAMAGED, "padding"),
    ],
)
def test_a_kubeconfig_that_is_none_is_named(tmp_path: Path, content: str | None, words: str):
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SetupError, match=f"kubeconfig: .*{words}"):
        connect("vd", kubeconfig=path)


def test_a_context_that_is_none_is_named(kubeconfig: Path):
    with pytest.raises(SetupError, match=r"kubeconfig: .*elsewhere"):
        connect("vd", kubeconfig=kubeconfig, context="elsewhere")


def test_a_dry_run_stores_nothing(cluster: Cluster, state: State):
    cluster.create(JOB, dry_run=True)
    assert "dryRun=All" in state.requests[-1][1]
    assert not state.objects
