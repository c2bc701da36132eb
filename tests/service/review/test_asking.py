"""A question is understood whole, or refused by the name that is wrong."""

from datetime import UTC, date, datetime
from typing import get_args

import pytest

from models.structures import DAMAGE_CLASSES
from service.ledger_pages import InspectionFilter, Position
from service.result import Status
from service.review.asking import Asked, AskedList, AskedPhoto, BadQuestion, Found, parse_question
from service.review.drawing import LARGE_PX, SMALL_PX, PhotoView
from service.review.html import FINDINGS, STATUSES
from service.review.links import encode_position


def ask(**said: str) -> AskedList:
    return parse_question(AskedList, said)


def test_no_question_asks_for_everything():
    assert ask().to_filter() == InspectionFilter()
    assert ask(vehicle_id="", status=" ", found="", since="").to_filter() == InspectionFilter()


def test_every_field_reaches_the_filter():
    asked = ask(
        vehicle_id=" car 7 ", status="rejected", found="dent", model_set="0a", since="2026-01-05", until="2026-01-06"
    )
    assert asked.to_filter() == InspectionFilter(
        vehicle_id="car 7",
        status="rejected",
        label="dent",
        model_set="0a",
        since=datetime(2026, 1, 5, tzinfo=UTC),
        until=datetime(2026, 1, 7, tzinfo=UTC),
    )


@pytest.mark.parametrize(("found", "is_damaged"), [("damage", True), ("nothing", False), ("spacing", None)])
def test_damage_of_any_class_and_none_can_be_asked_for(found: str, is_damaged: bool | None):
    chosen = ask(found=found).to_filter()
    assert (chosen.is_damaged, chosen.label) == (is_damaged, found if found in DAMAGE_CLASSES else None)


def test_what_was_asked_can_be_asked_again():
    asked = ask(vehicle_id="car", since="2026-01-05", below=encode_position(Position(datetime.now(UTC), "a")))
    assert asked.to_words() == {"vehicle_id": "car", "since": "2026-01-05"}
    assert ask(**asked.to_words()).since == date(2026, 1, 5)


def test_the_form_offers_every_value_that_is_understood():
    assert set(FINDINGS) == set(get_args(Found)) == {"damage", "nothing", *DAMAGE_CLASSES}
    assert set(STATUSES) == set(get_args(Status))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"stauts": "rejected"}, r"^stauts: no such question here; expected below, vehicle_id, "),
        ({"status": "broken"}, r"^status: Input should be .*found 'broken'"),
        ({"found": "rust"}, r"^found: .*found 'rust'"),
        ({"since": "yesterday"}, r"^since: .*found 'yesterday'"),
        ({"until": "9999-12-31"}, r"^until: expected a day before"),
        ({"vehicle_id": "a\x00"}, r"^vehicle_id: "),
        ({"vehicle_id": "v" * 257}, r"^vehicle_id: .{,200}$"),
        ({"below": "nonsense"}, r"^below: not made by this page, found 'nonsense'"),
    ],
)
def test_a_bad_question_is_refused_by_name(said: dict[str, str], words: str):
    with pytest.raises(BadQuestion, match=words):
        parse_question(AskedList, said)


def test_a_car_is_asked_for_nothing_but_a_place():
    assert parse_question(Asked, {}).below is None
    with pytest.raises(BadQuestion, match=r"^status: no such question here; expected below$"):
        parse_question(Asked, {"status": "rejected"})


def test_a_photo_is_large_and_marked_unless_asked_otherwise():
    assert parse_question(AskedPhoto, {}).to_view() == PhotoView(LARGE_PX, True)
    asked = parse_question(AskedPhoto, {"size": "small", "marks": "off", "region": "2"})
    assert asked.to_view() == PhotoView(SMALL_PX, False, 2)


@pytest.mark.parametrize("said", [{"size": "huge"}, {"marks": "1"}, {"region": "-1"}, {"region": "x"}, {"width": "9"}])
def test_no_other_photo_can_be_asked_for(said: dict[str, str]):
    with pytest.raises(BadQuestion, match=rf"^{next(iter(said))}: "):
        parse_question(AskedPhoto, said)
