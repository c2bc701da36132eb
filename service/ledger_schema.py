"""The ledger's tables, their version, and the way from an older version to this one.

Version 1: inspections, failures. Version 2: the labels of an inspection, the indexes of the pages, ledger_schema.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
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
    bindparam,
    inspect,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from service.errors import SetupError
from service.ledger_engine import complaint, location

SCHEMA_VERSION: Final = 2
"""What this software makes and knows."""

_KNOWN_FROM: Final = 1  # the oldest software that may work on this version's tables
_SCHEMA_LOCK_ID: Final = 0x76642D6C  # any number that nothing else in the database locks
_FILLED_AT_ONCE: Final = 500

_METADATA: Final = MetaData()

INSPECTIONS: Final = Table(
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
    Column("labels", Text),  # ",dent,scratch,"; null where a writer of version 1 wrote the row
)
FAILURES: Final = Table(
    "failures",
    _METADATA,
    Column("message_id", String(128), primary_key=True),
    Column("receive_count", Integer, primary_key=True),
    Column("error", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("failed_at", DateTime(timezone=True), nullable=False),
)
_SCHEMA: Final = Table(
    "ledger_schema",
    _METADATA,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("known_from", Integer, nullable=False),  # software of an older schema version must not touch the tables
)

_NEWEST: Final = (INSPECTIONS.c.inspected_at, INSPECTIONS.c.identity)
IS_DAMAGED: Final = INSPECTIONS.c.damage_level == literal_column("1")  # no parameter: the planner must see the index's
_INDEXES: Final = (
    Index("inspections_vehicle", INSPECTIONS.c.vehicle_id, INSPECTIONS.c.taken_at),
    Index("inspections_newest", *_NEWEST),
    Index("inspections_newest_of_vehicle", INSPECTIONS.c.vehicle_id, *_NEWEST),
    Index("inspections_newest_of_status", INSPECTIONS.c.status, *_NEWEST),
    Index("inspections_newest_of_model_set", INSPECTIONS.c.model_set, *_NEWEST),
    Index("inspections_newest_damaged", *_NEWEST, postgresql_where=IS_DAMAGED, sqlite_where=IS_DAMAGED),
)


@dataclass(frozen=True)
class Migration:
    """What a migration found and did.

    Attributes:
        location: the database's URL without its password.
        found: version that stood; None: no tables.
        made: tables, columns and indexes that were created.
        filled: rows whose labels were written after the fact.
    """

    location: str
    found: int | None
    made: tuple[str, ...]
    filled: int


def join_labels(labels: Iterable[str]) -> str:
    """The labels column of a result: each label once, between commas; "" when there are none."""
    found = sorted(set(labels))
    return f",{','.join(found)}," if found else ""


def is_current(engine: Engine) -> bool:
    """Say whether this software can work on the tables as they stand.

    Returns:
        True for this version, and for a newer one that this software may work on; False where `migrate` has to come
        first.

    Raises:
        SetupError: a newer version that this software must not touch; the database does not answer.
    """
    try:
        with engine.connect() as connection:
            version, tables = _read_version(connection, engine)
    except SQLAlchemyError as error:
        raise SetupError(complaint(engine, error)) from error
    return _is_whole(version, tables)


def migrate(engine: Engine, *, is_filling: bool = True) -> Migration:
    """Create what is missing, whole or not at all; of several at once, one works and the others find it done.

    Building an index keeps writers waiting, not readers.

    Args:
        engine: of the ledger.
        is_filling: also write the labels of rows that software of version 1 left.

    Raises:
        SetupError: a newer version that this software must not touch; we may not write to the database.
    """
    try:
        with engine.begin() as connection:
            _lock(connection, engine)
            version, tables = _read_version(connection, engine)
            made = [] if _is_whole(version, tables) else _create_missing(connection, tables)
            filled = _fill_labels(connection) if is_filling else 0
    except SQLAlchemyError as error:
        raise SetupError(complaint(engine, error)) from error
    found = version if "inspections" in tables else None
    return Migration(location(engine), found, tuple(made), filled)


def _read_version(connection: Connection, engine: Engine) -> tuple[int, set[str]]:
    """The version that stands, at most ours when we may work on it, and the names of the tables; 1 when none says."""
    tables = set(inspect(connection).get_table_names())
    if "ledger_schema" not in tables:
        return 1, tables
    row = connection.execute(select(_SCHEMA).order_by(_SCHEMA.c.version.desc())).mappings().first()
    if row is None:
        return 1, tables
    if row["known_from"] > SCHEMA_VERSION:
        raise SetupError(
            f"ledger {location(engine)}: its schema is version {row['version']} and needs software that knows version "
            f"{row['known_from']}, this one knows {SCHEMA_VERSION}: run a newer release"
        )
    return min(row["version"], SCHEMA_VERSION), tables


def _is_whole(version: int, tables: set[str]) -> bool:
    return version == SCHEMA_VERSION and _METADATA.tables.keys() <= tables


def _lock(connection: Connection, engine: Engine) -> None:
    if engine.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": _SCHEMA_LOCK_ID})
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _create_missing(connection: Connection, tables: set[str]) -> list[str]:
    made = []
    for table in _METADATA.sorted_tables:
        if table.name not in tables:
            connection.execute(CreateTable(table))
            made.append(f"table {table.name}")
    if "inspections" in tables and not _has(connection, INSPECTIONS.c.labels):
        connection.exec_driver_sql("ALTER TABLE inspections ADD COLUMN labels TEXT")
        made.append("column inspections.labels")
    indexes = {index["name"] for index in inspect(connection).get_indexes("inspections")}
    for index in _INDEXES:
        if index.name not in indexes:
            connection.execute(CreateIndex(index))
            made.append(f"index {index.name}")
    connection.execute(_SCHEMA.delete())
    connection.execute(_SCHEMA.insert(), {"version": SCHEMA_VERSION, "known_from": _KNOWN_FROM})
    return made


def _has(connection: Connection, column: Column[Any]) -> bool:
    return column.name in {found["name"] for found in inspect(connection).get_columns(column.table.name)}


def _fill_labels(connection: Connection) -> int:
    """Write the labels that software of version 1 did not know; undamaged photos have none, and stay as they are."""
    table, filled = INSPECTIONS, 0
    missing = select(table.c.identity, table.c.document).where(IS_DAMAGED, table.c.labels.is_(None))
    write = update(table).where(table.c.identity == bindparam("which")).values(labels=bindparam("found"))
    while rows := connection.execute(missing.limit(_FILLED_AT_ONCE)).all():
        found = [
            (identity, [region["label"] for region in json.loads(document)["regions"]]) for identity, document in rows
        ]
        connection.execute(write, [{"which": identity, "found": join_labels(labels)} for identity, labels in found])
        filled += len(rows)
    return filled
