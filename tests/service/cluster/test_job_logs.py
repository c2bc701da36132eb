"""Logs of every index, each line once, whatever the streams do."""

import itertools
import time
from datetime import UTC, datetime, timedelta

import pytest

from service.cluster.api import Cluster, NotThere
from service.cluster.job_logs import LogLine, follow_logs, read_logs
from service.errors import SetupError
from tests.service.cluster.api_server import Fault, State
from tests.service.cluster.test_api import JOB
from tests.service.world import wait_until

COMPLETE = [{"type": "Complete", "status": "True"}]
START = datetime.now(UTC) - timedelta(seconds=30)


def stamped(*texts: str, start_s: float = 0) -> list[tuple[str, str]]:
    """Lines with the kubelet's times: nanoseconds, always nine digits."""
    times = [START + timedelta(seconds=start_s + number) for number in range(len(texts))]
    return [
        (f"{at:%Y-%m-%dT%H:%M:%S}.{number:09d}Z", text)
        for number, (at, text) in enumerate(zip(times, texts, strict=True))
    ]


def add_pod(
    state: State, index: int, *texts: str, name: str = "", phase: str = "Running", is_open: bool = False
) -> None:
    name = name or f"one-{index}"
    state.add(
        "pods",
        {
            "metadata": {
                "name": name,
                "labels": {"batch.kubernetes.io/job-name": "one"},
                "annotations": {"batch.kubernetes.io/job-completion-index": str(index)},
            },
            "spec": {"containers": [{"name": "trainer", "image": "x:1"}]},
            "status": {"phase": phase},
        },
    )
    if phase != "Pending":
        state.logs[name] = stamped(*texts)
    if is_open:
        state.open_logs.add(name)


def follow(cluster: Cluster):
    return follow_logs(cluster, "one", look_s=0.05, pause=lambda _: time.sleep(0.01))


@pytest.fixture
def job(state: State) -> State:
    state.add("jobs", JOB)
    return state


def test_what_was_written_is_read_by_index(cluster: Cluster, job: State):
    add_pod(job, 1, "b", "c")
    add_pod(job, 0, "a")
    add_pod(job, 2, phase="Pending")
    assert list(read_logs(cluster, "one")) == [LogLine("0", "a"), LogLine("1", "b"), LogLine("1", "c")]


def test_every_index_is_followed_to_the_end_and_a_replaced_pod_too(cluster: Cluster, job: State):
    add_pod(job, 0, "a", is_open=True)
    add_pod(job, 1, phase="Pending")
    followed = follow(cluster)
    assert next(followed) == LogLine("0", "a")
    with job.lock:
        job.logs["one-0"] += stamped("evicted", start_s=5)
        job.open_logs.clear()
        job.lock.notify_all()
    assert next(followed) == LogLine("0", "evicted")
    add_pod(job, 0, "again", name="one-0-b")
    job.set_status("one", conditions=COMPLETE)
    assert list(followed) == [LogLine("0", "again")]


def test_a_broken_stream_loses_and_repeats_no_line(cluster: Cluster, job: State):
    texts = [f"step {number}" for number in range(6)]
    add_pod(job, 0, *texts)
    job.faults += [
        Fault("GET", "/log", "break", lines=2),
        Fault("GET", "/log", "drop"),
        Fault("GET", "/log", "break", lines=4),
    ]
    job.set_status("one", conditions=COMPLETE)
    assert [line.text for line in follow(cluster)] == texts
    assert not job.faults


def test_a_log_that_never_comes_back_is_told(cluster: Cluster, job: State):
    add_pod(job, 0, "a", "b")
    job.faults.append(Fault("GET", "/log", "break", lines=0, times=100))
    with pytest.raises(SetupError, match=r"log of pod one-0: .*7 times in a row"):
        list(follow(cluster))


def test_a_pod_that_was_deleted_ends_its_log_only(cluster: Cluster, job: State):
    add_pod(job, 0, "a", is_open=True)
    job.faults.append(Fault("GET", "one-0/log", "status", 404))
    job.set_status("one", conditions=COMPLETE)
    assert list(follow(cluster)) == []


def test_a_job_that_is_none_is_named(cluster: Cluster):
    for read in (read_logs, follow_logs):
        with pytest.raises(NotThere, match=r'jobs.batch "one" not found'):
            list(itertools.islice(read(cluster, "one"), 1))


def test_a_quiet_log_is_asked_for_again_and_again(cluster: Cluster, job: State, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("service.cluster.api._QUIET_LOG_S", 0.05)
    add_pod(job, 0, "a", is_open=True)
    followed = follow(cluster)
    assert next(followed) == LogLine("0", "a")

    def is_asked(times: int) -> bool:
        with job.lock:
            return sum("/log" in path for _, path, _ in job.requests) > times

    wait_until(lambda: is_asked(10), "a quiet log is not an outage, however often")
    with job.lock:
        job.logs["one-0"] += stamped("b", start_s=5)
        job.open_logs.clear()
        job.lock.notify_all()
    job.set_status("one", conditions=COMPLETE)
    assert list(followed) == [LogLine("0", "b")]


def test_an_api_that_is_away_for_a_moment_ends_no_log(cluster: Cluster, job: State):
    add_pod(job, 0, "a")
    job.faults.append(Fault("GET", "/pods", "status", code=503, times=12))
    job.set_status("one", conditions=COMPLETE)
    assert [line.text for line in follow(cluster)] == ["a"]
