"""PromQL from the metrics themselves: no query can name a metric or a label that nobody exposes."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from prometheus_client.metrics import MetricWrapperBase

INSTALLATION: Final[tuple[str, ...]] = ("namespace", "job")
"""Labels that Prometheus adds to every series it scrapes: one installation of the service."""
_SAMPLE_SUFFIX: Final = {"counter": "_total"}


@dataclass(frozen=True)
class ForeignMetric:
    """A metric that another exporter has.

    Attributes:
        name: as it is queried.
        labels: those that are used here.
        exporter: whose it is.
    """

    name: str
    labels: tuple[str, ...]
    exporter: str


Source = MetricWrapperBase | ForeignMetric


def name_of(source: Source) -> str:
    """The name that Prometheus knows a metric by; of a histogram, without _bucket, _sum or _count."""
    if isinstance(source, ForeignMetric):
        return source.name
    family = source.describe()[0]
    return family.name + _SAMPLE_SUFFIX.get(family.type, "")


def labels_of(source: Source) -> tuple[str, ...]:
    """The labels that a metric is declared with."""
    if isinstance(source, ForeignMetric):
        return source.labels
    return tuple(source._labelnames)  # the library offers no other way to ask


def select(source: Source, *matchers: str, part: str = "") -> str:
    """A selector of a metric's series.

    Args:
        source: the metric.
        matchers: such as 'status="inspected"'; those of INSTALLATION are always allowed.
        part: _bucket, _sum or _count of a histogram.

    Raises:
        ValueError: the metric has no such label or no such part.
    """
    name, labels = name_of(source), labels_of(source)
    for matcher in matchers:
        _check_label(name, labels, re.split("[=!]", matcher)[0])
    is_histogram = isinstance(source, MetricWrapperBase) and source.describe()[0].type == "histogram"
    if is_histogram != (part in ("_bucket", "_sum", "_count")):
        raise ValueError(f"{name}: part: expected one of a histogram's exactly for a histogram, found {part!r}")
    return f"{name}{part}{{{', '.join(matchers)}}}" if matchers else f"{name}{part}"


def rate(source: Source, window: str, *matchers: str, by: Iterable[str] = INSTALLATION, part: str = "") -> str:
    """Increments a second, summed over all but the labels in by.

    Raises:
        ValueError: the metric has no such label or no such part.
    """
    return f"{aggregate('sum', source, by)} (rate({select(source, *matchers, part=part)}[{window}]))"


def increase(source: Source, window: str, *matchers: str, by: Iterable[str] = INSTALLATION) -> str:
    """Increments within a window, summed over all but the labels in by.

    Raises:
        ValueError: the metric has no such label.
    """
    return f"{aggregate('sum', source, by)} (increase({select(source, *matchers)}[{window}]))"


def quantile(q: float, source: Source, window: str, *matchers: str, by: Iterable[str] = INSTALLATION) -> str:
    """A quantile of a histogram.

    Raises:
        ValueError: the metric is no histogram or has no such label.
    """
    buckets = select(source, *matchers, part="_bucket")
    summed = aggregate("sum", source, (*by, "le"))
    return f"histogram_quantile({q:g}, {summed} (rate({buckets}[{window}])))"


def aggregate(operator: str, source: Source, by: Iterable[str]) -> str:
    """An aggregation's head: `sum by (namespace, job)`; `sum` where by is empty.

    Raises:
        ValueError: the metric has no such label.
    """
    kept = tuple(by)
    for label in kept:
        if label != "le":
            _check_label(name_of(source), labels_of(source), label)
    return f"{operator} by ({', '.join(kept)})" if kept else operator


def or_zero(part: str, whole: str) -> str:
    """A part that is 0 where nothing of it was counted yet, but something of the whole."""
    return f"({part} or 0 * ({whole}))"


def _check_label(name: str, labels: tuple[str, ...], label: str) -> None:
    if label not in (*labels, *INSTALLATION):
        raise ValueError(f"{name}: expected a label of {', '.join((*labels, *INSTALLATION))}, found {label}")
