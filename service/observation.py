"""observation: what Prometheus learns from each finding.

Must not know: messages, storage.
"""

from service import metrics
from service.drift import DriftMonitor
from service.finding import Finding
from service.pipeline import Pipeline


def observe_finding(finding: Finding, model_set: str) -> None:
    """Count one finding.

    Args:
        finding: what the stages found on one photo.
        model_set: digest of the pipeline that found it.
    """
    for stage, milliseconds in finding.timings_ms.items():
        metrics.STAGE.labels(stage, model_set).observe(milliseconds / 1000)
    metrics.GATE_SCORE.labels(model_set).observe(finding.gate_score)
    metrics.BRIGHTNESS.observe(finding.brightness)
    if finding.is_let_go:
        metrics.SKIPPED.labels("gate").inc()
    if not finding.car_found:
        metrics.CARS_NOT_FOUND.inc()


class DriftWatch:
    """Compares findings with the reference of the gate that scored them; of one thread."""

    def __init__(self, window: int) -> None:
        """Watch nothing yet.

        Args:
            window: how many of the last photos are compared.
        """
        self._window, self._watched, self._monitor = window, "", DriftMonitor({}, window)

    def observe(self, finding: Finding, pipeline: Pipeline) -> None:
        """Take in one finding; another model set begins anew."""
        if pipeline.digest != self._watched:
            self._watched, self._monitor = pipeline.digest, DriftMonitor(pipeline.reference, self._window)
            metrics.DRIFT.clear()
        for name, psi in self._monitor.observe(finding.gate_score, finding.brightness).items():
            metrics.DRIFT.labels(name).set(psi)
