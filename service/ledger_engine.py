"""The ledger's database: which ones we speak to, and how each is opened.

Must not know: tables.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from service.errors import LedgerUnavailable, SetupError

_READ_LIMIT_MS: Final = 10_000
# libpq's: a database that is gone without a word (a failover, a dropped route) is an outage after some 15 s, not hours.
_POSTGRES_TIMEOUTS: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
}


def open_engine(url: str, *, is_read_only: bool = False) -> Engine:
    """Name the database; nothing is called yet.

    Args:
        url: SQLAlchemy URL, sqlite:///… or postgresql+psycopg://….
        is_read_only: the database itself refuses to write, and PostgreSQL ends a query after ten seconds.

    Raises:
        SetupError: no URL, or of a database that we do not speak to.
    """
    try:
        engine = create_engine(url, pool_pre_ping=True, connect_args=_connect_arguments(url))
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise SetupError(f"ledger: expected sqlite:///PATH or postgresql+psycopg://…: {error}") from error
    except ValueError as error:  # of the port; its words may hold a piece of the password
        raise SetupError("ledger: expected a number as port: is a sign in the password not URL-encoded?") from error
    if engine.dialect.name not in {"sqlite", "postgresql"}:
        raise SetupError(f"ledger: expected SQLite or PostgreSQL, found {engine.dialect.name}")
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    if is_read_only:
        event.listen(engine, "connect", _READ_ONLY[engine.dialect.name])
    return engine


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Run a block in one transaction.

    Raises:
        LedgerUnavailable: the database does not answer, or refuses.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise LedgerUnavailable(complaint(engine, error)) from error


def location(engine: Engine) -> str:
    """The database's URL without its password."""
    return engine.url.render_as_string(hide_password=True)


def complaint(engine: Engine, error: SQLAlchemyError) -> str:
    """One line that names the database and what it said."""
    origin = getattr(error, "orig", None)
    return f"ledger {location(engine)}: {str(origin or error).strip().splitlines()[0]}"


def _connect_arguments(url: str) -> dict[str, int]:
    """Those of PostgreSQL that the URL does not say itself."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "postgresql":
        return {}
    return {name: value for name, value in _POSTGRES_TIMEOUTS.items() if name not in parsed.query}


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Let several workers share the file: writers wait for each other, readers for nobody."""
    connection.execute("PRAGMA busy_timeout = 30000")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _read_only_sqlite(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA query_only = ON")


def _read_only_postgres(connection: Any, _record: object) -> None:
    connection.execute("SET default_transaction_read_only = on")
    connection.execute(f"SET statement_timeout = {_READ_LIMIT_MS}")
    connection.commit()


_READ_ONLY: Final = {"sqlite": _read_only_sqlite, "postgresql": _read_only_postgres}
