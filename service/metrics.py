"""Every Prometheus metric of the service; declared nowhere else."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

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
    "Photos that have a stored result, by status (inspected, undamaged, rejected) and model set.",
    ["status", "model_set"],
    registry=REGISTRY,
)
SKIPPED = Counter(
    "vehicle_damage_photos_skipped",
    "Photos that did not go through every stage, by reason: gate (let go as undamaged), duplicate (had its result), "
    "rejected.",
    ["reason"],
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
    "Attempts that ended in a transient error or a bug and went back to the queue, by error class and model set.",
    ["error", "model_set"],
    registry=REGISTRY,
)
REGIONS = Counter(
    "vehicle_damage_regions",
    "Damage regions found, by class and model set.",
    ["label", "model_set"],
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
QUEUE_MESSAGES = Gauge(
    "vehicle_damage_queue_messages",
    "Messages in the queue as SQS counts them, about, by state: visible, hidden (in flight at any worker), delayed.",
    ["state"],
    registry=REGISTRY,
)
DEAD_LETTERS = Gauge(
    "vehicle_damage_dead_letters",
    "Messages in the queue's dead-letter queue, about; absent where it has none.",
    ["queue"],
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
    "Time of one stage for one photo, by stage and model set: a batch's time shared equally by its photos.",
    ["stage", "model_set"],
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
    "Gate score of each photo that reached the gate, by model set.",
    ["model_set"],
    buckets=tuple(i / 20 for i in range(1, 21)),
    registry=REGISTRY,
)
BRIGHTNESS = Histogram(
    "vehicle_damage_brightness_ratio",
    "Mean luma of each photo, 0 black to 1 white.",
    buckets=tuple(i / 20 for i in range(1, 21)),
    registry=REGISTRY,
)
DRIFT = Gauge(
    "vehicle_damage_drift_psi_ratio",
    "Population stability index of the last photos against the training reference, of gate_score or brightness.",
    ["of"],
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
MODEL_SET = Gauge(
    "vehicle_damage_model_set_info",
    "1 for the set that serves: model_set is the digest of models, policies and arithmetic, as results carry it; "
    "stored_set that of the models in their store; versions names each network's.",
    ["model_set", "stored_set", "versions"],
    registry=REGISTRY,
)
MODEL_SWAPS = Counter(
    "vehicle_damage_model_swaps",
    "Other promoted sets that were met while working, by outcome: swapped, refused (damaged, incomplete, no network).",
    ["outcome"],
    registry=REGISTRY,
)

for _outcome in ("swapped", "refused"):
    MODEL_SWAPS.labels(_outcome)  # counted from 0: Prometheus does not see a first increment from nothing
for _outcome in ("deleted", "released", "lost"):
    MESSAGES.labels(_outcome)
