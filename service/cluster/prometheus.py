"""prometheus: what the workers of two model sets did, asked of Prometheus.

In:   store digests and a window. Out: Measures of each.
Must not know: rollouts, Kubernetes.
"""

import json
import math
from collections import defaultdict
from typing import Any, Final

import urllib3

from service import metrics
from service.cluster.judgement import Measures
from service.errors import SetupError, TransientError

_TIMEOUT: Final = urllib3.Timeout(connect=5, read=30)
_TRIES: Final = 2
_LOOK_BACK: Final = "5m"  # how far Prometheus itself looks for a series' last sample

PHOTOS: Final = f"{metrics.PHOTOS.describe()[0].name}_total"
FAILURES: Final = f"{metrics.FAILURES.describe()[0].name}_total"
REGIONS: Final = f"{metrics.REGIONS.describe()[0].name}_total"
STAGE: Final = metrics.STAGE.describe()[0].name
INFO: Final = metrics.MODEL_SET.describe()[0].name


class PrometheusUnavailable(TransientError):  # noqa: N818 - as its siblings in service.errors
    """Prometheus does not answer; asking again later may help."""


class Prometheus:
    """One Prometheus server, or what speaks its HTTP API."""

    def __init__(self, url: str, *, match: str = "") -> None:
        """Name the server; nothing is called yet.

        Args:
            url: where /api/v1/query is.
            match: label matchers of the workers' series, such as namespace="production".

        Raises:
            SetupError: no URL.
        """
        if not url.startswith(("http://", "https://")):
            raise SetupError(f"prometheus: expected http://… or https://…, found {url!r}")
        self._url, self._match = url.rstrip("/"), match
        self._pool = urllib3.PoolManager(timeout=_TIMEOUT, retries=urllib3.Retry(_TRIES, backoff_factor=0.2))

    def measure(self, stored_sets: tuple[str, str], *, window_s: int) -> tuple[Measures, Measures] | None:
        """Measure the pods of two model sets over the same time.

        Args:
            stored_sets: digests in the store; a set that served with several settings is taken together.
            window_s: the last so many seconds.

        Returns:
            Measures of each, or None: one of them is not known to Prometheus yet.

        Raises:
            PrometheusUnavailable: it does not answer.
            SetupError: it refuses the question.
        """
        window, serving = f"{window_s}s", defaultdict[str, list[str]](list)
        for labels, _ in self.query(
            f"group by (model_set, stored_set) (last_over_time({self._series(INFO)}[{window}]))"
        ):
            serving[labels["stored_set"]].append(labels["model_set"])
        if not all(serving.get(digest) for digest in stored_sets):
            return None
        photos = self._tally(f"sum by (model_set, status) ({self._count(PHOTOS, window)})", "status")
        regions = self._tally(f"sum by (model_set) ({self._count(REGIONS, window)})")
        failures = self._tally(f"sum by (model_set) ({self._count(FAILURES, window)})")
        stages = self.query(
            f"sum by (model_set, stage) (rate({self._series(f'{STAGE}_sum')}[{window}]))"
            f" / sum by (model_set, stage) (rate({self._series(f'{STAGE}_count')}[{window}]))"
        )

        def gather(digest: str) -> Measures:
            names = serving[digest]
            counts = {
                status: sum(photos.get((name, status), 0.0) for name in names)
                for status in ("inspected", "undamaged", "rejected")
            }
            by_name = {name: sum(v for labels, v in stages if labels["model_set"] == name) for name in names}
            known = [mean_s for mean_s in by_name.values() if mean_s > 0]
            return Measures(
                photos=sum(counts.values()),
                judged=counts["inspected"] + counts["undamaged"],
                let_through=counts["inspected"],
                regions=sum(regions.get((name, ""), 0.0) for name in names),
                failures=sum(failures.get((name, ""), 0.0) for name in names),
                mean_s=max(known) if known else math.nan,
            )

        return gather(stored_sets[0]), gather(stored_sets[1])

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Ask for an instant vector.

        Args:
            expression: PromQL.

        Returns:
            Labels and value of each series; series that are not a number are left out.

        Raises:
            PrometheusUnavailable: it does not answer.
            SetupError: it refuses the expression.
        """
        try:
            answer = self._pool.request(
                "POST", f"{self._url}/api/v1/query", fields={"query": expression}, encode_multipart=False
            )
            found: dict[str, Any] = json.loads(answer.data)
        except urllib3.exceptions.HTTPError as error:
            raise PrometheusUnavailable(f"prometheus {self._url}: {_first_line(error)}") from error
        except ValueError as error:
            raise PrometheusUnavailable(f"prometheus {self._url}: {answer.status}, and no JSON") from error
        if found.get("status") != "success":
            told = f"prometheus {self._url}: {answer.status}: {found.get('error', 'no reason given')}"
            raise SetupError(told) if 400 <= answer.status < 500 else PrometheusUnavailable(told)
        series = [(each["metric"], float(each["value"][1])) for each in found["data"]["result"]]
        return [(labels, value) for labels, value in series if math.isfinite(value)]

    def _series(self, name: str) -> str:
        return f"{name}{{{self._match}}}"

    def _count(self, name: str, window: str) -> str:
        """How much a counter grew. increase() does not know what a series began with, which is a new pod's whole
        first sample: it is added for series that were not there when the window began."""
        series = self._series(name)
        new = f"min_over_time({series}[{window}]) unless last_over_time({series}[{_LOOK_BACK}] offset {window})"
        return f"increase({series}[{window}]) + ({new}) or increase({series}[{window}]) or ({new})"

    def _tally(self, expression: str, label: str = "") -> dict[tuple[str, str], float]:
        return {(labels["model_set"], labels.get(label, "")): value for labels, value in self.query(expression)}


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
