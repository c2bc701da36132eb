"""What pages somebody, and what only writes a ticket; the README has a runbook section of each."""

from dataclasses import dataclass
from typing import Final, Literal

from service import metrics
from service.drift import LARGE_PSI
from service.monitoring import recordings
from service.monitoring.comparison import worse_than_incumbent
from service.monitoring.expressions import INSTALLATION, ForeignMetric, aggregate, increase, quantile, rate, select
from service.monitoring.foreign import (
    JOB_FAILED,
    JOB_STARTED,
    LAST_SUCCESS,
    OURS,
    REFRESH_CRONJOBS,
    REFRESH_JOBS,
    REPLICAS_AVAILABLE,
    REPLICAS_WANTED,
    SCALER_DEPLOYMENT,
    SCALER_ERRORS,
    SCALER_PAUSED,
    WORKER_DEPLOYMENTS,
)

PREFIX: Final = "VehicleDamage"
OLDEST_MESSAGE_S: Final = 900
MOST_ERRORS: Final = 0.05
MOST_REJECTIONS: Final = 0.2
GATE_BAND: Final = 3
"""The gate lets pass between this share and this multiple of what it let pass in the week before."""

GATE_BAND_PHOTOS: Final = 1000
_RULES_EVERY_S: Final = 30
"""Rules are evaluated so often, or less often: the photos of recorded rates are then so many, or more."""

LEAST_FAILURES: Final = 10

_WORKERS: Final = f'deployment=~"{WORKER_DEPLOYMENTS}"'
_OUR_SCALER: Final = f'scaledObject=~"{OURS}"'
_SCALER: Final = f'deployment="{SCALER_DEPLOYMENT}"'
_OUR_JOB: Final = f'job_name=~"{OURS}"'
_OUR_NAMESPACE: Final = f'namespace=~"{OURS}"'
_REFRESH: Final = f'job_name=~"{REFRESH_JOBS}"'
_REFRESH_CRONJOB: Final = f'cronjob=~"{REFRESH_CRONJOBS}"'
_ONE_JOB: Final = ("namespace", "job_name")
_NO_REFRESH: Final = f'job_name!~"{REFRESH_JOBS}"'
Severity = Literal["critical", "warning"]


@dataclass(frozen=True)
class Alert:
    """One alert.

    Attributes:
        name: without PREFIX.
        severity: critical pages, warning writes a ticket.
        wait: how long the condition holds before it fires; "0m" at once.
        expr: what is true while something is wrong.
        summary: one line, with labels and value.
        description: what that means.
    """

    name: str
    severity: Severity
    wait: str
    expr: str
    summary: str
    description: str

    @property
    def full_name(self) -> str:
        """As Prometheus and the runbook have it."""
        return PREFIX + self.name

    @property
    def runbook_anchor(self) -> str:
        """Of the runbook's heading, as GitHub makes it."""
        return f"runbook-{self.full_name.lower()}"


def _of_workers(replicas: ForeignMetric) -> str:
    return f"{aggregate('max', replicas, ['namespace', 'deployment'])} ({select(replicas, _WORKERS)})"


def _stopped_scalers() -> str:
    """Without workers nobody else tells how long the queue is, so that a scaler that does nothing has to be told of."""
    paused = f"{aggregate('max', SCALER_PAUSED, ['scaledObject'])} ({select(SCALER_PAUSED, _OUR_SCALER)})"
    operator = f"{aggregate('max', REPLICAS_AVAILABLE, ['deployment'])} ({select(REPLICAS_AVAILABLE, _SCALER)})"
    return f'{paused} == 1\nor label_replace(\n{operator} == 0,\n"scaledObject", "$1", "deployment", "(.*)")'


def _failed_jobs() -> str:
    ours, in_our_namespace = (select(JOB_FAILED, _GAVE_UP, own, _NO_REFRESH) for own in (_OUR_JOB, _OUR_NAMESPACE))
    return f"{aggregate('max', JOB_FAILED, _ONE_JOB)} ({ours} or {in_our_namespace}) == 1"


def _failed_refreshes() -> str:
    """Failed runs after which none went well; Kubernetes keeps a failed Job until another fails."""
    failed = f"{aggregate('max', JOB_FAILED, _ONE_JOB)} ({select(JOB_FAILED, _GAVE_UP, _REFRESH)}) == 1"
    started = f"{aggregate('max', JOB_STARTED, _ONE_JOB)} ({select(JOB_STARTED, _REFRESH)})"
    success = f"{aggregate('max', LAST_SUCCESS, ['namespace'])} ({select(LAST_SUCCESS, _REFRESH_CRONJOB)})"
    return f"{failed}\nunless on (namespace, job_name)\n{started} < on (namespace) group_left () {success}"


def _off_its_band() -> str:
    """The gate's rate of six hours far from that of the week before; only where enough photos say so."""
    change = f"{recordings.GATED_NOW.name}\n/ {recordings.GATED_BEFORE.name}"
    enough = f"{increase(metrics.PHOTOS, '6h', recordings.JUDGED)} > {GATE_BAND_PHOTOS}"
    rates = select(recordings.PHOTOS.series, recordings.JUDGED)
    before = (
        f"{_RULES_EVERY_S} * {aggregate('sum', recordings.PHOTOS.series, INSTALLATION)} "
        f"(sum_over_time({rates}[7d] offset 6h)) > {GATE_BAND_PHOTOS}"
    )
    return f"(\n{change} > {GATE_BAND}\nor\n{change} < 1 / {GATE_BAND}\n)\nand {enough}\nand {before}"


_DELETED: Final = 'outcome="deleted"'
_REFUSED: Final = 'outcome="refused"'
_REJECTED: Final = 'status="rejected"'
_VISIBLE: Final = 'state="visible"'
_GAVE_UP: Final = 'condition="true"'
_ALL_ATTEMPTS: Final = (
    f"{aggregate('sum', metrics.PHOTOS, INSTALLATION)} "
    f"(\nrate({select(metrics.PHOTOS)}[10m])\nor rate({select(metrics.FAILURES)}[10m])\n)"
)
_DEAD: Final = recordings.DEAD_LETTERS.name
_WHERE: Final = "{{ $labels.namespace }}/{{ $labels.job }}"

ALERTS: Final = (
    Alert(
        "OldestMessageTooOld",
        "critical",
        "10m",
        f"{quantile(0.99, metrics.QUEUE_AGE, '5m')} > {OLDEST_MESSAGE_S}",
        f"{_WHERE}: photos wait {{{{ $value | humanizeDuration }}}} before a worker takes them",
        "One message in a hundred is older than 15 minutes when it is received: the workers do not keep up.",
    ),
    Alert(
        "NoResults",
        "critical",
        "10m",
        f"{aggregate('max', metrics.QUEUE_MESSAGES, INSTALLATION)} ({select(metrics.QUEUE_MESSAGES, _VISIBLE)}) > 0\n"
        f"unless {rate(metrics.MESSAGES, '10m', _DELETED)} > 0",
        f"{_WHERE}: {{{{ $value | humanize }}}} messages wait and none is settled",
        "Workers run and the queue holds messages, but for ten minutes none of them left it with a stored result.",
    ),
    Alert(
        "WorkersUnavailable",
        "critical",
        "15m",
        f"{_of_workers(REPLICAS_WANTED)} > 0\nunless {_of_workers(REPLICAS_AVAILABLE)} > 0",
        "{{ $labels.namespace }}/{{ $labels.deployment }}: not one of {{ $value }} workers is available",
        "The Deployment wants workers and has none that is ready; a pod that never starts has no metrics of its own.",
    ),
    Alert(
        "ScalerFailing",
        "critical",
        "15m",
        f"{increase(SCALER_ERRORS, '10m', _OUR_SCALER, by=['scaledObject'])} > 0",
        "{{ $labels.scaledObject }}: KEDA cannot scale it",
        "KEDA fails to read the queue or to set replicas: from zero workers, none would come.",
    ),
    Alert(
        "ScalerStopped",
        "critical",
        "30m",
        _stopped_scalers(),
        "{{ $labels.scaledObject }}: paused or not running, nothing scales the workers",
        "A ScaledObject is paused, or KEDA's operator is not there: from zero workers, none would come.",
    ),
    Alert(
        "DeadLettersArriving",
        "critical",
        "2m",
        f"{_DEAD}\n- quantile_over_time(0.2, {_DEAD}[30m]) > 0",
        f"{_WHERE}: {{{{ $value | humanize }}}} more dead letters than in the last half hour",
        "Messages failed as often as the queue allows; their photos have no result.",
    ),
    Alert(
        "ErrorRatioHigh",
        "critical",
        "10m",
        f"{rate(metrics.FAILURES, '10m')}\n/ {_ALL_ATTEMPTS} > {MOST_ERRORS}\n"
        f"and {increase(metrics.FAILURES, '10m')} > {LEAST_FAILURES}",
        f"{_WHERE}: {{{{ $value | humanizePercentage }}}} of attempts fail",
        "Storage, ledger or networks fail, or there is a bug; the messages went back to the queue.",
    ),
    Alert(
        "RejectionRatioHigh",
        "warning",
        "15m",
        f"{rate(metrics.PHOTOS, '30m', _REJECTED)}\n/ {rate(metrics.PHOTOS, '30m')} > {MOST_REJECTIONS}\n"
        f"and {increase(metrics.PHOTOS, '30m', _REJECTED)} > {LEAST_FAILURES}",
        f"{_WHERE}: {{{{ $value | humanizePercentage }}}} of photos are rejected",
        "Whoever uploads sends what is no photo, is over a limit, or is not where the message says.",
    ),
    Alert(
        "GateRateOutsideBand",
        "warning",
        "30m",
        _off_its_band(),
        f'{_WHERE}: the gate lets {{{{ $value | printf "%.1f" }}}} times as many photos pass as in the week before',
        f"Over six hours, more than {GATE_BAND} times or less than 1/{GATE_BAND} of it.",
    ),
    Alert(
        "CanaryWorse",
        "critical",
        "10m",
        worse_than_incumbent(),
        f"{_WHERE}: model set {{{{ $labels.model_set }}}} is worse than the incumbent in {{{{ $labels.measure }}}}",
        "Two model sets serve at a time, and the one on fewer workers differs by more than chance.",
    ),
    Alert(
        "ModelSwapsRefused",
        "warning",
        "0m",
        f"{increase(metrics.MODEL_SWAPS, '30m', _REFUSED)} > 0",
        f"{_WHERE}: workers refuse the promoted model set",
        "It is damaged, incomplete or no network; they go on with the set that they have.",
    ),
    Alert(
        "Drift",
        "warning",
        "1h",
        f"{aggregate('avg', metrics.DRIFT, (*INSTALLATION, 'of'))} ({select(metrics.DRIFT)}) > {LARGE_PSI}",
        f'{_WHERE}: {{{{ $labels.of }}}} has drifted, PSI {{{{ $value | printf "%.2f" }}}}',
        "The photos are unlike those that the gate was made with: what it measured then may not hold now.",
    ),
    Alert(
        "JobFailed",
        "warning",
        "0m",
        _failed_jobs(),
        "{{ $labels.namespace }}/{{ $labels.job_name }}: the Job failed",
        "A training, export or migration gave up after its last retry.",
    ),
    Alert(
        "RefreshFailed",
        "warning",
        "0m",
        _failed_refreshes(),
        "{{ $labels.namespace }}/{{ $labels.job_name }}: the refresh failed",
        "The promoted model set did not reach the workers, or the rollout was rolled back.",
    ),
)
