"""The ledger is read page by page: everything once, in order, by an index, and never written to."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event, text

from service.errors import LedgerUnavailable, SetupError
from service.ledger import Ledger, open_ledger
from service.ledger_engine import open_engine, transaction
from service.ledger_pages import InspectionFilter, LedgerPages, Page, open_ledger_pages
from tests.service.samples import NOON, region, rejection, result

DENT = region(class_name=2, label="dent")


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    opened = open_ledger(url)
    yield opened
    opened.close()


@pytest.fixture
def pages(ledger: Ledger, url: str) -> Iterator[LedgerPages]:
    opened = open_ledger_pages(url)
    yield opened
    opened.close()


def names(page: Page) -> list[str]:
    return [result.image_id for result in page.results]


def walk(pages: LedgerPages, chosen: InspectionFilter, *, limit: int) -> list[str]:
    """Every name, page after page."""
    seen, below = [], None
    while True:
        page = pages.fetch_newest(chosen, below=below, limit=limit)
        assert 0 < len(page.results) <= limit
        seen += names(page)
        if page.older is None:
            return seen
        below = page.older


def test_pages_of_any_size_hold_everything_once_in_order(ledger: Ledger, pages: LedgerPages):
    ledger.record_results(
        [result(f"{n:02}.jpg", inspected_at=NOON + timedelta(microseconds=n // 5)) for n in range(23)]
    )
    expected = [f"{n:02}.jpg" for n in reversed(range(23))]
    for limit in (1, 4, 5, 22, 23, 24):
        assert walk(pages, InspectionFilter(), limit=limit) == expected


def test_what_arrives_meanwhile_moves_no_page(ledger: Ledger, pages: LedgerPages):
    ledger.record_results([result(f"{n}.jpg", inspected_at=NOON + timedelta(seconds=n)) for n in range(4)])
    first = pages.fetch_newest(InspectionFilter(), below=None, limit=2)
    ledger.record_results([result("9.jpg", inspected_at=NOON + timedelta(hours=1))])
    second = pages.fetch_newest(InspectionFilter(), below=first.older, limit=2)
    assert (names(first), names(second), second.older) == (["3.jpg", "2.jpg"], ["1.jpg", "0.jpg"], None)


def test_each_filter_chooses_and_all_hold_together(ledger: Ledger, pages: LedgerPages):
    ledger.record_results(
        [
            result("scratch.jpg", inspected_at=NOON),
            result("dent.jpg", regions=(DENT,), vehicle_id="other", model_set="new", inspected_at=NOON),
            result("both.jpg", regions=(DENT, region(), DENT), inspected_at=NOON + timedelta(hours=1)),
            result("clean.jpg", regions=(), damage_level=0, status="undamaged", inspected_at=NOON),
            rejection("rejected.jpg", inspected_at=NOON - timedelta(microseconds=1)),
        ]
    )
    seoul = timezone(timedelta(hours=9))
    noon_there = datetime(2026, 1, 5, 21, 0, tzinfo=seoul)
    for chosen, expected in [
        ({"vehicle_id": "other"}, {"dent.jpg"}),
        ({"status": "rejected"}, {"rejected.jpg"}),
        ({"is_damaged": True}, {"scratch.jpg", "dent.jpg", "both.jpg"}),
        ({"is_damaged": False}, {"clean.jpg", "rejected.jpg"}),
        ({"label": "dent"}, {"dent.jpg", "both.jpg"}),
        ({"label": "scratch"}, {"scratch.jpg", "both.jpg"}),
        ({"label": "spacing"}, set()),
        ({"label": "_ent"}, set()),
        ({"label": "%"}, set()),
        ({"model_set": "new"}, {"dent.jpg"}),
        ({"since": noon_there}, {"scratch.jpg", "dent.jpg", "both.jpg", "clean.jpg"}),
        ({"until": noon_there}, {"rejected.jpg"}),
        ({"label": "dent", "vehicle_id": "car-007", "since": NOON, "status": "inspected"}, {"both.jpg"}),
        ({"vehicle_id": "x' OR '1'='1"}, set()),
    ]:
        page = pages.fetch_newest(InspectionFilter(**chosen), below=None, limit=10)
        assert set(names(page)) == expected, chosen


def test_a_cars_photos_come_by_the_time_they_were_taken(ledger: Ledger, pages: LedgerPages):
    ledger.record_results(
        [
            result("old.jpg", taken_at=NOON - timedelta(days=9), inspected_at=NOON + timedelta(days=9)),
            result("new.jpg", taken_at=NOON, inspected_at=NOON),
            result("undated.jpg", taken_at=None, inspected_at=NOON - timedelta(days=1)),
            result("other.jpg", vehicle_id="other"),
        ]
    )
    first = pages.fetch_vehicle("car-007", below=None, limit=2)
    assert names(first) == ["new.jpg", "undated.jpg"]
    assert names(pages.fetch_vehicle("car-007", below=first.older, limit=2)) == ["old.jpg"]
    assert pages.fetch_vehicle("never", below=None, limit=2) == Page((), None)


def test_one_inspection_is_known_by_its_identity(ledger: Ledger, pages: LedgerPages):
    made = result("odd//../größe ?#.jpg")
    ledger.record_results([made])
    assert pages.fetch_inspection(made.identity()) == made
    assert pages.fetch_inspection("none") is None


def test_the_pages_can_write_nothing(ledger: Ledger, url: str):
    engine = open_engine(url, is_read_only=True)
    with pytest.raises(LedgerUnavailable, match=r"read-?only"), transaction(engine) as connection:
        connection.execute(text("DELETE FROM inspections"))
    engine.dispose()


def test_a_ledger_without_tables_is_refused_and_left_without(url: str):
    for _ in range(2):
        with pytest.raises(SetupError, match=r"run vehicle-damage ledger migrate$"):
            open_ledger_pages(url)


def test_a_ledger_whose_tables_went_is_unavailable(pages: LedgerPages, url: str):
    pages.check()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE inspections"))
    engine.dispose()
    with pytest.raises(LedgerUnavailable):
        pages.check()


@pytest.mark.parametrize(
    ("chosen", "index"),
    [
        (InspectionFilter(), "inspections_newest"),
        (InspectionFilter(vehicle_id="car-007"), "inspections_newest_of_vehicle"),
        (InspectionFilter(status="rejected"), "inspections_newest_of_status"),
        (InspectionFilter(model_set="new"), "inspections_newest_of_model_set"),
        (InspectionFilter(is_damaged=True), "inspections_newest_damaged"),
        (InspectionFilter(label="dent"), "inspections_newest_damaged"),
    ],
)
def test_every_list_is_read_along_an_index_without_sorting(tmp_path: Path, chosen: InspectionFilter, index: str):
    url = f"sqlite:///{tmp_path / 'ledger.sqlite3'}"
    ledger = open_ledger(url)
    ledger.record_results([result(f"{n}.jpg", inspected_at=NOON + timedelta(seconds=n)) for n in range(3)])
    ledger.close()
    engine, asked = open_engine(url), []
    event.listen(engine, "before_cursor_execute", lambda *call: asked.append(call[2:4]))
    pages = LedgerPages(engine)
    below = pages.fetch_newest(InspectionFilter(), below=None, limit=1).older
    pages.fetch_newest(chosen, below=below, limit=1)
    statement, values = asked[-1]
    with engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    pages.close()
    assert [row[3] for row in plan if "USING INDEX" in row[3] and row[3].split("USING INDEX ")[1].split()[0] == index]
    assert not [row[3] for row in plan if "TEMP B-TREE" in row[3]]
