"""From settings to parts: the one place that builds the pipeline and the worker."""

from typing import Any

from models.predictors import RuntimeOptions
from service.errors import SetupError
from service.ledger import Ledger
from service.model_bucket import open_models
from service.model_source import ModelSource, PipelineSource
from service.photo import PhotoLimits, PhotoStorage
from service.pipeline import Pipeline, PipelineOptions
from service.result import ResultStore
from service.settings import Settings
from service.sqs import Queue
from service.worker import Worker, WorkerOptions


def load_models(settings: Settings) -> ModelSource:
    """Load, verify and compile the models that serve.

    Raises:
        SetupError: no such store or set, a file that its card does not vouch for, or no network.
    """
    options = PipelineOptions(
        crop_margin_ratio=settings.crop_margin_ratio,
        gate_score_threshold=settings.gate_score_threshold,
        min_region_area_px2=settings.min_region_area_px2,
        policies=(settings.scratch_policy, settings.dent_policy, settings.spacing_policy),
        finder=settings.finder,
    )
    try:
        runtime = RuntimeOptions(
            runtime=settings.runtime,
            precision=settings.precision,
            threads=settings.runtime_threads,
            device=settings.device,
        )
    except ValueError as error:
        raise SetupError(f"models: {error}") from error
    store = open_models(settings.model_store)
    return ModelSource(store, lambda models: Pipeline(models, options, runtime), pinned=settings.model_set)


def build_limits(settings: Settings) -> PhotoLimits:
    """Bounds on every photo."""
    return PhotoLimits(
        max_bytes=settings.max_photo_bytes,
        max_px2=settings.max_photo_px2,
        min_side_px=settings.min_photo_side_px,
    )


def build_worker(settings: Settings, models: PipelineSource, ledger: Ledger, *, sqs: Any, s3: Any) -> Worker:
    """Join the parts of a worker.

    Args:
        settings: where to work and how.
        models: has the pipeline that serves.
        ledger: open.
        sqs: boto3 SQS client.
        s3: boto3 S3 client.
    """
    limits = build_limits(settings)
    return Worker(
        Queue(sqs, settings.queue_url),
        PhotoStorage(s3, buckets=settings.photo_buckets, max_bytes=limits.max_bytes),
        limits,
        models,
        ResultStore(s3, bucket=settings.results_bucket, prefix=settings.results_prefix),
        ledger,
        WorkerOptions(
            batch_photos=settings.batch_photos,
            batch_age_s=settings.batch_age_ms / 1000,
            fetch_threads=settings.fetch_threads,
            store_threads=settings.store_threads,
            max_in_flight_messages=settings.max_in_flight_messages,
            receive_wait_s=settings.receive_wait_s,
            visibility_timeout_s=settings.visibility_timeout_s,
            renewal_interval_s=settings.renewal_interval_s,
            retry_pause_s=settings.retry_pause_s,
            retry_pause_max_s=settings.retry_pause_max_s,
            shutdown_grace_s=settings.shutdown_grace_s,
            drift_window_photos=settings.drift_window_photos,
        ),
    )
