"""Metrics of kube-state-metrics and KEDA, and the names of the objects that they tell of."""

from typing import Final

from service.monitoring.expressions import ForeignMetric

_KUBE_STATE: Final = "kube-state-metrics"
_KEDA: Final = "KEDA"

JOB_FAILED: Final = ForeignMetric("kube_job_failed", ("job_name", "condition"), _KUBE_STATE)
"""1 once a Job gave up. kube_job_status_failed counts its failed pods, also those that a later pod made good."""
JOB_STARTED: Final = ForeignMetric("kube_job_status_start_time", ("job_name",), _KUBE_STATE)
LAST_SUCCESS: Final = ForeignMetric("kube_cronjob_status_last_successful_time", ("cronjob",), _KUBE_STATE)
REPLICAS_WANTED: Final = ForeignMetric("kube_deployment_spec_replicas", ("deployment",), _KUBE_STATE)
REPLICAS_AVAILABLE: Final = ForeignMetric("kube_deployment_status_replicas_available", ("deployment",), _KUBE_STATE)
SCALER_ERRORS: Final = ForeignMetric("keda_scaled_object_errors_total", ("scaledObject",), _KEDA)
SCALER_PAUSED: Final = ForeignMetric("keda_scaled_object_paused", ("scaledObject",), _KEDA)
ALERTS: Final = ForeignMetric("ALERTS", ("alertname", "alertstate", "severity"), "Prometheus")

OURS: Final = ".*vehicle-damage.*"
"""Every object of a release carries the chart's name; Jobs of any name lie in a namespace that does."""
WORKER_DEPLOYMENTS: Final = ".*vehicle-damage.*-worker"
SCALER_DEPLOYMENT: Final = "keda-operator"
REFRESH_CRONJOBS: Final = ".*vehicle-damage.*-refresh"
REFRESH_JOBS: Final = ".*vehicle-damage.*-refresh-.*"
