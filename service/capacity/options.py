"""Every assumption of the capacity page: its value, its unit, and where it comes from.

A field's origin is "measured" (with the command that measured it), "cited" (a list price or a documented default) or
"assumed" (nobody can know it but the operator). All can be set: vehicle-damage capacity --set scaling.queue_length=300.
"""

from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.settings import Settings

Origin = Literal["measured", "cited", "assumed"]

DAY_S: Final = 86_400
_READ: Final = "read 2026-11"
_KEDA: Final = "KEDA's default, keda.sh/docs/latest/reference/scaledobject-spec"
_HPA: Final = "Kubernetes' default, kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale"
_BENCHMARK: Final = "python benchmarks/capacity.py on two busy cores; commits wait for that machine's disk"


def _measured(default: float, description: str, source: str = _BENCHMARK) -> Any:
    return _option(default, description, "measured", source)


def _cited(default: float, description: str, source: str) -> Any:
    return _option(default, description, "cited", source)


def _assumed(default: float, description: str, source: str = "") -> Any:
    return _option(default, description, "assumed", source)


def _of_settings(name: str) -> Any:
    field = Settings.model_fields[name]
    return _cited(field.default, field.description or "", f"default of VEHICLE_DAMAGE_{name.upper()}")


def _option(default: float, description: str, origin: Origin, source: str) -> Any:
    return Field(
        default,
        ge=0,
        allow_inf_nan=False,
        description=description,
        json_schema_extra={"origin": origin, "source": source},
    )


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Traffic(_Options):
    """When a day's photos arrive: an even base, a morning and an evening peak, and a burst."""

    photos_a_day: int = _assumed(110_000, "Photos of the busiest day.")
    morning_hour: float = _assumed(8, "Middle of the morning peak, hour of the day.")
    morning_spread_h: float = _assumed(1, "Its standard deviation, hours.")
    morning_ratio: float = _assumed(0.30, "Its share of the day's photos.")
    evening_hour: float = _assumed(18, "Middle of the evening peak.")
    evening_spread_h: float = _assumed(1.5, "Its standard deviation, hours.")
    evening_ratio: float = _assumed(0.40, "Its share.")
    burst_hour: float = _assumed(22, "A burst (an event ends, a backfill starts) begins at this hour.")
    burst_minutes: float = _assumed(15, "It lasts so long, at an even rate.")
    burst_ratio: float = _assumed(0.05, "Its share. What no peak has arrives evenly over the day.")

    @model_validator(mode="after")
    def _check_shares(self) -> Self:
        if self.photos_a_day < 1:
            raise ValueError(f"traffic.photos_a_day: expected at least 1, found {self.photos_a_day}")
        shares = self.morning_ratio + self.evening_ratio + self.burst_ratio
        if shares > 1:
            raise ValueError(
                f"traffic: morning_ratio + evening_ratio + burst_ratio: expected at most 1, found {shares:g}"
            )
        for name in ("morning_spread_h", "evening_spread_h", "burst_minutes"):
            if getattr(self, name) == 0:
                raise ValueError(f"traffic.{name}: expected more than 0, found 0")
        if self.burst_hour + self.burst_minutes / 60 > 24:
            raise ValueError(
                f"traffic.burst_hour: expected the burst to end within the day, found {self.burst_hour:g} h"
            )
        return self


class Worker(_Options):
    """What one pod does."""

    photos_a_second: float = _measured(
        12.14,
        "Photos one pod finishes a second, both cores busy.",
        "python benchmarks/pipeline.py, ours in bf16, two cores of a Xeon with AMX; f32 is the default and slower",
    )
    cores: float = _assumed(2, "CPU cores a pod asks for; photos_a_second was measured on so many.")
    max_in_flight_messages: int = _of_settings("max_in_flight_messages")
    receive_wait_s: int = _of_settings("receive_wait_s")
    visibility_timeout_s: int = _of_settings("visibility_timeout_s")
    renewal_interval_s: float = _of_settings("renewal_interval_s")
    shutdown_grace_s: float = _of_settings("shutdown_grace_s")
    ledger_connections: int = _cited(
        1, "Connections to the ledger's database a pod holds.", "service/worker.py: one thread settles"
    )

    @model_validator(mode="after")
    def _check_positive(self) -> Self:
        for name in ("photos_a_second", "cores", "max_in_flight_messages", "receive_wait_s", "renewal_interval_s"):
            if getattr(self, name) == 0:
                raise ValueError(f"worker.{name}: expected more than 0, found 0")
        return self


class Scaling(_Options):
    """KEDA between 0 and 1 pod, the HPA that it makes above; messages in flight count (scaleOnInFlight)."""

    min_replicas: int = _assumed(0, "minReplicaCount; 0 lets the last pod go.")
    max_replicas: int = _assumed(0, "maxReplicaCount; 0: as many as finish the busiest minute at peak_utilisation.")
    peak_utilisation: float = _assumed(0.7, "Share of the pods' time that the busiest minute may take.")
    queue_length: float = _assumed(300, "queueLength: messages a pod is given, visible and in flight.")
    activation_messages: int = _cited(0, "activationQueueLength: more wake the first pod.", _KEDA)
    polling_interval_s: int = _cited(30, "pollingInterval: KEDA looks at an idle queue so often.", _KEDA)
    cooldown_s: int = _cited(300, "cooldownPeriod: the last pod goes after so long without a message.", _KEDA)
    sync_s: int = _cited(15, "The HPA decides so often; its policies' period is the same.", _HPA)
    tolerance: float = _cited(0.1, "The HPA keeps what is within this share of the target.", _HPA)
    up_ratio: float = _cited(1, "It adds this share of the pods at most,", _HPA)
    up_pods: int = _cited(4, "or so many, whichever is more, at each decision.", _HPA)
    down_window_s: int = _cited(300, "It takes pods away when all decisions of so long agreed.", _HPA)

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        for name in ("queue_length", "polling_interval_s", "sync_s", "peak_utilisation"):
            if getattr(self, name) == 0:
                raise ValueError(f"scaling.{name}: expected more than 0, found 0")
        if self.max_replicas and self.min_replicas > self.max_replicas:
            raise ValueError(
                f"scaling.min_replicas: expected at most max_replicas ({self.max_replicas}), found {self.min_replicas}"
            )
        return self


class Fleet(_Options):
    """How pods come and go."""

    pod_start_s: float = _measured(
        2.5, "From the container's start to the first receive: imports, model load and compile."
    )
    image_pull_s: float = _assumed(30, "Pull of the image onto a fresh node; one that was there has it.")
    node_provisioning_s: float = _assumed(90, "From a pod that fits nowhere to a node that takes it.")
    node_linger_s: float = _assumed(300, "A node's empty place is kept, and paid, for so long.")
    spot_interruptions_a_day: float = _assumed(0.05, "Interruptions a pod and day on spot nodes; 0: on demand.")
    lost_ratio: float = _assumed(
        0.05, "Share of interruptions without the two minutes' notice: messages stay hidden until their timeout."
    )
    pods_a_node: int = _assumed(7, "Pods of two cores on a node of 16.")

    @model_validator(mode="after")
    def _check_ratio(self) -> Self:
        if self.lost_ratio > 1:
            raise ValueError(f"fleet.lost_ratio: expected at most 1, found {self.lost_ratio:g}")
        if self.pods_a_node == 0:
            raise ValueError("fleet.pods_a_node: expected more than 0, found 0")
        return self


class Prices(_Options):
    """USD, us-east-1, without taxes, free tiers and discounts."""

    core_hour_usd: float = _assumed(
        0.045, "A core for an hour.", "near EC2's c7i on demand, which has AMX; look yours up, spot is less"
    )
    node_overhead_ratio: float = _assumed(
        0.15, "Cores of a node that no worker gets: system, daemons, what does not fit."
    )
    sqs_million_usd: float = _cited(
        0.40, "A million SQS requests, standard queue.", f"aws.amazon.com/sqs/pricing, {_READ}"
    )
    put_thousand_usd: float = _cited(0.005, "A thousand S3 PUTs.", f"aws.amazon.com/s3/pricing, {_READ}")
    get_thousand_usd: float = _cited(0.0004, "A thousand S3 GETs.", f"aws.amazon.com/s3/pricing, {_READ}")
    object_gb_month_usd: float = _cited(0.023, "A GB-month in S3 Standard.", f"aws.amazon.com/s3/pricing, {_READ}")
    ledger_gb_month_usd: float = _assumed(0.115, "A GB-month of database storage; its cores are not priced.")
    photo_bytes: float = _assumed(2_000_000, "Mean size of a photo.")
    photo_days: float = _assumed(90, "Days a photo is kept.")
    result_bytes: float = _measured(1464, "Mean size of a result's JSON.")
    result_days: float = _assumed(365, "Days a result and its ledger row are kept.")
    ledger_row_bytes: float = _measured(3056, "Bytes a result takes in PostgreSQL, indexes included.")

    @model_validator(mode="after")
    def _check_overhead(self) -> Self:
        if self.node_overhead_ratio >= 1:
            raise ValueError(f"prices.node_overhead_ratio: expected less than 1, found {self.node_overhead_ratio:g}")
        return self


class Ledger(_Options):
    """What the ledger's database takes."""

    postgres_rows_a_second: float = _measured(
        1052, "Upserts a second into PostgreSQL, 20 rows a transaction, eight writers, fsync on."
    )
    postgres_single_rows_a_second: float = _measured(130, "The same, one row a transaction.")
    sqlite_rows_a_second: float = _measured(222, "Upserts a second into SQLite, 20 rows a transaction, eight writers.")
    sqlite_single_rows_a_second: float = _measured(36, "The same, one row a transaction.")


class CapacityOptions(_Options):
    """All of the page's assumptions."""

    traffic: Traffic = Traffic()
    worker: Worker = Worker()
    scaling: Scaling = Scaling()
    fleet: Fleet = Fleet()
    prices: Prices = Prices()
    ledger: Ledger = Ledger()
    slo_oldest_s: float = _assumed(300, "Objective: the oldest message is younger.")
    seed: int = _assumed(1, "Seed of arrivals and interruptions.")
