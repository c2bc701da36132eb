"""Series that Prometheus keeps because alerts and panels share them, or because they look far back."""

from dataclasses import dataclass
from typing import Final

from service import metrics
from service.monitoring.expressions import INSTALLATION, ForeignMetric, aggregate, increase, or_zero, rate, select

MODEL_SET: Final = (*INSTALLATION, "model_set")
"""One model set in one installation: what a canary is compared by."""
COMPARED: Final = "30m"
"""Window of every comparison of model sets."""


@dataclass(frozen=True)
class Recording:
    """One recorded series.

    Attributes:
        name: level:metric:operation, as Prometheus' own guide names them.
        expr: what it is computed from.
        labels: of the recorded series.
    """

    name: str
    expr: str
    labels: tuple[str, ...]

    @property
    def series(self) -> ForeignMetric:
        """To be selected from like any metric."""
        return ForeignMetric(self.name, self.labels, "recorded")


def _record(operation: str, expr: str, labels: tuple[str, ...]) -> Recording:
    level = "_".join(labels)
    return Recording(f"{level}:vehicle_damage_{operation}", expr, labels)


JUDGED: Final = 'status=~"inspected|undamaged"'
INSPECTED: Final = 'status="inspected"'
_AT_GATE = 'stage="gate"'

PHOTOS: Final = _record(
    "photos:rate5m", rate(metrics.PHOTOS, "5m", by=(*INSTALLATION, "status")), (*INSTALLATION, "status")
)
DEAD_LETTERS: Final = _record(
    "dead_letters:max",
    f"{aggregate('max', metrics.DEAD_LETTERS, INSTALLATION)} ({select(metrics.DEAD_LETTERS)})",
    INSTALLATION,
)


def _passed_over(window: str, offset: str = "") -> str:
    """Share of photos that the gate let pass; sums of the recorded rate, so that quiet hours weigh little."""
    photos = aggregate("sum", PHOTOS.series, INSTALLATION)
    whole, part = (
        f"{photos} (sum_over_time({select(PHOTOS.series, matcher)}[{window}]{offset}))"
        for matcher in (JUDGED, INSPECTED)
    )
    return f"{or_zero(part, whole)}\n/ {whole}"


GATED_NOW: Final = _record("gated:ratio6h", _passed_over("6h"), INSTALLATION)
GATED_BEFORE: Final = _record("gated_before:ratio7d", _passed_over("7d", " offset 6h"), INSTALLATION)

WORKERS: Final = _record(
    "workers:count", f"{aggregate('count', metrics.MODEL_SET, MODEL_SET)} ({select(metrics.MODEL_SET)})", MODEL_SET
)
INCUMBENT: Final = _record(
    "incumbent:workers",
    f"{WORKERS.name}\n== on ({', '.join(INSTALLATION)}) group_left ()\n"
    f"{aggregate('max', WORKERS.series, INSTALLATION)} ({WORKERS.name})",
    MODEL_SET,
)
"""The set that serves on most workers; all of them where several serve on as many."""
ATTEMPTS: Final = _record(
    f"attempts:increase{COMPARED}",
    f"{aggregate('sum', metrics.PHOTOS, MODEL_SET)} (\n"
    f"increase({select(metrics.PHOTOS)}[{COMPARED}])\nor increase({select(metrics.FAILURES)}[{COMPARED}])\n)",
    MODEL_SET,
)
_PHOTOS_JUDGED = increase(metrics.PHOTOS, COMPARED, JUDGED, by=MODEL_SET)
ERRORS: Final = _record(
    f"errors:ratio{COMPARED}",
    f"{or_zero(increase(metrics.FAILURES, COMPARED, by=MODEL_SET), ATTEMPTS.name)}\n/ {ATTEMPTS.name}",
    MODEL_SET,
)
GATED: Final = _record(
    f"gated:ratio{COMPARED}",
    f"{or_zero(increase(metrics.PHOTOS, COMPARED, INSPECTED, by=MODEL_SET), _PHOTOS_JUDGED)}\n/ {_PHOTOS_JUDGED}",
    MODEL_SET,
)
REGIONS: Final = _record(
    f"regions:ratio{COMPARED}",
    f"{or_zero(increase(metrics.REGIONS, COMPARED, by=MODEL_SET), _PHOTOS_JUDGED)}\n/ {_PHOTOS_JUDGED}",
    MODEL_SET,
)
SECONDS: Final = _record(
    f"photo_seconds:mean{COMPARED}",
    f"{rate(metrics.STAGE, COMPARED, by=MODEL_SET, part='_sum')}\n"
    f"/ {rate(metrics.STAGE, COMPARED, _AT_GATE, by=MODEL_SET, part='_count')}",
    MODEL_SET,
)
"""Time of all stages for one photo; every photo meets the gate stage, whatever the gate says."""


def _incumbents(measure: Recording) -> Recording:
    """What the incumbent has of a measure; the least where several sets serve on as many workers."""
    return _record(
        f"incumbent_{measure.name.split('vehicle_damage_')[1]}",
        f"{aggregate('min', measure.series, INSTALLATION)} ({measure.name} and {INCUMBENT.name})",
        INSTALLATION,
    )


COMPARED_WITH: Final = {measure: _incumbents(measure) for measure in (ERRORS, GATED, REGIONS, SECONDS)}
"""Each measure of a model set, and the same of the incumbent."""

RECORDINGS: Final = (
    *(PHOTOS, DEAD_LETTERS, GATED_NOW, GATED_BEFORE, WORKERS, INCUMBENT, ATTEMPTS, ERRORS, GATED, REGIONS, SECONDS),
    *COMPARED_WITH.values(),
)
