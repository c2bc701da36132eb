"""limits: what a day asks of SQS, S3, the ledger's database and Kubernetes, and which of them gives way first.

In:   simulated days. Out: a Bottleneck a resource, the first to give way first.
Must not know: scaling, prices, pages.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from service.capacity.cost import count_requests
from service.capacity.options import CapacityOptions, Origin
from service.capacity.simulation import Day

_AWS: Final = "docs.aws.amazon.com"
_SQS: Final = f"{_AWS}/AWSSimpleQueueService/latest/SQSDeveloperGuide"
_MINUTE_S: Final = 60


@dataclass(frozen=True)
class Bottleneck:
    """One resource under the loads.

    Attributes:
        name: the resource.
        limit: what it gives; None: no limit is stated.
        unit: of limit and demands.
        demands: what each load asks at its busiest.
        gives_way_at: photos a day at which demand reaches the limit, from the largest load; None: no limit is stated.
        advice: what to do then.
        origin: where the limit comes from.
        source: the same, exactly.
    """

    name: str
    limit: float | None
    unit: str
    demands: tuple[float, ...]
    gives_way_at: float | None
    advice: str
    origin: Origin
    source: str


@dataclass(frozen=True)
class _Limit:
    name: str
    limit: Callable[[CapacityOptions], float] | float | None
    unit: str
    demand: Callable[[Day, CapacityOptions], float]
    advice: str
    origin: Origin
    source: str


def find_bottlenecks(days: Sequence[Day], options: CapacityOptions) -> list[Bottleneck]:
    """Weigh every limit against every day.

    Args:
        days: from the smallest load to the largest; the largest says at how many photos a day a limit is reached.
        options: they hold the measured limits.

    Returns:
        The first to give way first; those without a stated limit last.
    """
    found = []
    for row in _LIMITS:
        limit = row.limit(options) if callable(row.limit) else row.limit
        demands = tuple(row.demand(day, options) for day in days)
        gives_way_at = None
        if limit is not None and demands[-1] > 0:
            gives_way_at = limit / demands[-1] * float(days[-1].arrived.sum())
        found.append(Bottleneck(row.name, limit, row.unit, demands, gives_way_at, row.advice, row.origin, row.source))
    return sorted(found, key=lambda own: float("inf") if own.gives_way_at is None else own.gives_way_at)


def peak_a_second(counts: np.ndarray) -> float:
    """The busiest minute of counts a second, as a mean over its seconds."""
    minutes = counts[: len(counts) // _MINUTE_S * _MINUTE_S].reshape(-1, _MINUTE_S)
    return float(minutes.mean(axis=1).max()) if len(minutes) else float(counts.mean())


def _done(day: Day, _: CapacityOptions) -> float:
    return peak_a_second(day.done)


def _pods(day: Day, _: CapacityOptions) -> float:
    return float(day.replicas.max())


_LIMITS: Final = (
    _Limit(
        "EC2 cores of a new account",
        5,
        "vCPU",
        lambda day, options: float(day.paid.max()) * options.worker.cores,
        "Ask for a higher quota (on demand and spot are counted apart) before the first day, not during it.",
        "cited",
        f"quota L-1216C47A, default; {_AWS}/general/latest/gr/ec2-service.html",
    ),
    _Limit(
        "SQLite ledger",
        lambda options: options.ledger.sqlite_rows_a_second,
        "rows/s",
        _done,
        "One file and one writer at a time: PostgreSQL as soon as there is a second pod.",
        "measured",
        "benchmarks/capacity.py, 20 rows a transaction",
    ),
    _Limit(
        "PostgreSQL writes",
        lambda options: options.ledger.postgres_rows_a_second,
        "rows/s",
        _done,
        "Faster disks first: commits wait for fsync. Then partition inspections by day, so that indexes stay in memory "
        "and old days are dropped; then a database per hash of vehicle_id, since a history is one vehicle's.",
        "measured",
        "benchmarks/capacity.py, 20 rows a transaction, eight writers, fsync on",
    ),
    _Limit(
        "PostgreSQL connections",
        97,
        "connections",
        lambda day, options: float(day.replicas.max()) * options.worker.ledger_connections,
        "PgBouncer in transaction mode between workers and database: a pod needs its connection for one commit a "
        "batch, so that few serve many. 1.22 or later, since psycopg prepares statements.",
        "cited",
        "max_connections 100 less 3 reserved, the defaults; postgresql.org/docs/current/runtime-config-connection.html",
    ),
    _Limit(
        "S3 writes of one prefix",
        3500,
        "PUT/s",
        _done,
        "S3 splits a hot prefix by itself, slowly, with 503s meanwhile: transient errors here, photos come back. Give "
        "each part of the fleet a prefix (VEHICLE_DAMAGE_RESULTS_PREFIX) or a bucket of its own.",
        "cited",
        f"at least, a partitioned prefix; {_AWS}/AmazonS3/latest/userguide/optimizing-performance.html",
    ),
    _Limit(
        "S3 reads of one prefix",
        5500,
        "GET/s",
        _done,
        "The same for photos: no date at the start of their keys. Photos and results count apart.",
        "cited",
        f"at least, a partitioned prefix; {_AWS}/AmazonS3/latest/userguide/optimizing-performance.html",
    ),
    _Limit(
        "SQS messages in flight",
        120_000,
        "messages",
        lambda day, options: float(day.ready.max()) * options.worker.max_in_flight_messages,
        "Further receives come back empty, without an error, since workers poll long. Lower "
        "VEHICLE_DAMAGE_MAX_IN_FLIGHT_MESSAGES to two batches, or shard: a queue and a Deployment per hash of "
        "vehicle_id.",
        "cited",
        f"about, a standard queue; {_SQS}/quotas-queues.html",
    ),
    _Limit(
        "Nodes of a cluster",
        5000,
        "nodes",
        lambda day, options: float(day.paid.max()) / options.fleet.pods_a_node,
        "Larger nodes, or a cluster a region: the queue is all that they share.",
        "cited",
        "kubernetes.io/docs/setup/best-practices/cluster-large",
    ),
    _Limit(
        "Pods of a cluster",
        150_000,
        "pods",
        _pods,
        "A cluster a region.",
        "cited",
        "kubernetes.io/docs/setup/best-practices/cluster-large",
    ),
    _Limit(
        "SQS calls",
        None,
        "calls/s, mean",
        lambda day, options: count_requests(day, options).sqs / len(day.done),
        "A standard queue states no limit on calls; they cost.",
        "cited",
        f"nearly unlimited, a standard queue; {_SQS}/quotas-messages.html",
    ),
)
