"""following: one Job from now to its end, over broken streams, timeouts and expired versions.

In:   a Job's name. Out: the Job, each time it changed, and None when nothing did for a while.
Must not know: what the Job computes.
"""

import time
from collections.abc import Callable, Iterator
from typing import Final

from service.cluster.api import Cluster, ClusterUnavailable, NotThere, Object, VersionExpired

QUIET_S: Final = 10
_MAX_PAUSE_S: Final = 30.0
_SHORT_S: Final = 0.5


def follow_job(
    cluster: Cluster,
    name: str,
    *,
    quiet_s: int = QUIET_S,
    tries: int = 6,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Object | None]:
    """Yield a Job as it is and after every change, for as long as somebody asks.

    A stream that ends is resumed where it ended; after 410 Gone the Job is read anew.

    Args:
        cluster: where it runs.
        name: of the Job.
        quiet_s: yield None when nothing changed for so long.
        tries: failures in a row that are borne.
        pause: waits between them.

    Raises:
        NotThere: there is no such Job, or it was deleted.
        ClusterUnavailable: the API failed more often than that.
        SetupError: the Job may not be watched.
    """
    version, failures = "", 0
    while True:
        try:
            if not version:
                jobs, version = cluster.list_jobs(name=name)
                if not jobs:
                    raise NotThere(f"{cluster.namespace}: there is no job {name}")
                yield jobs[0]
            asked_s = time.monotonic()
            for kind, job in cluster.watch_job(name, version, timeout_s=quiet_s):
                version, failures = job["metadata"]["resourceVersion"], 0
                if kind == "DELETED":
                    raise NotThere(f"{cluster.namespace}: job {name} was deleted")
                if kind != "BOOKMARK":
                    yield job
            failures = 0
            if time.monotonic() - asked_s < _SHORT_S:
                pause(_SHORT_S)  # a proxy that ends every stream at once
            yield None
        except (VersionExpired, ClusterUnavailable) as error:
            failures += 1
            if failures > tries:
                raise ClusterUnavailable(f"{error}; {failures} times in a row") from error
            if isinstance(error, VersionExpired):
                version = ""
            if failures > 1 or not isinstance(error, VersionExpired):
                pause(min(0.5 * 2**failures, _MAX_PAUSE_S))
