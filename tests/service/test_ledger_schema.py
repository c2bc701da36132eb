"""The ledger's tables come from any version to this one, once, whole, and never back."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.engine import make_url

from service.commands.ledger import migrate_ledger
from service.errors import SetupError
from service.ledger import open_ledger
from service.ledger_engine import open_engine
from service.ledger_pages import InspectionFilter, open_ledger_pages
from service.ledger_schema import SCHEMA_VERSION, is_current, join_labels, migrate
from tests.service.samples import region, rejection, result

_VERSION_1 = (
    "CREATE TABLE inspections (identity TEXT PRIMARY KEY, status VARCHAR(16) NOT NULL, error VARCHAR(64), reason TEXT,"
    " damage_level INTEGER NOT NULL, bucket VARCHAR(63), key TEXT, photo_sha256 VARCHAR(64),"
    " model_set VARCHAR(64) NOT NULL, vehicle_id VARCHAR(256), view VARCHAR(16), taken_at TIMESTAMP{zone},"
    " inspected_at TIMESTAMP{zone} NOT NULL, document TEXT NOT NULL)",
    "CREATE TABLE failures (message_id VARCHAR(128) NOT NULL, receive_count INTEGER NOT NULL,"
    " error VARCHAR(64) NOT NULL, reason TEXT NOT NULL, failed_at TIMESTAMP{zone} NOT NULL,"
    " PRIMARY KEY (message_id, receive_count))",
    "CREATE INDEX inspections_vehicle ON inspections (vehicle_id, taken_at)",
)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    opened = open_engine(url)
    yield opened
    opened.dispose()


def run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def make_version_1(engine: Engine) -> None:
    """The tables and two rows as the first release wrote them: labels unknown."""
    zone = " WITH TIME ZONE" if engine.dialect.name == "postgresql" else ""
    run(engine, *(statement.format(zone=zone) for statement in _VERSION_1))
    columns = [column["name"] for column in inspect(engine).get_columns("inspections")]
    dents = (region(class_name=2, label="dent"), region(), region(class_name=2, label="dent"))
    with engine.begin() as connection:
        for made in (result("dents.jpg", regions=dents), rejection("rejected.jpg")):
            row = {
                "identity": made.identity(), "status": made.status, "error": made.error, "reason": made.reason,
                "damage_level": made.damage_level, "bucket": made.photo.bucket, "key": made.photo.key,
                "photo_sha256": made.photo_sha256, "model_set": made.model_set, "vehicle_id": made.vehicle_id,
                "view": made.view, "taken_at": str(made.taken_at)[:19], "inspected_at": str(made.inspected_at)[:19],
                "document": made.to_json_line(),
            }  # fmt: skip
            names = ", ".join(columns)
            values = ", ".join(f":{name}" for name in columns)
            connection.execute(text(f"INSERT INTO inspections ({names}) VALUES ({values})"), row)


def indexes_of(engine: Engine) -> set[str]:
    return {index["name"] for index in inspect(engine).get_indexes("inspections")}


def test_an_empty_database_gets_everything_and_says_so(engine: Engine):
    done = migrate(engine)
    assert done.found is None
    assert {"table inspections", "table failures", "table ledger_schema", "index inspections_newest"} <= set(done.made)
    assert len(indexes_of(engine)) == 6
    assert is_current(engine)


def test_a_second_migration_finds_nothing_to_do(engine: Engine):
    migrate(engine)
    again = migrate(engine)
    assert (again.found, again.made, again.filled) == (SCHEMA_VERSION, (), 0)


def test_the_first_release_becomes_this_one_and_keeps_its_rows(engine: Engine, url: str):
    make_version_1(engine)
    assert not is_current(engine)
    done = migrate(engine)
    assert (done.found, done.filled) == (1, 1)
    assert {"table ledger_schema", "column inspections.labels", "index inspections_newest"} <= set(done.made)
    assert "table inspections" not in done.made
    assert len(indexes_of(engine)) == 6
    pages = open_ledger_pages(url)
    chosen = {
        label: [r.image_id for r in pages.fetch_newest(InspectionFilter(label=label), below=None, limit=9).results]
        for label in ("scratch", "dent", "spacing")
    }
    assert chosen == {"scratch": ["dents.jpg"], "dent": ["dents.jpg"], "spacing": []}
    pages.close()


def test_a_worker_upgrades_what_it_finds_and_the_pages_refuse_it(engine: Engine, url: str):
    make_version_1(engine)
    with pytest.raises(SetupError, match=r"its tables are missing or old: run vehicle-damage ledger migrate$"):
        open_ledger_pages(url)
    ledger = open_ledger(url)
    ledger.record_results([result("later.jpg")])
    assert {r.image_id for r in ledger.fetch_results()} == {"dents.jpg", "rejected.jpg", "later.jpg"}
    ledger.close()
    open_ledger_pages(url).close()


def test_rows_that_an_older_worker_writes_later_are_filled_next_time(engine: Engine, url: str):
    ledger = open_ledger(url)
    ledger.record_results([result(f"{number}.jpg") for number in range(3)])
    ledger.close()
    run(engine, "UPDATE inspections SET labels = NULL")
    assert migrate(engine).filled == 3
    assert migrate(engine).filled == 0


def test_a_newer_schema_that_we_may_work_on_is_used_as_it_is(engine: Engine, url: str):
    migrate(engine)
    run(
        engine,
        f"UPDATE ledger_schema SET version = {SCHEMA_VERSION + 5}, known_from = {SCHEMA_VERSION}",
        "ALTER TABLE inspections ADD COLUMN mood TEXT",
    )
    ledger = open_ledger(url)
    ledger.record_results([result("a.jpg")])
    assert [r.image_id for r in ledger.fetch_results()] == ["a.jpg"]
    ledger.close()
    assert migrate(engine).made == ()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version FROM ledger_schema")).scalars().all() == [SCHEMA_VERSION + 5]


def test_a_newer_schema_that_we_must_not_touch_is_refused_in_one_line(engine: Engine, url: str):
    migrate(engine)
    newer = SCHEMA_VERSION + 1
    run(engine, f"UPDATE ledger_schema SET version = {newer + 1}, known_from = {newer}")
    for attempt in (open_ledger, open_ledger_pages, migrate_ledger):
        with pytest.raises(SetupError) as refusal:
            attempt(url)
        assert "\n" not in str(refusal.value)
        assert f"its schema is version {newer + 1} and needs software that knows version {newer}" in str(refusal.value)


def test_many_that_migrate_at_once_make_everything_once(url: str):
    engine = open_engine(url)
    make_version_1(engine)
    engine.dispose()
    start = threading.Barrier(6)

    def migrate_once(_: int) -> int:
        own = open_engine(url)
        start.wait()
        made = len(migrate(own).made)
        own.dispose()
        return made

    with ThreadPoolExecutor(6) as pool:
        made = sorted(pool.map(migrate_once, range(6)))
    assert made[:5] == [0] * 5
    assert made[5] == 7


def test_a_migration_that_breaks_changes_nothing(engine: Engine):
    make_version_1(engine)
    run(engine, "UPDATE inspections SET document = 'no json' WHERE damage_level = 1")
    before = indexes_of(engine)
    with pytest.raises(ValueError, match="Expecting value"):
        migrate(engine)
    assert indexes_of(engine) == before
    assert "ledger_schema" not in inspect(engine).get_table_names()


def test_a_user_who_may_create_nothing_can_work_on_tables_that_stand(postgres_url: str):
    admin_url = make_url(postgres_url)
    name = f"granted_{uuid4().hex[:12]}"
    admin = create_engine(admin_url, isolation_level="AUTOCOMMIT")
    run(admin, f"CREATE DATABASE {name}", f"CREATE ROLE {name} LOGIN PASSWORD 'none'")
    admin.dispose()
    own_url = admin_url.set(database=name)
    migrate_ledger(own_url.render_as_string(hide_password=False))
    owner = create_engine(own_url)
    run(
        owner,
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        f"GRANT SELECT, INSERT, UPDATE ON inspections, failures TO {name}",
        f"GRANT SELECT ON ledger_schema TO {name}",
    )
    owner.dispose()
    ledger = open_ledger(own_url.set(username=name, password="none").render_as_string(hide_password=False))
    ledger.record_results([result("a.jpg")])
    assert len(ledger.fetch_results()) == 1
    ledger.close()


def test_the_command_says_what_stood_and_what_was_made(engine: Engine, url: str):
    make_version_1(engine)
    lines = migrate_ledger(url)
    assert lines[0].endswith("found schema version 1")
    assert "made column inspections.labels" in lines
    assert lines[-2:] == ["wrote the labels of 1 inspections", f"schema version {SCHEMA_VERSION} stands"]
    assert migrate_ledger(url)[0].endswith(f"found schema version {SCHEMA_VERSION}")
    assert len(migrate_ledger(url)) == 2


def test_labels_are_joined_once_each_in_a_fixed_order():
    assert join_labels(["scratch", "dent", "scratch"]) == ",dent,scratch,"
    assert join_labels([]) == ""
