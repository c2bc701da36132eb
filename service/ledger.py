"""ledger: one row a result and one a failed attempt, in SQL.

SQLite by default, PostgreSQL in production. The rows are written after the results bucket and before the message is
deleted, so a row can be late but never lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from service.ledger_engine import open_engine, transaction
from service.ledger_schema import FAILURES, INSPECTIONS, is_current, join_labels, migrate
from service.result import InspectionResult


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
        self._upsert(INSPECTIONS, list(rows.values()), ["identity"])

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
        self._upsert(FAILURES, list(rows.values()), ["message_id", "receive_count"])

    def fetch_failures(self, message_ids: Sequence[str]) -> dict[str, Failure]:
        """The last failed attempt of each message that has one.

        Raises:
            LedgerUnavailable: the database does not answer.
        """
        query = select(FAILURES).where(FAILURES.c.message_id.in_(message_ids)).order_by(FAILURES.c.receive_count)
        with transaction(self._engine) as connection:
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
        query = select(INSPECTIONS.c.document).order_by(INSPECTIONS.c.taken_at.nulls_last(), INSPECTIONS.c.inspected_at)
        if vehicle_id is not None:
            query = query.where(INSPECTIONS.c.vehicle_id == vehicle_id)
        if status is not None:
            query = query.where(INSPECTIONS.c.status == status)
        with transaction(self._engine) as connection:
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
        with transaction(self._engine) as connection:
            connection.execute(upsert, rows)


def open_ledger(url: str) -> Ledger:
    """Connect, and create or upgrade the tables unless they stand; a user who may not create any can use them then.

    Args:
        url: SQLAlchemy URL, sqlite:///… or postgresql+psycopg://….

    Raises:
        SetupError: no such database, a schema that only newer software knows, or tables that we may not create.
    """
    engine = open_engine(url)
    if not is_current(engine):
        migrate(engine)
    return Ledger(engine)


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
        "labels": join_labels(region.label for region in result.regions),
    }


def _without_nul(words: str | None) -> str | None:
    """PostgreSQL refuses NUL in text, and with it the whole transaction."""
    return words and words.replace("\x00", "\ufffd")
