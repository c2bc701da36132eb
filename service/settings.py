"""Every variable of the service; the only reader of the environment.

Credentials, region and endpoint of AWS are boto3's own variables (AWS_REGION, AWS_ENDPOINT_URL, …).
"""

import os
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from models.store import PRETRAINED_DIR
from service.errors import SetupError

ENV_PREFIX = "VEHICLE_DAMAGE_"
PolicyName = Literal["threshold", "crf"]


class Settings(BaseSettings):
    """What an operator can set, each by the variable VEHICLE_DAMAGE_<NAME>."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    queue_url: str = Field("", description="URL of the SQS queue to consume. The worker needs it.")
    photo_buckets: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Buckets photos may be fetched from, separated by commas. The worker needs at least one."
    )
    results_bucket: str = Field("", description="Bucket that results are written to. The worker needs it.")
    results_prefix: str = Field("results/", description="Start of every result's key.")
    ledger_url: str = Field(
        "sqlite:///vehicle-damage-ledger.sqlite3",
        description="SQLAlchemy URL of the ledger; postgresql+psycopg://… in production.",
    )
    model_store: str = Field(
        str(PRETRAINED_DIR), description="Model store: a folder, or s3://bucket/prefix; its promoted set serves…"
    )
    model_set: str = Field(
        "",
        pattern="^([0-9a-f]{16})?$",
        description="…unless this digest of a set that was promoted once pins another for good.",
    )
    model_refresh_s: float = Field(
        30,
        ge=0,
        allow_inf_nan=False,
        description="An unpinned worker looks for another promoted set so often, and swaps between two batches; "
        "0: never.",
    )
    runtime: Literal["openvino", "torch"] = Field(
        "openvino",
        description="What runs the networks; torch needs vehicle-damage[train] and safetensors in the store.",
    )
    device: Literal["cpu", "cuda"] = Field("cpu", description="Where they run; cuda needs the torch runtime.")
    precision: Literal["f32", "bf16"] = Field("f32", description="Arithmetic of the networks; bf16 needs AMX to pay.")
    runtime_threads: int = Field(0, ge=0, description="CPU threads of the networks; 0 uses every core.")

    batch_photos: int = Field(8, ge=1, le=64, description="A micro-batch goes on when it holds so many photos…")
    batch_age_ms: int = Field(200, ge=0, le=60_000, description="…or when its first photo has waited so long.")
    fetch_threads: int = Field(4, ge=1, le=64, description="Threads that fetch and decode photos.")
    store_threads: int = Field(4, ge=1, le=64, description="Threads that write results.")
    max_in_flight_messages: int = Field(
        30, ge=1, le=10_000, description="Messages received and not yet settled, at most."
    )
    receive_wait_s: int = Field(5, ge=0, le=20, description="Long-poll time of one receive; a stop waits for it.")
    visibility_timeout_s: int = Field(
        120, ge=2, le=43_200, description="How long a message stays hidden unless renewed."
    )
    renewal_interval_s: float = Field(30, gt=0, description="Everything in flight is renewed so often.")
    queue_count_interval_s: float = Field(
        15, gt=0, allow_inf_nan=False, description="The queue and its dead-letter queue are counted so often."
    )
    retry_pause_s: int = Field(5, ge=0, le=36_000, description="Pause after the first failed attempt; doubles each.")
    retry_pause_max_s: int = Field(
        900, ge=0, le=36_000, description="Longest pause between attempts; SQS hides a message for 12 hours in all."
    )
    shutdown_grace_s: float = Field(
        20,
        gt=0,
        allow_inf_nan=False,
        description="After SIGTERM: work in the networks may end for so long, then everything is returned.",
    )

    max_photo_bytes: int = Field(25 * 2**20, ge=1, description="Larger photos are rejected before they are fetched.")
    max_photo_px2: int = Field(50_000_000, ge=1, description="Photos of more pixels are rejected before decoding.")
    min_photo_side_px: int = Field(32, ge=1, description="Photos with a shorter side are rejected.")

    drift_window_photos: int = Field(
        500, ge=10, le=100_000, description="Drift compares so many of the last photos with the gate's reference."
    )
    crop_margin_ratio: float = Field(0.05, ge=0, le=1, description="Added on each side of the car's box.")
    gate_score_threshold: float | None = Field(
        None, ge=0, le=1, description="Photos below it are let go as undamaged; unset: the gate's model card says."
    )
    min_region_area_px2: int = Field(40, ge=1, description="Smaller patches of damage are dropped; crop pixels.")
    scratch_policy: PolicyName = Field("crf", description="Mask policy of scratches.")
    dent_policy: PolicyName = Field("threshold", description="Mask policy of dents.")
    spacing_policy: PolicyName = Field("crf", description="Mask policy of spacings.")

    finder: Literal["off", "beside", "instead"] = Field(
        "off",
        description="The promoted set's finder of small damages: beside the segmenter, instead of it, or not at all.",
    )

    http_host: str = Field("127.0.0.1", description="Address of /metrics, /healthz and /readyz; 0.0.0.0 in a pod.")
    http_port: int = Field(9090, ge=0, le=65_535, description="Port of the same; 0 takes any free one.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["json", "console"] = Field("json", description="One JSON object a line, or for people.")

    @field_validator("photo_buckets", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @model_validator(mode="after")
    def _check_across(self) -> Self:
        if self.device == "cuda" and self.runtime == "openvino":
            raise ValueError(f"{ENV_PREFIX}DEVICE: expected cpu unless {ENV_PREFIX}RUNTIME is torch, found cuda")
        if self.renewal_interval_s * 2 > self.visibility_timeout_s:
            raise ValueError(
                f"{ENV_PREFIX}RENEWAL_INTERVAL_S: expected at most half of {ENV_PREFIX}VISIBILITY_TIMEOUT_S "
                f"({self.visibility_timeout_s}), so that one failed renewal loses nothing, "
                f"found {self.renewal_interval_s:g}"
            )
        if self.shutdown_grace_s < self.receive_wait_s + 5:
            raise ValueError(
                f"{ENV_PREFIX}SHUTDOWN_GRACE_S: expected at least {ENV_PREFIX}RECEIVE_WAIT_S ({self.receive_wait_s}) "
                f"and 5 seconds, found {self.shutdown_grace_s:g}"
            )
        if self.retry_pause_s > self.retry_pause_max_s:
            raise ValueError(
                f"{ENV_PREFIX}RETRY_PAUSE_S: expected at most {ENV_PREFIX}RETRY_PAUSE_MAX_S "
                f"({self.retry_pause_max_s}), found {self.retry_pause_s}"
            )
        return self

    def require_worker(self) -> None:
        """Refuse settings with which no worker can run.

        Raises:
            SetupError: naming the first variable that is missing.
        """
        for name in ("queue_url", "photo_buckets", "results_bucket"):
            if not getattr(self, name):
                raise SetupError(f"{ENV_PREFIX}{name.upper()}: not set, and the worker needs it")


def load_settings(**overrides: object) -> Settings:
    """Read the environment.

    Args:
        overrides: settings that a command-line option gave; they win over the environment.

    Raises:
        SetupError: naming the variable, what was expected and what was found.
    """
    known = {ENV_PREFIX + name.upper() for name in Settings.model_fields}
    for variable in sorted(os.environ):
        if variable.startswith(ENV_PREFIX) and variable not in known:
            raise SetupError(f"{variable}: there is no such setting; `vehicle-damage reference settings` lists them")
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise SetupError(first["msg"].removeprefix("Value error, ")) from error
        variable = ENV_PREFIX + str(first["loc"][0]).upper()
        raise SetupError(f"{variable}: {first['msg']}, found {first['input']!r}") from error
