"""request: a message's body becomes the inspections it asks for.

In:   body, str: our schema (version 1), an S3 event notification, or either wrapped by SNS.
Out:  list[InspectionRequest | BadRequest], one a photo asked for; empty for S3's test event.
Must not know: SQS, pixels.
"""

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote_plus

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    StringConstraints,
    ValidationError,
)

from service.errors import BadRequest

_LONGEST_KEY_BYTES: Final = 1024
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]")


def _check_written(moment: object) -> object:
    is_written = isinstance(moment, str) and _DATE.match(moment)  # pydantic would take "5" for 1970
    if not is_written and not isinstance(moment, datetime):
        raise ValueError("expected a time as RFC 3339 writes it")
    return moment


def _check_key_bytes(key: str) -> str:
    if len(key.encode()) > _LONGEST_KEY_BYTES:
        raise ValueError(f"expected at most {_LONGEST_KEY_BYTES} bytes of UTF-8")
    return key


def _check_utc(moment: datetime) -> datetime:
    try:
        moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("expected a moment of the years 1 to 9999 in UTC") from error
    return moment


_BUCKET = r"^[A-Za-z0-9._-]{3,63}$"
_NO_NUL = r"^[^\x00]*$"  # PostgreSQL stores no NUL in text
Name = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=_NO_NUL)]
Word = Annotated[str, StringConstraints(max_length=2**20)]  # constrained, so that lone surrogates are refused
Moment = Annotated[AwareDatetime, BeforeValidator(_check_written), AfterValidator(_check_utc)]
View = Literal["front", "rear", "left", "right", "front_left", "front_right", "rear_left", "rear_right"]


class PhotoLocation(BaseModel):
    """Where a photo lies."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    bucket: Annotated[str, StringConstraints(pattern=_BUCKET)] = Field(description="Bucket name.")
    key: Annotated[str, StringConstraints(min_length=1, pattern=_NO_NUL), AfterValidator(_check_key_bytes)] = Field(
        description="Key, not URL-encoded."
    )
    version_id: Name | None = Field(None, description="Version of the object; the latest when absent.")


class InspectionRequest(BaseModel):
    """One photo to inspect; version 1 of the message schema."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = Field(1, description="Version of this schema.")
    photo: PhotoLocation = Field(description="Which photo.")
    image_id: Name | None = Field(None, description="Name of the photo in the result; the key's last part when absent.")
    vehicle_id: Name | None = Field(None, description="Which car; its history is the ledger's.")
    view: View | None = Field(None, description="Side of the car that the photo shows.")
    taken_at: Moment | None = Field(None, description="When it was taken, RFC 3339.")
    rental_id: Name | None = Field(None, description="Which rental it opens.")
    deadline: Moment | None = Field(None, description="After this moment nobody needs the result, RFC 3339.")
    attributes: dict[Name, Word | int | FiniteFloat | bool | None] = Field(
        default_factory=dict, max_length=64, description="Anything else; carried into the result untouched."
    )

    def name(self) -> str:
        """The result's image_id."""
        return self.image_id or self.photo.key.rsplit("/", 1)[-1] or self.photo.key

    def is_overdue(self, now: datetime) -> bool:
        """Whether the deadline is over at `now` (with time zone)."""
        return self.deadline is not None and now > self.deadline


def parse_message(body: str) -> list[InspectionRequest | BadRequest]:
    """Read a message.

    Args:
        body: the message's body as received.

    Returns:
        What it asks for, in order; empty for `s3:TestEvent`, which asks for nothing. A bad record of an S3 event
        stands as its BadRequest among the good ones, so that it does not take them with it.

    Raises:
        BadRequest: none of the three forms, or a field that does not fit, named with its path.
    """
    document = _parse_object(body, "message")
    if document.get("Type") == "Notification" and "Message" in document:
        if not isinstance(document["Message"], str):
            raise BadRequest(f"Message: expected a string inside the SNS envelope, found {_kind(document['Message'])}")
        document = _parse_object(document["Message"], "Message")
    if document.get("Event") == "s3:TestEvent":
        return []
    if "Records" in document:
        return _parse_s3_event(document["Records"])
    return [_parse_request(document)]


def _parse_object(text: str, what: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{what}: not JSON: {error}") from error
    if not isinstance(document, dict):
        raise BadRequest(f"{what}: expected a JSON object, found {_kind(document)}")
    return document


def _parse_request(document: dict[str, Any]) -> InspectionRequest:
    try:
        return InspectionRequest.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "message"
        raise BadRequest(f"{where}: {first['msg']}") from error


def _parse_s3_event(records: object) -> list[InspectionRequest | BadRequest]:
    if not isinstance(records, list) or not records:
        raise BadRequest(f"Records: expected a list of S3 events, found {_kind(records)}")
    requests: list[InspectionRequest | BadRequest] = []
    for index, record in enumerate(records):
        try:
            requests.append(_parse_s3_record(record, f"Records[{index}]"))
        except BadRequest as error:
            requests.append(error)
    return requests


def _parse_s3_record(record: Any, where: str) -> InspectionRequest:
    try:
        source, event = record["eventSource"], record["eventName"]
        bucket, stored = record["s3"]["bucket"]["name"], record["s3"]["object"]
        key, version_id = unquote_plus(stored["key"]), stored.get("versionId")
    except (KeyError, TypeError, AttributeError) as error:
        raise BadRequest(f"{where}: not an S3 event: {error}") from error
    if source != "aws:s3":
        raise BadRequest(f"{where}.eventSource: expected aws:s3, found {str(source)[:64]!r}")
    if not str(event).startswith("ObjectCreated:"):
        raise BadRequest(f"{where}.eventName: expected ObjectCreated:*, found {str(event)[:64]!r}")
    try:
        return InspectionRequest(photo=PhotoLocation(bucket=bucket, key=key, version_id=version_id))
    except ValidationError as error:
        first = error.errors()[0]
        raise BadRequest(f"{where}.{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
