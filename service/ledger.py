"""ledger: one row a result and one a failed attempt, in SQL.

SQLite by default, PostgreSQL in production. The rows are written after the results bucket and before the message is
deleted, so a row can be late but never lost.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from service.errors import LedgerUnavailable, SetupError
from service.result import InspectionResult

_METADATA: Final = MetaData()
_SCHEMA_LOCK_ID: Final = 0x76642D6C  # any number that nothing else in the database locks

_INSPECTIONS: Final = Table(
    "inspections",
    _METADATA,
    Column("identity", Text, primary_key=True),
    Column("status", String(16), nullable=False),
    Column("error", String(64)),
    Column("reason", Text),
    Column("damage_level", Integer, nullable=False),
    Column("bucket", String(63)),
    Column("key", Text),
    Column("photo_sha256", String(64)),
    Column("model_set", String(64), nullable=False),
    Column("vehicle_id", String(256)),
    Column("view", String(16)),
    Column("taken_at", DateTime(timezone=True)),
    Column("inspected_at", DateTime(timezone=True), nullable=False),
    Column("document", Text, nullable=False),
)
_FAILURES: Final = Table(
    "failures",
    _METADATA,
    Column("message_id", String(128), primary_key=True),
    Column("receive_count", Integer, primary_key=True),
    Column("error", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("failed_at", DateTime(timezone=True), nullable=False),
)
_INDEXES: Final = (Index("inspections_vehicle", _INSPECTIONS.c.vehicle_id, _INSPECTIONS.c.taken_at),)


@dataclass(frozen=True)
class Failure:
    """One attempt at a message that ended in a transient error or a bug."""

    message_id: str
    receive_count: int
    error: str
    reason: str


class Ledger:
    """Rows in, histories out."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record_results(self, results: Sequence[InspectionResult]) -> None:
        """Upsert one row a result, all in one transaction.

        Raises:
            LedgerUnavailable: the database does not answer.
        """
        rows = {result.identity(): _row_of(result) for result in results}
        self._upsert(_INSPECTIONS, list(rows.values()), ["identity"])

    def record_failures(self, failures: Sequence[Failure]) -> None:
        """Upsert one row a failed attempt.

        Raises:
            LedgerUnavailable: the database does not answer.
        """
        rows = {
            (failure.message_id, failure.receive_count): {
                "message_id": failure.message_id,
                "receive_count": failure.receive_count,
                "error": failure.error,
                "reason": _without_nul(failure.reason[:4000]),
                "failed_at": datetime.now(UTC),
            }
            for failure in failures
        }
        self._upsert(_FAILURES, list(rows.values()), ["message_id", "receive_count"])

    def fetch_failures(self, message_ids: Sequence[str]) -> dict[str, Failure]:
        """The last failed attempt of each message that has one.

        Raises:
            LedgerUnavailable: the database does not answer.
        """
        query = select(_FAILURES).where(_FAILURES.c.message_id.in_(message_ids)).order_by(_FAILURES.c.receive_count)
        with self._connection() as connection:
            rows = connection.execute(query).mappings().all()
        return {
            row["message_id"]: Failure(row["message_id"], row["receive_count"], row["error"], row["reason"])
            for row in rows
        }

    def fetch_results(
        self, *, vehicle_id: str | None = None, status: str | None = None, limit: int = 1000
    ) -> list[InspectionResult]:
        """Results in the order their photos were taken, then inspected; those of no known time last.

        Args:
            vehicle_id: only this car's.
            status: only of this status.
            limit: at most so many.

        Raises:
            LedgerUnavailable: the database does not answer.
        """
        query = select(_INSPECTIONS.c.document).order_by(
            _INSPECTIONS.c.taken_at.nulls_last(), _INSPECTIONS.c.inspected_at
        )
        if vehicle_id is not None:
            query = query.where(_INSPECTIONS.c.vehicle_id == vehicle_id)
        if status is not None:
            query = query.where(_INSPECTIONS.c.status == status)
        with self._connection() as connection:
            documents = connection.execute(query.limit(limit)).scalars().all()
        return [InspectionResult.model_validate_json(document) for document in documents]

    def close(self) -> None:
        """Give every connection back."""
        self._engine.dispose()

    def _upsert(self, table: Table, rows: list[dict[str, Any]], identity: list[str]) -> None:
        if not rows:
            return
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        statement = dialect.insert(table)
        others = {column.name: statement.excluded[column.name] for column in table.c if column.name not in identity}
        upsert = statement.on_conflict_do_update(index_elements=identity, set_=others)
        with self._connection() as connection:
            connection.execute(upsert, rows)

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise LedgerUnavailable(f"ledger {_location(self._engine)}: {_reason(error)}") from error


def open_ledger(url: str) -> Ledger:
    """Connect and create the tables that are missing.

    Args:
        url: SQLAlchemy URL, sqlite:///… or postgresql+psycopg://….

    Raises:
        SetupError: no such database, or we may not write to it.
    """
    try:
        engine = create_engine(url, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise SetupError(f"ledger: expected sqlite:///PATH or postgresql+psycopg://…: {error}") from error
    except ValueError as error:  # of the port; its words may hold a piece of the password
        raise SetupError("ledger: expected a number as port: is a sign in the password not URL-encoded?") from error
    if engine.dialect.name not in {"sqlite", "postgresql"}:
        raise SetupError(f"ledger: expected SQLite or PostgreSQL, found {engine.dialect.name}")
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":  # CREATE … IF NOT EXISTS is not safe against itself there
                connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": _SCHEMA_LOCK_ID})
            for table in _METADATA.sorted_tables:
                connection.execute(CreateTable(table, if_not_exists=True))
            for index in _INDEXES:
                connection.execute(CreateIndex(index, if_not_exists=True))
    except SQLAlchemyError as error:
        raise SetupError(f"ledger {_location(engine)}: {_reason(error)}") from error
    return Ledger(engine)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Let several workers share the file: writers wait for each other, readers for nobody."""
    connection.execute("PRAGMA busy_timeout = 30000")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _row_of(result: InspectionResult) -> dict[str, Any]:
    return {
        "identity": result.identity(),
        "status": result.status,
        "error": result.error,
        "reason": _without_nul(result.reason),
        "damage_level": result.damage_level,
        "bucket": result.photo.bucket if result.photo else None,
        "key": result.photo.key if result.photo else None,
        "photo_sha256": result.photo_sha256,
        "model_set": result.model_set,
        "vehicle_id": result.vehicle_id,
        "view": result.view,
        "taken_at": result.taken_at.astimezone(UTC) if result.taken_at else None,
        "inspected_at": result.inspected_at.astimezone(UTC),
        "document": result.to_json_line(),
    }


def _without_nul(words: str | None) -> str | None:
    """PostgreSQL refuses NUL in text, and with it the whole transaction."""
    return words and words.replace("\x00", "\ufffd")


def _location(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=True)


def _reason(error: SQLAlchemyError) -> str:
    origin = getattr(error, "orig", None)
    return str(origin or error).strip().splitlines()[0]
