"""What the dashboard shows: rows of panels, each query from the metrics."""

from dataclasses import dataclass
from typing import Final, Literal

from service import metrics
from service.drift import LARGE_PSI
from service.monitoring import recordings
from service.monitoring.alerts import MOST_ERRORS, PREFIX
from service.monitoring.expressions import Source, aggregate, name_of, quantile, rate, select
from service.monitoring.foreign import (
    ALERTS,
    JOB_FAILED,
    OURS,
    REPLICAS_AVAILABLE,
    REPLICAS_WANTED,
    SCALER_ERRORS,
    WORKER_DEPLOYMENTS,
)

Kind = Literal["timeseries", "stat", "table", "heatmap"]
NAMESPACE_VARIABLE: Final = "namespace"
JOB_VARIABLE: Final = "job"
WINDOW: Final = "$__rate_interval"
_NAMESPACE: Final = f'namespace=~"${NAMESPACE_VARIABLE}"'
_HERE: Final = (_NAMESPACE, f'job=~"${JOB_VARIABLE}"')
_WORKERS: Final = f'deployment=~"{WORKER_DEPLOYMENTS}"'


@dataclass(frozen=True)
class Query:
    """One query of a panel and how its lines are named."""

    expr: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        title: what it shows.
        description: what to read from it.
        queries: what it asks Prometheus for.
        unit: of its values, in Grafana's words.
        kind: how it is drawn.
        limit: where a line of warning is drawn, if anywhere.
    """

    title: str
    description: str
    queries: tuple[Query, ...]
    unit: str
    kind: Kind = "timeseries"
    limit: float | None = None


@dataclass(frozen=True)
class Row:
    """Panels that answer one question."""

    title: str
    panels: tuple[Panel, ...]


def _rate(source: Source, *matchers: str, by: tuple[str, ...] = (), part: str = "") -> str:
    return rate(source, WINDOW, *matchers, *_HERE, by=by, part=part)


def _rates(source: Source, label: str) -> tuple[Query, ...]:
    return (Query(_rate(source, by=(label,)), f"{{{{{label}}}}}"),)


def _now(operator: str, source: Source, *matchers: str, by: tuple[str, ...] = ()) -> str:
    return f"{aggregate(operator, source, by)} ({select(source, *matchers, *_HERE)})"


def _quantiles(source: Source, *quantiles: float) -> tuple[Query, ...]:
    return tuple(Query(quantile(q, source, WINDOW, *_HERE, by=()), f"p{q * 100:g}") for q in quantiles)


def _of_workers(replicas: Source) -> str:
    return f"{aggregate('sum', replicas, ())} ({select(replicas, _WORKERS, _NAMESPACE)})"


def _by_set(recording: recordings.Recording) -> tuple[Query, ...]:
    return (Query(select(recording.series, *_HERE), "{{model_set}}"),)


def _stage_panel(q: float) -> Panel:
    return Panel(
        f"Stage, p{q * 100:g}",
        "Time of each stage for one photo; a batch's time is shared by its photos.",
        (Query(quantile(q, metrics.STAGE, WINDOW, *_HERE, by=("stage",)), "{{stage}}"),),
        "s",
    )


_OURS: Final = f'alertname=~"{PREFIX}.*"'
_GAVE_UP: Final = 'condition="true"'
_OUR_JOB: Final = f'job_name=~"{OURS}"'
_OUR_SCALER: Final = f'scaledObject=~"{OURS}"'
_FIRING: Final = 'alertstate="firing"'

QUEUE: Final = Row(
    "Queue",
    (
        Panel(
            "Messages",
            "As SQS counts them, about; hidden ones are in work at any worker.",
            (Query(_now("max", metrics.QUEUE_MESSAGES, by=("state",)), "{{state}}"),),
            "short",
        ),
        Panel(
            "Age when received",
            "What an uploader waits before a worker takes the photo.",
            _quantiles(metrics.QUEUE_AGE, 0.5, 0.95, 0.99),
            "s",
        ),
        Panel(
            "In flight",
            "Received and not yet settled, and workers that take messages.",
            (
                Query(_now("sum", metrics.IN_FLIGHT), "messages"),
                Query(_now("sum", metrics.READY), "workers ready"),
            ),
            "short",
        ),
        Panel(
            "Dead letters",
            "Messages that failed as often as the queue allows.",
            (Query(_now("max", metrics.DEAD_LETTERS, by=("queue",)), "{{queue}}"),),
            "short",
            "stat",
            limit=1,
        ),
    ),
)
THROUGHPUT: Final = Row(
    "Throughput and outcome",
    (
        Panel("Photos", "Stored results, by status.", _rates(metrics.PHOTOS, "status"), "ops"),
        Panel("Messages", "By how they left the worker.", _rates(metrics.MESSAGES, "outcome"), "ops"),
        Panel("Rejections", "By error class: what uploaders do wrong.", _rates(metrics.REJECTIONS, "error"), "ops"),
        Panel("Photos skipped", "What did not go through every stage.", _rates(metrics.SKIPPED, "reason"), "ops"),
        Panel("Regions", "Damage found, by class.", _rates(metrics.REGIONS, "label"), "ops"),
    ),
)
LATENCY: Final = Row(
    "Latency by stage",
    (
        _stage_panel(0.5),
        _stage_panel(0.95),
        _stage_panel(0.99),
        Panel("Fetch", "One photo from storage.", _quantiles(metrics.FETCH, 0.5, 0.95, 0.99), "s"),
        Panel("Store", "The conditional write of one result.", _quantiles(metrics.STORE, 0.5, 0.95, 0.99), "s"),
    ),
)
BATCHES: Final = Row(
    "Batches",
    (
        Panel(
            "Photos in a batch",
            "Full batches use the networks best; small ones mean that photos come slowly.",
            (
                *_quantiles(metrics.BATCH_PHOTOS, 0.5, 0.95),
                Query(
                    f"{_rate(metrics.BATCH_PHOTOS, part='_sum')} / {_rate(metrics.BATCH_PHOTOS, part='_count')}", "mean"
                ),
            ),
            "short",
        ),
        Panel(
            "Batches",
            "Entered the networks.",
            (Query(_rate(metrics.BATCH_PHOTOS, part="_count"), "batches"),),
            "ops",
        ),
    ),
)
NETWORKS: Final = Row(
    "Networks",
    (
        Panel(
            "Gate rate",
            "Share of photos that the gate lets pass, over six hours, and over the week before.",
            (
                Query(select(recordings.GATED_NOW.series, *_HERE), "6 hours"),
                Query(select(recordings.GATED_BEFORE.series, *_HERE), "the week before"),
            ),
            "percentunit",
        ),
        Panel(
            "Gate score",
            "Photos by score.",
            (Query(_rate(metrics.GATE_SCORE, by=("le",), part="_bucket"), "{{le}}"),),
            "percentunit",
            "heatmap",
        ),
        Panel(
            "No car found",
            "Share of photos that went on whole.",
            (
                Query(
                    f"{_rate(metrics.CARS_NOT_FOUND)} / {_rate(metrics.BRIGHTNESS, part='_count')}",
                    "no car",
                ),
            ),
            "percentunit",
        ),
    ),
)
MODEL_SETS: Final = Row(
    "Model sets and canary",
    (
        Panel(
            "Workers by model set",
            "Two rows while a canary runs, or while workers swap.",
            (Query(_now("count", metrics.MODEL_SET, by=("model_set", "stored_set", "versions")), ""),),
            "short",
            "table",
        ),
        Panel(
            "Errors",
            "Share of attempts that failed, by set, over half an hour.",
            _by_set(recordings.ERRORS),
            "percentunit",
            limit=MOST_ERRORS,
        ),
        Panel("Gate rate", "By set, over half an hour.", _by_set(recordings.GATED), "percentunit"),
        Panel("Regions a photo", "By set, over half an hour.", _by_set(recordings.REGIONS), "short"),
        Panel("Time a photo", "All stages, by set, mean over half an hour.", _by_set(recordings.SECONDS), "s"),
        Panel("Swaps", "Other promoted sets that workers met.", _rates(metrics.MODEL_SWAPS, "outcome"), "ops"),
    ),
)
DRIFT: Final = Row(
    "Drift",
    (
        Panel(
            "Population stability index",
            "Of the last photos against those that the gate was made with, mean of the workers.",
            (Query(_now("avg", metrics.DRIFT, by=("of",)), "{{of}}"),),
            "short",
            limit=LARGE_PSI,
        ),
        Panel("Brightness", "Mean luma of the photos.", _quantiles(metrics.BRIGHTNESS, 0.1, 0.5, 0.9), "percentunit"),
        Panel("Gate score", "Of the photos.", _quantiles(metrics.GATE_SCORE, 0.5, 0.9, 0.99), "percentunit"),
    ),
)
FAULTS: Final = Row(
    "Faults",
    (
        Panel("Failures", "Attempts that went back to the queue.", _rates(metrics.FAILURES, "error"), "ops"),
        Panel("Renewals", "Visibility extensions.", _rates(metrics.RENEWALS, "outcome"), "ops"),
        Panel(
            "Duplicates fenced",
            "Deliveries whose photo had a result already.",
            _rates(metrics.DUPLICATES_FENCED, "at"),
            "ops",
        ),
        Panel(
            "Alerts firing",
            "Each has a section in the README.",
            (Query(f"{aggregate('count', ALERTS, ())} ({select(ALERTS, _OURS, _FIRING)}) or vector(0)", "alerts"),),
            "short",
            "stat",
            limit=1,
        ),
        Panel(
            "Workers",
            "What the Deployment wants and what is there; from kube-state-metrics.",
            (
                Query(_of_workers(REPLICAS_WANTED), "wanted"),
                Query(_of_workers(REPLICAS_AVAILABLE), "available"),
            ),
            "short",
        ),
        Panel(
            "Jobs and scaler",
            "Failed Jobs, from kube-state-metrics; errors of KEDA.",
            (
                Query(f"sum ({select(JOB_FAILED, _GAVE_UP, _OUR_JOB, _NAMESPACE)}) or vector(0)", "Jobs failed"),
                Query(f"sum (increase({select(SCALER_ERRORS, _OUR_SCALER)}[{WINDOW}])) or vector(0)", "scaler errors"),
            ),
            "short",
            limit=1,
        ),
    ),
)
ROWS: Final = (QUEUE, THROUGHPUT, LATENCY, BATCHES, NETWORKS, MODEL_SETS, DRIFT, FAULTS)
VARIABLE_METRIC: Final = name_of(metrics.READY)
"""Every worker has it from its first second: namespaces and jobs are listed from it."""
