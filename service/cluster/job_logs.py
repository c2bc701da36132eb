"""job_logs: what a Job's pods write, of every index, each line once.

In:   a Job's name. Out: lines, with the index of the pod that wrote them.
Must not know: what is written.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from service.cluster.api import Cluster, ClusterUnavailable, LogNotYet, LogQuiet, NotThere, Object
from service.cluster.job_state import read_state
from service.cluster.submission import list_job_pods
from service.errors import SetupError

CONTAINER: Final = "trainer"
_INDEX: Final = "batch.kubernetes.io/job-completion-index"
_LOOK_S: Final = 2.0
_TRIES: Final = 6


@dataclass(frozen=True)
class LogLine:
    """One line and the index of the pod that wrote it; "" where the Job has none."""

    index: str
    text: str


def read_logs(cluster: Cluster, name: str) -> Iterator[LogLine]:
    """Read what every pod wrote so far, by index and age.

    Raises:
        NotThere: there is no such Job.
        SetupError: it may not be read, or nobody answers.
    """
    cluster.fetch_job(name)
    for pod in sorted(list_job_pods(cluster, name), key=_by_index_and_age):
        try:
            for line in cluster.stream_log(pod["metadata"]["name"], CONTAINER, follow=False, since_s=None):
                yield LogLine(_index(pod), _split_time(line)[1])
        except LogNotYet:
            continue


def follow_logs(
    cluster: Cluster, name: str, *, look_s: float = _LOOK_S, pause: Callable[[float], None] = time.sleep
) -> Iterator[LogLine]:
    """Read what every pod writes until the Job is over, pods that replace others included.

    Args:
        cluster: where it runs.
        name: of the Job.
        look_s: new pods are looked for so often.
        pause: waits after a broken stream.

    Raises:
        NotThere: there is no such Job, or it was deleted.
        SetupError: a log may not be read, or nobody answers.
    """
    lines: queue.Queue[LogLine | SetupError] = queue.Queue()
    readers: dict[str, threading.Thread] = {}

    def copy(pod: Object) -> None:
        try:
            for line in _follow_pod(cluster, pod, pause):
                lines.put(line)
        except NotThere:
            return  # the pod was deleted, with or before its Job
        except SetupError as error:
            lines.put(error)

    is_over, failures = False, 0
    while True:
        try:
            is_over = read_state(cluster.fetch_job(name)).is_over  # before the pods: its last pods are then all known
            pods, failures = list_job_pods(cluster, name), 0
        except ClusterUnavailable:
            failures += 1
            if failures > _TRIES:
                raise
            pods, is_over = [], False
        for pod in pods:
            uid = pod["metadata"]["uid"]
            if uid not in readers and (pod.get("status") or {}).get("phase") != "Pending":
                readers[uid] = threading.Thread(target=copy, args=(pod,), daemon=True, name=f"log-{uid}")
                readers[uid].start()
        deadline = time.monotonic() + look_s
        while (left := deadline - time.monotonic()) > 0 or not lines.empty():
            try:
                found = lines.get(timeout=max(left, 0.01))
            except queue.Empty:
                break
            if isinstance(found, SetupError):
                raise found
            yield found
        if is_over and lines.empty() and not any(reader.is_alive() for reader in readers.values()):
            return


def _follow_pod(cluster: Cluster, pod: Object, pause: Callable[[float], None]) -> Iterator[LogLine]:
    """One pod's lines, over broken streams: after one, the last lines are read again and those told are left out."""
    last, failures = "", 0
    while True:
        told = last
        since_s = (
            None if not told else max(int((datetime.now(UTC) - datetime.fromisoformat(told)).total_seconds()) + 2, 1)
        )
        try:
            for line in cluster.stream_log(pod["metadata"]["name"], CONTAINER, follow=True, since_s=since_s):
                stamp, text = _split_time(line)
                if stamp <= told:
                    continue
                last, failures = stamp, 0
                yield LogLine(_index(pod), text)
        except LogQuiet:
            continue
        except (ClusterUnavailable, LogNotYet) as error:
            failures += 1
            if failures > _TRIES:
                raise SetupError(f"{error}; {failures} times in a row") from error
            pause(min(0.5 * 2**failures, 10.0))
        else:
            return


def _split_time(line: str) -> tuple[str, str]:
    stamp, _, text = line.partition(" ")
    return stamp, text


def _index(pod: Object) -> str:
    return (pod["metadata"].get("annotations") or {}).get(_INDEX, "")


def _by_index_and_age(pod: Object) -> tuple[int, str]:
    return int(_index(pod) or 0), pod["metadata"].get("creationTimestamp", "")
