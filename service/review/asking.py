"""asking: what follows an address's question mark, checked.

In:   names and values as a browser sent them. Out: a filter, a place in a list, how to show a photo.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from models.structures import DAMAGE_CLASSES
from service.ledger_pages import InspectionFilter, Position
from service.result import Status
from service.review.drawing import LARGE_PX, SMALL_PX, PhotoView
from service.review.links import decode_position

Found = Literal["damage", "nothing", "scratch", "dent", "spacing"]
_Name = Annotated[str, StringConstraints(max_length=256, pattern=r"^[^\x00]*$")]
_AskedFor = TypeVar("_AskedFor", bound=BaseModel)


class BadQuestion(ValueError):  # noqa: N818 - the browser's fault, named in the answer
    """What was asked for makes no sense; says which name, what was expected and what was found."""


class Asked(BaseModel):
    """What every list can be asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    below: Position | None = None

    @field_validator("below", mode="before")
    @classmethod
    def _decode(cls, value: str) -> Position:
        return decode_position(value)


class AskedList(Asked):
    """What the list of inspections can be asked; dates are days in UTC, both ends included."""

    vehicle_id: _Name | None = None
    status: Status | None = None
    found: Found | None = None
    model_set: _Name | None = None
    since: date | None = None
    until: date | None = None

    @field_validator("until")
    @classmethod
    def _check_end(cls, value: date | None) -> date | None:
        if value == date.max:
            raise ValueError("expected a day before 9999-12-31")
        return value

    def to_filter(self) -> InspectionFilter:
        """The same in the ledger's words."""
        return InspectionFilter(
            vehicle_id=self.vehicle_id,
            status=self.status,
            is_damaged={"damage": True, "nothing": False}.get(self.found or ""),
            label=self.found if self.found in DAMAGE_CLASSES else None,
            model_set=self.model_set,
            since=self.since and _midnight(self.since),
            until=self.until and _midnight(self.until + timedelta(days=1)),
        )

    def to_words(self) -> dict[str, str]:
        """Everything that was asked for but the place, as a browser would send it."""
        return {name: str(value) for name, value in self.model_dump(exclude={"below"}).items() if value is not None}


class AskedPhoto(BaseModel):
    """How a photo can be asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Literal["small", "large"] = "large"
    marks: Literal["on", "off"] = "on"
    region: int | None = Field(None, ge=0, le=100_000)

    def to_view(self) -> PhotoView:
        """The same in the artist's words."""
        return PhotoView({"small": SMALL_PX, "large": LARGE_PX}[self.size], self.marks == "on", self.region)


def parse_question(kind: type[_AskedFor], said: Mapping[str, str]) -> _AskedFor:
    """Check what was asked; an empty value is none, because forms send every field.

    Args:
        kind: what can be asked here.
        said: names and values.

    Raises:
        BadQuestion: an unknown name, or a value that is not one of its own.
    """
    given: dict[str, Any] = {name: value.strip() for name, value in said.items() if value.strip()}
    try:
        return kind(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            raise BadQuestion(f"{name}: no such question here; expected {', '.join(kind.model_fields)}") from error
        reason = first["msg"].removeprefix("Value error, ")
        raise BadQuestion(f"{name}: {reason}, found {given[name][:80]!r}") from error


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
