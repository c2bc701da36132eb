"""For every alert, samples under which it fires and under which it stays quiet: the input of promtool test rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from service import metrics
from service.monitoring.expressions import Source, labels_of, name_of
from service.monitoring.foreign import (
    JOB_FAILED,
    JOB_STARTED,
    LAST_SUCCESS,
    REPLICAS_AVAILABLE,
    REPLICAS_WANTED,
    SCALER_ERRORS,
    SCALER_PAUSED,
)

HERE: Final = {"namespace": "fleet", "job": "vehicle-damage"}
"""The installation that all samples are of."""


@dataclass(frozen=True)
class Case:
    """One alert at one moment; samples are a minute apart.

    Attributes:
        alert: its name, without prefix.
        says: what the samples show.
        samples: series to values, in promtool's notation.
        at: when the alert is looked at, since the first sample.
        labels: of each alert that fires; none: it stays quiet.
        values: what each says of its value, as the summary shows it.
    """

    alert: str
    says: str
    samples: Mapping[str, str]
    at: str
    labels: tuple[Mapping[str, str], ...] = ()
    values: tuple[str, ...] = field(default=())


def _series(source: Source, part: str = "", pod: str = "a", **labels: str) -> str:
    """A series as one pod exposes it.

    Raises:
        ValueError: the metric has other labels.
    """
    expected = {*labels_of(source), *(("le",) if part == "_bucket" else ())}
    if set(labels) != expected:
        raise ValueError(f"{name_of(source)}: expected labels {sorted(expected)}, found {sorted(labels)}")
    shown = ", ".join(f'{name}="{value}"' for name, value in {**HERE, "pod": pod, **labels}.items())
    return f"{name_of(source)}{part}{{{shown}}}"


def _photos(status: str, model_set: str = "old", pod: str = "a") -> str:
    return _series(metrics.PHOTOS, pod=pod, status=status, model_set=model_set)


def _failures(model_set: str = "old", pod: str = "a") -> str:
    return _series(metrics.FAILURES, pod=pod, error="StorageUnavailable", model_set=model_set)


def _ages(young: str, old: str) -> dict[str, str]:
    """Messages younger than 5 minutes, and of up to an hour."""
    both = {"300": young, "900": young, "3600": old, "14400": old, "86400": old, "+Inf": old}
    return {_series(metrics.QUEUE_AGE, "_bucket", le=le): values for le, values in both.items()}


def _serving(model_set: str, *pods: str) -> dict[str, str]:
    """Pods that serve a model set."""
    return {
        _series(metrics.MODEL_SET, pod=pod, model_set=model_set, stored_set=f"{model_set}-stored", versions=""): "1x60"
        for pod in pods
    }


def _photo_seconds(model_set: str, total: str, photos: str, pod: str) -> dict[str, str]:
    return {
        _series(metrics.STAGE, "_sum", pod=pod, stage="gate", model_set=model_set): total,
        _series(metrics.STAGE, "_count", pod=pod, stage="gate", model_set=model_set): photos,
    }


def _canary(**measure: str) -> tuple[dict[str, str], ...]:
    return ({**HERE, "model_set": "new", **measure},)


_OLD_SERVES: Final = {
    **_serving("old", "a", "b", "c"),
    _photos("undamaged"): "0+98x60",
    _photos("inspected"): "0+2x60",
    _series(metrics.REGIONS, label="dent", model_set="old"): "0+3x60",
    **_photo_seconds("old", "0+20x60", "0+100x60", "a"),
}
_NEW_AS_GOOD: Final = {
    **_serving("new", "d"),
    _photos("undamaged", "new", "d"): "0+49x60",
    _photos("inspected", "new", "d"): "0+1x60",
    _series(metrics.REGIONS, pod="d", label="dent", model_set="new"): "0+2x60",
    **_photo_seconds("new", "0+11x60", "0+50x60", "d"),
}
_WORKER: Final = {"namespace": HERE["namespace"], "deployment": "vehicle-damage-worker"}


def _deployment(wanted: str, available: str) -> dict[str, str]:
    return {
        _series(REPLICAS_WANTED, deployment="vehicle-damage-worker"): wanted,
        _series(REPLICAS_AVAILABLE, deployment="vehicle-damage-worker"): available,
    }


def _job(name: str, failed: str) -> dict[str, str]:
    return {
        _series(JOB_FAILED, job_name=name, condition="true"): failed,
        _series(JOB_FAILED, job_name=name, condition="false"): "0x60",
    }


_TRAINING: Final = "vehicle-damage-train-gan-7f2"
_REFRESH: Final = "fleet-vehicle-damage-refresh-29384400"

CASES: Final = (
    Case(
        "OldestMessageTooOld", "one in ten waits for an hour", _ages("0+9x60", "0+10x60"), "30m", (HERE,), ("55m 29s",)
    ),
    Case("OldestMessageTooOld", "nobody waits for five minutes", _ages("0+10x60", "0+10x60"), "30m"),
    Case("OldestMessageTooOld", "a burst of five minutes", _ages("0+10x60", "0+10x20 205+15x4 280+10x30"), "35m"),
    Case(
        "NoResults",
        "40 messages wait and none is deleted",
        {
            _series(metrics.QUEUE_MESSAGES, state="visible"): "40x60",
            _series(metrics.MESSAGES, outcome="deleted"): "7x60",
            _series(metrics.MESSAGES, outcome="released"): "0+1x60",
        },
        "30m",
        (HERE,),
        ("40",),
    ),
    Case(
        "NoResults",
        "a long queue that is worked off",
        {
            _series(metrics.QUEUE_MESSAGES, state="visible"): "40000x60",
            _series(metrics.MESSAGES, outcome="deleted"): "0+1x60",
        },
        "30m",
    ),
    Case(
        "NoResults",
        "an empty queue, a message in work and one that pauses",
        {
            _series(metrics.QUEUE_MESSAGES, state="visible"): "0x60",
            _series(metrics.QUEUE_MESSAGES, state="hidden"): "1x60",
            _series(metrics.QUEUE_MESSAGES, state="delayed"): "1x60",
        },
        "30m",
    ),
    Case("WorkersUnavailable", "four wanted, none there", _deployment("4x60", "0x60"), "30m", (_WORKER,), ("4",)),
    Case("WorkersUnavailable", "scaled to zero", _deployment("0x60", "0x60"), "30m"),
    Case("WorkersUnavailable", "one of four is there", _deployment("4x60", "1x60"), "30m"),
    Case(
        "ScalerFailing",
        "an error every minute",
        {_series(SCALER_ERRORS, scaledObject="vehicle-damage-worker"): "0+1x60"},
        "40m",
        ({"scaledObject": "vehicle-damage-worker"},),
    ),
    Case(
        "ScalerFailing",
        "another's errors, and old ones of ours",
        {
            _series(SCALER_ERRORS, scaledObject="checkout"): "0+1x60",
            _series(SCALER_ERRORS, scaledObject="vehicle-damage-worker"): "3x60",
        },
        "40m",
    ),
    Case(
        "ScalerStopped",
        "paused",
        {_series(SCALER_PAUSED, scaledObject="vehicle-damage-worker"): "1x60"},
        "40m",
        ({"scaledObject": "vehicle-damage-worker"},),
    ),
    Case(
        "ScalerStopped",
        "no operator",
        {_series(REPLICAS_AVAILABLE, deployment="keda-operator"): "0x60"},
        "40m",
        ({"scaledObject": "keda-operator", "deployment": "keda-operator"},),
    ),
    Case(
        "ScalerStopped",
        "another's paused, ours and the operator at work",
        {
            _series(SCALER_PAUSED, scaledObject="checkout"): "1x60",
            _series(SCALER_PAUSED, scaledObject="vehicle-damage-worker"): "0x60",
            _series(REPLICAS_AVAILABLE, deployment="keda-operator"): "1x60",
        },
        "40m",
    ),
    Case(
        "DeadLettersArriving",
        "two more",
        {_series(metrics.DEAD_LETTERS, queue="photos-dead"): "5x30 7x20"},
        "40m",
        (HERE,),
        ("2",),
    ),
    Case(
        "DeadLettersArriving",
        "old ones that nobody looks at",
        {_series(metrics.DEAD_LETTERS, queue="photos-dead"): "5x60"},
        "40m",
    ),
    Case("DeadLettersArriving", "sent back", {_series(metrics.DEAD_LETTERS, queue="photos-dead"): "5x30 0x20"}, "40m"),
    Case(
        "DeadLettersArriving",
        "SQS miscounts once",
        {_series(metrics.DEAD_LETTERS, queue="photos-dead"): "5x33 3x3 5x20"},
        "40m",
    ),
    Case(
        "ErrorRatioHigh",
        "one attempt in ten fails",
        {_photos("undamaged"): "0+18x60", _failures(): "0+2x60"},
        "30m",
        (HERE,),
        ("10%",),
    ),
    Case("ErrorRatioHigh", "one in a hundred", {_photos("undamaged"): "0+99x60", _failures(): "0+1x60"}, "30m"),
    Case("ErrorRatioHigh", "the only attempt", {_photos("undamaged"): "0x60", _failures(): "0x20 1x40"}, "30m"),
    Case(
        "RejectionRatioHigh",
        "half of the photos",
        {_photos("undamaged"): "0+5x80", _photos("rejected"): "0+5x80"},
        "60m",
        (HERE,),
        ("50%",),
    ),
    Case(
        "RejectionRatioHigh",
        "one in a hundred",
        {_photos("undamaged"): "0+99x80", _photos("rejected"): "0+1x80"},
        "60m",
    ),
    Case(
        "GateRateOutsideBand",
        "2 % before, 10 % now",
        {_photos("undamaged"): "0+98x200 19600+90x400", _photos("inspected"): "0+2x200 400+10x400"},
        "595m",
        (HERE,),
        ("3.2",),
    ),
    Case(
        "GateRateOutsideBand",
        "2 % before, nothing now",
        {_photos("undamaged"): "0+98x200 19600+100x400", _photos("inspected"): "0+2x200 400x400"},
        "595m",
        (HERE,),
        ("0.0",),
    ),
    Case(
        "GateRateOutsideBand",
        "2 % before, 4 % now",
        {_photos("undamaged"): "0+98x200 19600+96x400", _photos("inspected"): "0+2x200 400+4x400"},
        "595m",
    ),
    Case(
        "GateRateOutsideBand",
        "2 % before, 10 % now, of few photos",
        {_photos("undamaged"): "0+98x200 19600+0.9x400", _photos("inspected"): "0+2x200 400+0.1x400"},
        "595m",
    ),
    Case(
        "GateRateOutsideBand",
        "nothing of few photos before, 10 % now",
        {_photos("undamaged"): "0+1x200 200+90x400", _photos("inspected"): "0x200 0+10x400"},
        "595m",
    ),
    Case("CanaryWorse", "the other set is as good", {**_OLD_SERVES, **_NEW_AS_GOOD}, "50m"),
    Case(
        "CanaryWorse",
        "one attempt in six of the new set fails",
        {**_OLD_SERVES, **_NEW_AS_GOOD, _failures("new", "d"): "0+10x60"},
        "50m",
        _canary(measure="errors"),
    ),
    Case(
        "CanaryWorse",
        "the new set lets 10 % pass instead of 2 %",
        {
            **_OLD_SERVES,
            **_NEW_AS_GOOD,
            _photos("undamaged", "new", "d"): "0+45x60",
            _photos("inspected", "new", "d"): "0+5x60",
        },
        "50m",
        _canary(measure="gate_rate"),
    ),
    Case(
        "CanaryWorse",
        "the new set finds nothing",
        {
            **_OLD_SERVES,
            **_NEW_AS_GOOD,
            _photos("undamaged", "new", "d"): "0+50x60",
            _photos("inspected", "new", "d"): "0x60",
            _series(metrics.REGIONS, pod="d", label="dent", model_set="new"): "0x60",
        },
        "50m",
        _canary(measure="gate_rate") + _canary(measure="region_rate"),
    ),
    Case(
        "CanaryWorse",
        "the new set takes twice as long",
        {**_OLD_SERVES, **_NEW_AS_GOOD, **_photo_seconds("new", "0+20x60", "0+50x60", "d")},
        "50m",
        _canary(measure="seconds"),
    ),
    Case(
        "CanaryWorse",
        "too few photos to tell",
        {
            **_OLD_SERVES,
            **_serving("new", "d"),
            _photos("undamaged", "new", "d"): "0+0.9x60",
            _photos("inspected", "new", "d"): "0+0.1x60",
        },
        "50m",
    ),
    Case(
        "CanaryWorse",
        "the worse set no longer serves",
        {
            **_OLD_SERVES,
            **{name: values for name, values in _NEW_AS_GOOD.items() if name not in _serving("new", "d")},
            _failures("new", "d"): "0+10x60",
        },
        "50m",
    ),
    Case(
        "ModelSwapsRefused",
        "refused once",
        {_series(metrics.MODEL_SWAPS, outcome="refused"): "0x20 1x40"},
        "30m",
        (HERE,),
    ),
    Case(
        "ModelSwapsRefused",
        "swapped, none refused",
        {
            _series(metrics.MODEL_SWAPS, outcome="refused"): "0x60",
            _series(metrics.MODEL_SWAPS, outcome="swapped"): "0+1x60",
        },
        "30m",
    ),
    Case(
        "Drift",
        "brightness far off, the gate's score not",
        {
            _series(metrics.DRIFT, of="brightness"): "0.4x120",
            _series(metrics.DRIFT, of="gate_score"): "0.1x120",
        },
        "90m",
        ({**HERE, "of": "brightness"},),
        ("0.40",),
    ),
    Case(
        "Drift",
        "one pod of four",
        {
            _series(metrics.DRIFT, pod=p, of="gate_score"): v
            for p, v in (("a", "0.4x120"), ("b", "0.1x120"), ("c", "0.1x120"), ("d", "0.1x120"))
        },
        "90m",
    ),
    Case("Drift", "for half an hour", {_series(metrics.DRIFT, of="brightness"): "0.1x60 0.4x29 0.1x60"}, "90m"),
    Case(
        "JobFailed",
        "a training gave up",
        _job(_TRAINING, "0x10 1x50"),
        "20m",
        ({"namespace": HERE["namespace"], "job_name": _TRAINING},),
    ),
    Case("JobFailed", "it goes on", _job(_TRAINING, "0x60"), "20m"),
    Case("JobFailed", "a refresh, which has an alert of its own", _job(_REFRESH, "1x60"), "20m"),
    Case(
        "RefreshFailed",
        "a refresh gave up",
        _job(_REFRESH, "0x10 1x50"),
        "20m",
        ({"namespace": HERE["namespace"], "job_name": _REFRESH},),
    ),
    Case(
        "RefreshFailed",
        "one gave up, and the next went well",
        {
            **_job(_REFRESH, "0x10 1x50"),
            _series(JOB_STARTED, job_name=_REFRESH): "300x60",
            _series(LAST_SUCCESS, cronjob="fleet-vehicle-damage-refresh"): "0x15 900x45",
        },
        "20m",
    ),
    Case(
        "RefreshFailed",
        "one went well, and the next gave up",
        {
            **_job(_REFRESH, "0x10 1x50"),
            _series(JOB_STARTED, job_name=_REFRESH): "300x60",
            _series(LAST_SUCCESS, cronjob="fleet-vehicle-damage-refresh"): "200x60",
        },
        "20m",
        ({"namespace": HERE["namespace"], "job_name": _REFRESH},),
    ),
    Case(
        "JobFailed",
        "of any name, in our namespace",
        {_series(JOB_FAILED, job_name="gan-1", condition="true").replace('"fleet"', '"vehicle-damage-jobs"'): "1x60"},
        "20m",
        ({"namespace": "vehicle-damage-jobs", "job_name": "gan-1"},),
    ),
    Case("RefreshFailed", "a training, which has an alert of its own", _job(_TRAINING, "1x60"), "20m"),
)
