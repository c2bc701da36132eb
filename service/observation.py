"""observation: what Prometheus learns from each finding.

Must not know: messages, storage.
"""

from service import metrics
from service.finding import Finding


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
