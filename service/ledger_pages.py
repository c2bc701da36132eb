"""Reading the ledger page by page, newest first, by keys: the last page costs what the first does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, func, literal, select, tuple_

from service.errors import SetupError
from service.ledger_engine import location, open_engine, transaction
from service.ledger_schema import INSPECTIONS, IS_DAMAGED, is_current
from service.result import InspectionResult


@dataclass(frozen=True)
class InspectionFilter:
    """Which inspections; what is None does not matter.

    Attributes:
        vehicle_id: of this car.
        status: inspected, undamaged or rejected.
        is_damaged: with at least one region.
        label: with at least one region of this class.
        model_set: made by this set of models.
        since: inspected at this moment or later.
        until: inspected before this moment.
    """

    vehicle_id: str | None = None
    status: str | None = None
    is_damaged: bool | None = None
    label: str | None = None
    model_set: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Position:
    """A place between two inspections of a list: just below the one of this moment and identity."""

    moment: datetime
    identity: str


@dataclass(frozen=True)
class Page:
    """Some inspections, newest first, and where the older ones begin; None: there are none."""

    results: tuple[InspectionResult, ...]
    older: Position | None


class LedgerPages:
    """What the operations pages ask of the ledger; nothing is ever written."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def check(self) -> None:
        """Ask for nothing.

        Raises:
            LedgerUnavailable: the database does not answer, or has no such tables.
        """
        with transaction(self._engine) as connection:
            connection.execute(select(INSPECTIONS.c.identity).limit(1))

    def fetch_newest(self, chosen: InspectionFilter, *, below: Position | None, limit: int) -> Page:
        """The newest inspections.

        Args:
            chosen: which.
            below: only older ones than this place; None: from the newest on.
            limit: at most so many.

        Raises:
            LedgerUnavailable: the database does not answer.
        """
        query = select(INSPECTIONS.c.document).where(*_conditions(chosen))
        page = self._fetch(query, INSPECTIONS.c.inspected_at, below, limit)
        return _cut(page, limit, lambda result: result.inspected_at)

    def fetch_vehicle(self, vehicle_id: str, *, below: Position | None, limit: int) -> Page:
        """The photos of one car that were taken last; one of no known time counts as taken when it was inspected.

        Args:
            vehicle_id: which car.
            below: only those taken before this place; None: from the last on.
            limit: at most so many.

        Raises:
            LedgerUnavailable: the database does not answer.
        """
        query = select(INSPECTIONS.c.document).where(INSPECTIONS.c.vehicle_id == vehicle_id)
        page = self._fetch(query, func.coalesce(INSPECTIONS.c.taken_at, INSPECTIONS.c.inspected_at), below, limit)
        return _cut(page, limit, lambda result: result.taken_at or result.inspected_at)

    def fetch_inspection(self, identity: str) -> InspectionResult | None:
        """One inspection, None when there is none of this identity.

        Raises:
            LedgerUnavailable: the database does not answer.
        """
        query = select(INSPECTIONS.c.document).where(INSPECTIONS.c.identity == identity)
        with transaction(self._engine) as connection:
            document = connection.execute(query).scalar_one_or_none()
        return None if document is None else InspectionResult.model_validate_json(document)

    def close(self) -> None:
        """Give every connection back."""
        self._engine.dispose()

    def _fetch(
        self, query: Select[Any], moment: ColumnElement[datetime], below: Position | None, limit: int
    ) -> list[InspectionResult]:
        """Up to one more than the limit, so that it shows whether older ones exist."""
        if below is not None:
            place = tuple_(literal(below.moment.astimezone(UTC), INSPECTIONS.c.inspected_at.type), below.identity)
            query = query.where(tuple_(moment, INSPECTIONS.c.identity) < place)
        query = query.order_by(moment.desc(), INSPECTIONS.c.identity.desc()).limit(limit + 1)
        with transaction(self._engine) as connection:
            documents = connection.execute(query).scalars().all()
        return [InspectionResult.model_validate_json(document) for document in documents]


def open_ledger_pages(url: str) -> LedgerPages:
    """Connect, to read alone.

    Args:
        url: SQLAlchemy URL, sqlite:///… or postgresql+psycopg://….

    Raises:
        SetupError: no such database, or no tables there of the version that this software knows.
    """
    engine = open_engine(url, is_read_only=True)
    if not is_current(engine):
        raise SetupError(f"ledger {location(engine)}: its tables are missing or old: run vehicle-damage ledger migrate")
    return LedgerPages(engine)


def _conditions(chosen: InspectionFilter) -> list[ColumnElement[bool]]:
    columns = INSPECTIONS.c
    conditions = [
        columns[name] == getattr(chosen, name)
        for name in ("vehicle_id", "status", "model_set")
        if getattr(chosen, name) is not None
    ]
    if chosen.label is not None:
        conditions += [IS_DAMAGED, columns.labels.contains(f",{chosen.label},", autoescape=True)]
    if chosen.is_damaged is not None:
        conditions.append(IS_DAMAGED if chosen.is_damaged else columns.damage_level == 0)
    if chosen.since is not None:
        conditions.append(columns.inspected_at >= chosen.since.astimezone(UTC))
    if chosen.until is not None:
        conditions.append(columns.inspected_at < chosen.until.astimezone(UTC))
    return conditions


def _cut(results: Sequence[InspectionResult], limit: int, moment_of: Any) -> Page:
    shown = tuple(results[:limit])
    has_older = len(results) > limit
    return Page(shown, Position(moment_of(shown[-1]), shown[-1].identity()) if has_older else None)
