"""One contract for the ledger, kept by SQLite and by PostgreSQL."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from service.errors import LedgerUnavailable, SetupError
from service.ledger import Failure, Ledger, open_ledger
from tests.service.samples import NOON, rejection, result


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    opened = open_ledger(url)
    yield opened
    opened.close()


def test_a_result_comes_back_whole(ledger: Ledger):
    made = [result("a.jpg", attributes={"note": "Größe\x00😀"}), rejection("b.jpg", photo_sha256=None)]
    ledger.record_results(made)
    assert sorted(ledger.fetch_results(), key=lambda r: r.image_id) == made


def test_recording_a_result_twice_leaves_one_row_with_the_later_content(ledger: Ledger):
    ledger.record_results([result(gate_score=0.1), result("b.jpg")])
    ledger.record_results([result(gate_score=0.2), result(gate_score=0.3)])
    assert {r.image_id: r.gate_score for r in ledger.fetch_results()} == {"front.jpg": 0.3, "b.jpg": 0.9}


def test_a_history_is_in_the_order_the_photos_were_taken_then_inspected(ledger: Ledger):
    tokyo = timezone(timedelta(hours=9))
    rows = [
        result("third.jpg", taken_at=NOON, inspected_at=NOON + timedelta(seconds=2)),
        result("second.jpg", taken_at=NOON, inspected_at=NOON + timedelta(seconds=1)),
        result("fourth.jpg", taken_at=NOON + timedelta(microseconds=1)),
        result("first.jpg", taken_at=datetime(2026, 1, 5, 20, 59, tzinfo=tokyo)),
        result("other.jpg", vehicle_id="car-008"),
    ]
    ledger.record_results(rows)
    assert [r.image_id for r in ledger.fetch_results(vehicle_id="car-007")] == [
        "first.jpg",
        "second.jpg",
        "third.jpg",
        "fourth.jpg",
    ]


def test_photos_without_a_time_come_last(ledger: Ledger):
    ledger.record_results([result("undated.jpg", taken_at=None), result("dated.jpg")])
    assert [r.image_id for r in ledger.fetch_results()] == ["dated.jpg", "undated.jpg"]


def test_results_are_chosen_by_vehicle_by_status_and_by_number(ledger: Ledger):
    ledger.record_results(
        [
            result("a.jpg"),
            rejection("b.jpg"),
            rejection("c.jpg", vehicle_id="o'car; DROP TABLE inspections"),
            result("d.jpg", vehicle_id=None),
        ]
    )

    def names(**chosen: object) -> set[str]:
        return {r.image_id for r in ledger.fetch_results(**chosen)}

    assert names(vehicle_id="car-007") == {"a.jpg", "b.jpg"}
    assert names(status="rejected") == {"b.jpg", "c.jpg"}
    assert names(vehicle_id="car-007", status="rejected") == {"b.jpg"}
    assert names(vehicle_id="o'car; DROP TABLE inspections") == {"c.jpg"}
    assert names(vehicle_id="car-009") == set()
    assert len(ledger.fetch_results(limit=3)) == 3


def test_the_last_failure_of_each_message_is_known(ledger: Ledger):
    ledger.record_failures([Failure("m-1", 2, "StorageUnavailable", "s3 away"), Failure("m-2", 1, "ValueError", "bug")])
    ledger.record_failures([Failure("m-1", 1, "QueueUnavailable", "sqs away"), Failure("m-2", 1, "KeyError", "again")])
    assert ledger.fetch_failures(["m-1", "m-2", "m-3"]) == {
        "m-1": Failure("m-1", 2, "StorageUnavailable", "s3 away"),
        "m-2": Failure("m-2", 1, "KeyError", "again"),
    }
    assert ledger.fetch_failures([]) == {}


def test_a_long_reason_with_any_characters_is_kept_as_far_as_it_fits(ledger: Ledger):
    ledger.record_failures([Failure("m-1", 1, "ValueError", "ü\x00'\n" * 5000)])
    kept = ledger.fetch_failures(["m-1"])["m-1"].reason
    assert len(kept) == 4000
    assert kept.startswith("ü")


def test_one_results_odd_characters_never_keep_the_others_out(ledger: Ledger):
    odd = rejection("odd.jpg", reason="\x00: Extra inputs are not permitted", error="BadRequest")
    ledger.record_results([result("fine.jpg"), odd])
    assert {r.image_id for r in ledger.fetch_results()} == {"fine.jpg", "odd.jpg"}


def test_the_longest_names_that_a_request_may_have_fit(ledger: Ledger):
    made = result("k" * 1024, vehicle_id="v" * 256, image_id="i" * 256, rental_id="r" * 256)
    ledger.record_results([made])
    assert ledger.fetch_results(vehicle_id="v" * 256) == [made]


def test_nothing_to_record_needs_no_database(ledger: Ledger):
    ledger.record_results([])
    ledger.record_failures([])
    assert ledger.fetch_results() == []


def test_a_ledger_that_is_opened_again_still_knows(url: str):
    for number in range(2):
        ledger = open_ledger(url)
        ledger.record_results([result(f"{number}.jpg")])
        ledger.close()
    ledger = open_ledger(url)
    assert {r.image_id for r in ledger.fetch_results()} == {"0.jpg", "1.jpg"}
    ledger.close()


def test_an_empty_database_may_be_opened_by_many_at_once(url: str):
    start = threading.Barrier(8)

    def open_and_write(number: int) -> None:
        start.wait()
        ledger = open_ledger(url)
        ledger.record_results([result(f"{number}.jpg")])
        ledger.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(open_and_write, range(8)))
    ledger = open_ledger(url)
    assert len(ledger.fetch_results()) == 8
    ledger.close()


WRITER = """
import sys
from service.ledger import open_ledger
from tests.service.samples import result
ledger = open_ledger(sys.argv[1])
for number in range(20):
    ledger.record_results([result("shared.jpg"), result(f"{sys.argv[2]}-{number}.jpg")])
ledger.close()
"""


def test_processes_that_open_one_database_at_once_all_write(url: str):
    root = Path(__file__).resolve().parents[2]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, url, str(number)],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
            stderr=subprocess.PIPE,
        )
        for number in range(2)
    ]
    for process in started:
        _, complaint = process.communicate(timeout=60)
        assert process.returncode == 0, complaint.decode()
    ledger = open_ledger(url)
    assert len(ledger.fetch_results()) == 1 + 2 * 20
    ledger.close()


def test_threads_share_one_ledger(ledger: Ledger):
    start = threading.Barrier(6)

    def write(number: int) -> None:
        start.wait()
        for i in range(5):
            ledger.record_results([result("shared.jpg"), result(f"{number}-{i}.jpg")])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
    assert len(ledger.fetch_results()) == 31


def test_a_database_whose_tables_are_gone_is_unavailable(ledger: Ledger, url: str):
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE inspections"))
        connection.execute(text("DROP TABLE failures"))
    engine.dispose()
    calls: list[Callable[[], object]] = [
        lambda: ledger.record_results([result()]),
        lambda: ledger.record_failures([Failure("m", 1, "E", "r")]),
        ledger.fetch_results,
        lambda: ledger.fetch_failures(["m"]),
    ]
    for call in calls:
        with pytest.raises(LedgerUnavailable, match=r"^ledger (sqlite|postgresql)"):
            call()


def test_a_batch_is_recorded_whole_or_not_at_all(ledger: Ledger):
    broken = result("b.jpg").model_copy(update={"status": None})
    with pytest.raises(LedgerUnavailable):
        ledger.record_results([result("a.jpg"), broken])
    assert ledger.fetch_results() == []


def test_a_postgres_that_goes_away_and_comes_back_is_used_again(postgres_url: str):
    ledger = open_ledger(postgres_url)
    ledger.record_results([result("before.jpg", vehicle_id="car-away")])
    engine = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:  # what a failover does to every session
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :d AND pid <> pg_backend_pid()"
            ),
            {"d": make_url(postgres_url).database},
        )
    engine.dispose()
    ledger.record_results([result("after.jpg", vehicle_id="car-away")])
    assert len(ledger.fetch_results(vehicle_id="car-away")) == 2
    ledger.close()


@pytest.mark.parametrize(
    "bad_url",
    [
        "",
        "ledger.sqlite3",
        "sqlite:////no-such-folder/ledger.sqlite3",
        "sqlite:////proc/ledger.sqlite3",
        "mysql+pymysql://user:hunter2@127.0.0.1/x",
        "oracle://user:hunter2@127.0.0.1/x",
        "postgresql+nosuchdriver://user:hunter2@127.0.0.1/x",
        "postgresql+psycopg://user:hunter2@127.0.0.1:1/x?connect_timeout=2",
        "postgresql+psycopg://user:hunter2@127.0.0.1:notaport/x",
        "://user:hunter2@127.0.0.1",
    ],
)
def test_a_bad_url_is_a_set_up_error_without_the_password(bad_url: str):
    with pytest.raises(SetupError, match=r"^ledger") as refusal:
        open_ledger(bad_url)
    chain = [refusal.value, refusal.value.__cause__]
    assert "hunter2" not in str(chain[0])
    assert "\n" not in str(chain[0])


def test_the_password_is_in_no_message_of_an_outage(postgres_url: str):
    secret = make_url(postgres_url).set(password="hunter2")
    name = f"ledger_{uuid4().hex[:12]}"
    engine = create_engine(make_url(postgres_url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        ledger = open_ledger(secret.set(database=name).render_as_string(hide_password=False))
        ledger.close()
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
    engine.dispose()
    with pytest.raises(LedgerUnavailable) as outage:
        ledger.record_results([result()])
    assert "hunter2" not in str(outage.value)
    assert name in str(outage.value)


def test_a_database_that_takes_connections_and_says_nothing_is_an_outage():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        start = time.monotonic()
        with pytest.raises(SetupError, match="timeout"):
            open_ledger(f"postgresql+psycopg://u:p@127.0.0.1:{silent.getsockname()[1]}/ledger")
    assert time.monotonic() - start < 60
