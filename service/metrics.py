"""Every Prometheus metric of the service; declared nowhere else."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

REGISTRY: Final = CollectorRegistry()

_STAGE_BUCKETS_S: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)

MESSAGES = Counter(
    "vehicle_damage_messages",
    "Messages by how they left the worker: deleted, released, lost (their receipt expired or was refused).",
    ["outcome"],
    registry=REGISTRY,
)
PHOTOS = Counter(
    "vehicle_damage_photos",
    "Photos that have a stored result, by status: inspected, undamaged, rejected.",
    ["status"],
    registry=REGISTRY,
)
REJECTIONS = Counter(
    "vehicle_damage_rejections",
    "Stored rejections by error class.",
    ["error"],
    registry=REGISTRY,
)
FAILURES = Counter(
    "vehicle_damage_failures",
    "Attempts that ended in a transient error or a bug and went back to the queue, by error class.",
    ["error"],
    registry=REGISTRY,
)
REGIONS = Counter(
    "vehicle_damage_regions",
    "Damage regions found, by class.",
    ["label"],
    registry=REGISTRY,
)
DUPLICATES_FENCED = Counter(
    "vehicle_damage_duplicates_fenced",
    "Deliveries whose photo already had a result: found before the networks ran, or refused by the conditional write.",
    ["at"],
    registry=REGISTRY,
)
RENEWALS = Counter(
    "vehicle_damage_renewals",
    "Visibility extensions by outcome: extended, refused, unavailable.",
    ["outcome"],
    registry=REGISTRY,
)
IN_FLIGHT = Gauge(
    "vehicle_damage_in_flight_messages",
    "Messages received and not yet settled.",
    registry=REGISTRY,
)
QUEUE_AGE = Histogram(
    "vehicle_damage_queue_age_seconds",
    "Age of a message when it was received, since it was sent.",
    buckets=(1, 3, 10, 30, 60, 120, 300, 900, 3600, 14400, 86400),
    registry=REGISTRY,
)
BATCH_PHOTOS = Histogram(
    "vehicle_damage_batch_photos",
    "Photos in a micro-batch when it entered the networks.",
    buckets=(1, 2, 4, 6, 8, 10, 16, 32),
    registry=REGISTRY,
)
STAGE = Histogram(
    "vehicle_damage_stage_seconds",
    "Time of one stage for one photo: a batch's time shared equally by its photos.",
    ["stage"],
    buckets=_STAGE_BUCKETS_S,
    registry=REGISTRY,
)
FETCH = Histogram(
    "vehicle_damage_fetch_seconds",
    "Time to fetch one photo from storage.",
    buckets=_STAGE_BUCKETS_S,
    registry=REGISTRY,
)
STORE = Histogram(
    "vehicle_damage_store_seconds",
    "Time of the conditional write of one result.",
    buckets=_STAGE_BUCKETS_S,
    registry=REGISTRY,
)
GATE_SCORE = Histogram(
    "vehicle_damage_gate_score_ratio",
    "Gate score of each photo that reached the gate.",
    buckets=tuple(i / 20 for i in range(1, 21)),
    registry=REGISTRY,
)
CARS_NOT_FOUND = Counter(
    "vehicle_damage_cars_not_found",
    "Photos in which no car was found, so that the whole photo went on.",
    registry=REGISTRY,
)
READY = Gauge(
    "vehicle_damage_ready",
    "1 while the worker takes messages, else 0.",
    registry=REGISTRY,
)
MODEL_SET = Info(
    "vehicle_damage_model_set",
    "Digest of the serving models and mask policies, and the version of each network.",
    registry=REGISTRY,
)
