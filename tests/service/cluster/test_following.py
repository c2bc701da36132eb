"""A Job is followed to its end over everything a watch can do."""

import itertools
import time

import pytest

from service.cluster.api import Cluster, ClusterUnavailable, NotThere
from service.cluster.following import follow_job
from service.cluster.job_state import read_state
from tests.service.cluster.api_server import Fault, State
from tests.service.cluster.test_api import JOB

COMPLETE = [{"type": "Complete", "status": "True"}]


def pause(_: float) -> None:
    time.sleep(0.01)


def follow(cluster: Cluster, **options):
    return follow_job(cluster, "one", quiet_s=1, pause=pause, **options)


def phases_until_over(followed) -> list[str]:
    phases = []
    for job in itertools.islice(followed, 100):
        if job is None:
            continue
        phases.append(read_state(job).phase)
        if phases[-1] == "complete":
            return phases
    pytest.fail(f"never over: {phases}")


@pytest.fixture
def job(state: State) -> State:
    state.add("jobs", JOB)
    return state


def test_every_change_is_seen_to_the_end(cluster: Cluster, job: State):
    followed = follow(cluster)
    assert read_state(next(followed)).phase == "waiting"
    job.set_status("one", active=1, ready=1)
    job.set_status("one", ready=0, succeeded=1, conditions=COMPLETE)
    assert phases_until_over(followed) == ["running", "complete"]
    assert sum("watch=True" in path for _, path, _ in job.requests) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault("GET", "watch=True", "gone_event"),
        Fault("GET", "watch=True", "status", 410),
        Fault("GET", "watch=True", "drop"),
        Fault("GET", "watch=True", "break", lines=1),
        Fault("GET", "watch=True", "break", lines=0),
        Fault("GET", "watch=True", "status", 429, retry_after="0"),
        Fault("GET", "watch=True", "status", 500),
    ],
    ids=["410 in the stream", "410", "dropped", "broken after a line", "broken at once", "429", "500"],
)
def test_what_breaks_a_watch_loses_no_change(cluster: Cluster, job: State, fault: Fault):
    job.faults.append(Fault(**vars(fault)))
    followed = follow(cluster)
    next(followed)
    job.set_status("one", active=1, ready=1)
    job.set_status("one", ready=0, succeeded=1, conditions=COMPLETE)
    assert phases_until_over(followed)[-1] == "complete"
    assert not job.faults


def test_events_that_the_server_forgot_are_read_anew(cluster: Cluster, job: State):
    followed = follow(cluster)
    next(followed)
    job.bookmark_s = 60
    assert next(followed) is None
    job.set_status("one", ready=1, active=1)
    job.compact()
    assert read_state(next(followed)).phase == "running"
    assert sum("watch=" not in path for _, path, _ in job.requests) == 2


def test_bookmarks_keep_a_quiet_watch_young(cluster: Cluster, job: State):
    followed = follow(cluster)
    next(followed)
    job.bookmark_s = 0.05
    for _ in range(20):
        job.add("services", {"metadata": {"name": f"other-{_}"}})
    assert next(followed) is None
    job.compact()
    job.set_status("one", ready=1, active=1)
    assert read_state(next(followed)).phase == "running"
    assert sum("watch=" not in path for _, path, _ in job.requests) == 1


def test_a_quiet_job_gives_none_and_the_watch_goes_on_where_it_was(cluster: Cluster, job: State):
    followed = follow(cluster)
    next(followed)
    assert next(followed) is None
    job.set_status("one", ready=1)
    assert read_state(next(followed)).phase == "running"


def test_a_server_that_stays_away_ends_the_watch(cluster: Cluster, job: State):
    job.faults.append(Fault("GET", "watch=True", "drop", times=100))
    followed = follow(cluster, tries=2)
    next(followed)
    with pytest.raises(ClusterUnavailable, match="3 times in a row"):
        next(followed)


def test_a_deleted_job_ends_the_watch(cluster: Cluster, job: State):
    followed = follow(cluster)
    next(followed)
    cluster.delete_job("one")
    with pytest.raises(NotThere, match="one was deleted"):
        next(followed)


def test_a_job_that_is_none_is_named(cluster: Cluster):
    with pytest.raises(NotThere, match="vd: there is no job one"):
        next(follow(cluster))
