"""result: what is known of one photo, its key, and its conditional write.

In:   an InspectionResult. Out: one JSON object in the results bucket; the first writer wins.
"""

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from models.structures import Region, class_name_of
from service.errors import PermanentError, StorageUnavailable
from service.finding import Finding
from service.request import InspectionRequest, PhotoLocation, View

Status = Literal["inspected", "undamaged", "rejected"]
Point = tuple[float, float]
Box = tuple[int, int, int, int]

_LONGEST_KEY_PART_BYTES: Final = 700


class ResultRegion(BaseModel):
    """One connected patch of damage, photo frame."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    points: tuple[Point, ...] = Field(min_length=3, description="Outer border, [x, y], pixels.")
    class_name: int = Field(ge=1, le=3, description="1 scratch, 2 dent, 3 spacing.")
    label: str = Field(description="The class in words.")
    score: float = Field(ge=0, le=1, description="Mean probability over the patch.")
    area_px2: int = Field(ge=1, description="Pixels of the patch, holes excluded.")
    box_xyxy: Box = Field(description="Whole pixels, max edge exclusive.")


class InspectionResult(BaseModel):
    """The visible result of one photo; its JSON keeps the annotation schema's keys at the top."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = Field(1, description="Version of this schema.")
    image_id: str = Field(description="The file's or key's last part, unless the message named one.")
    damage_level: Literal[0, 1] = Field(description="1 when any region was found.")
    regions: tuple[ResultRegion, ...] = Field((), description="The damages, largest first.")
    status: Status = Field(
        description="inspected: segmented; undamaged: let go by the gate; rejected: not inspected, for `reason`."
    )
    reason: str | None = Field(None, description="Why it was rejected.")
    error: str | None = Field(None, description="The class of the error that rejected it.")
    gate_score: Annotated[float, Field(ge=0, le=1)] | None = Field(None, description="1 = surely damaged.")
    crop_xyxy: Box | None = Field(None, description="What was inspected, photo frame.")
    car_found: bool | None = Field(None, description="False = no car found, the whole photo was inspected.")
    photo_size_hw: tuple[int, int] | None = Field(None, description="Height and width after the EXIF turn, pixels.")
    photo: PhotoLocation | None = Field(None, description="Where the photo lies.")
    photo_sha256: str | None = Field(None, description="Digest of the photo's bytes.")
    vehicle_id: str | None = Field(None, description="As the message said.")
    view: View | None = Field(None, description="As the message said.")
    taken_at: AwareDatetime | None = Field(None, description="As the message said.")
    rental_id: str | None = Field(None, description="As the message said.")
    attributes: dict[str, str | int | float | bool | None] = Field(
        default_factory=dict, description="As the message said."
    )
    model_set: str = Field(description="Digest of the models, mask policies and options that made it.")
    timings_ms: dict[str, float] = Field(default_factory=dict, description="Milliseconds by stage.")
    inspected_at: AwareDatetime = Field(description="When it was made.")
    message_id: str | None = Field(None, description="The rejected message.")
    message_body: str | None = Field(None, description="The rejected message's body, so that nothing is lost.")

    def to_json_line(self) -> str:
        """The result as one line of JSON with every key; what is not known is null."""
        return self.model_dump_json()

    def identity(self) -> str:
        """The result's key below the store's prefix: of (bucket, key, photo sha256, model set), one result exists.

        What names no photo is known by its image_id: of a message, its id and the record's number.
        """
        if self.photo is None:
            return f"_rejected-messages/{self.image_id}.json"
        key = self.photo.key
        if len(key.encode()) > _LONGEST_KEY_PART_BYTES:
            key = f"_/{hashlib.sha256(key.encode()).hexdigest()}"
        content = (self.photo_sha256 or "unread")[:32]
        return f"{self.photo.bucket}/{key}/{content}-{self.model_set}.json"


def build_result(
    request: InspectionRequest, finding: Finding, *, photo_sha256: str, model_set: str
) -> InspectionResult:
    """Join what was asked and what was found."""
    return InspectionResult(
        **_carried(request),
        **finding_fields(finding),
        photo_sha256=photo_sha256,
        model_set=model_set,
        inspected_at=datetime.now(UTC),
    )


def finding_fields(finding: Finding) -> dict[str, Any]:
    """The part of a result that the stages decide, as arguments of InspectionResult."""
    return {
        "status": "undamaged" if finding.is_let_go else "inspected",
        "damage_level": 1 if finding.regions else 0,
        "regions": tuple(_build_region(region) for region in finding.regions),
        "gate_score": finding.gate_score,
        "crop_xyxy": finding.crop_xyxy,
        "car_found": finding.car_found,
        "photo_size_hw": finding.size_hw,
        "timings_ms": finding.timings_ms,
    }


def build_rejection(
    request: InspectionRequest, error: PermanentError, *, photo_sha256: str | None, model_set: str
) -> InspectionResult:
    """Say why a photo was not inspected."""
    return InspectionResult(
        **_carried(request),
        status="rejected",
        damage_level=0,
        reason=str(error),
        error=type(error).__name__,
        photo_sha256=photo_sha256,
        model_set=model_set,
        inspected_at=datetime.now(UTC),
    )


def build_message_rejection(
    message_id: str, body: str, record: int, error: PermanentError, *, model_set: str
) -> InspectionResult:
    """Say why a message, or one record of it, asks for nothing that can be inspected."""
    return InspectionResult(
        image_id=f"{message_id}-{record}",
        status="rejected",
        damage_level=0,
        reason=str(error),
        error=type(error).__name__,
        model_set=model_set,
        inspected_at=datetime.now(UTC),
        message_id=message_id,
        message_body=body,
    )


def _carried(request: InspectionRequest) -> dict[str, Any]:
    return {
        "image_id": request.name(),
        "photo": request.photo,
        "vehicle_id": request.vehicle_id,
        "view": request.view,
        "taken_at": request.taken_at,
        "rental_id": request.rental_id,
        "attributes": request.attributes,
    }


def _build_region(region: Region) -> ResultRegion:
    return ResultRegion(
        points=region.points,
        class_name=region.class_id,
        label=class_name_of(region.class_id),
        score=round(region.score, 4),
        area_px2=region.area_px2,
        box_xyxy=region.box_xyxy,
    )


class ResultStore:
    """The results bucket."""

    def __init__(self, client: Any, *, bucket: str, prefix: str) -> None:
        """Name the bucket; nothing is called yet.

        Args:
            client: boto3 S3 client.
            bucket: where results go.
            prefix: start of every key.
        """
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    def find(self, photo: PhotoLocation, photo_sha256: str, model_set: str) -> InspectionResult | None:
        """The result that exists of these very bytes by these very models, if any.

        Raises:
            StorageUnavailable: S3 does not answer, or holds something else there.
        """
        probe = InspectionResult(
            image_id="",
            damage_level=0,
            status="rejected",
            photo=photo,
            photo_sha256=photo_sha256,
            model_set=model_set,
            inspected_at=datetime.now(UTC),
        )
        return self._fetch(self._prefix + probe.identity())

    def store(self, result: InspectionResult) -> tuple[InspectionResult, bool]:
        """Write a result unless one is there.

        Returns:
            The visible result, and whether it is the given one; otherwise an earlier write fenced it.

        Raises:
            StorageUnavailable: S3 does not answer.
        """
        key = self._prefix + result.identity()
        body = (result.to_json_line() + "\n").encode()
        try:
            self._client.put_object(
                Bucket=self._bucket, Key=key, Body=body, ContentType="application/json", IfNoneMatch="*"
            )
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") != 412:
                raise StorageUnavailable(f"s3://{self._bucket}/{key}: {_code(error)}") from error
        except BotoCoreError as error:
            raise StorageUnavailable(f"s3://{self._bucket}/{key}: {type(error).__name__}") from error
        else:
            return result, True
        visible = self._fetch(key)
        if visible is None:
            raise StorageUnavailable(f"s3://{self._bucket}/{key}: written by another and gone again")
        return visible, False

    def _fetch(self, key: str) -> InspectionResult | None:
        try:
            with self._client.get_object(Bucket=self._bucket, Key=key)["Body"] as stream:
                body = stream.read()
        except ClientError as error:
            if _code(error) in {"NoSuchKey", "404"}:
                return None
            raise StorageUnavailable(f"s3://{self._bucket}/{key}: {_code(error)}") from error
        except (BotoCoreError, OSError) as error:
            raise StorageUnavailable(f"s3://{self._bucket}/{key}: {type(error).__name__}") from error
        try:
            return InspectionResult.model_validate_json(body)
        except ValidationError as error:
            raise StorageUnavailable(f"s3://{self._bucket}/{key}: holds no result of this schema") from error


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")
