"""ledger: the tables, made or brought up to date before anything else starts."""

from service.ledger_engine import open_engine
from service.ledger_schema import SCHEMA_VERSION, migrate


def migrate_ledger(url: str) -> list[str]:
    """Create or upgrade the ledger's tables; where they stand, nothing is done.

    Args:
        url: SQLAlchemy URL, sqlite:///… or postgresql+psycopg://….

    Returns:
        What stood and what was done, a line each.

    Raises:
        SetupError: no such database, a schema that only newer software knows, or tables that we may not create.
    """
    engine = open_engine(url)
    try:
        done = migrate(engine)
    finally:
        engine.dispose()
    stood = "no tables" if done.found is None else f"schema version {done.found}"
    lines = [f"ledger {done.location}: found {stood}", *(f"made {what}" for what in done.made)]
    if done.filled:
        lines.append(f"wrote the labels of {done.filled} inspections")
    return [*lines, f"schema version {SCHEMA_VERSION} stands"]
