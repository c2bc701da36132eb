"""An address leads to what it names, whatever a message called it."""

import base64
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.ledger_pages import Position
from service.review.links import build_link, build_query, decode_position, encode_position

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


def test_a_plain_name_reads_as_it_is():
    assert build_link("inspections", "fleet-photos/drives/7/front.jpg/0a-1b.json") == (
        "/inspections/fleet-photos/drives/7/front.jpg/0a-1b.json"
    )


@pytest.mark.parametrize(
    "name", ["a//b", "a/../b", "./a", "a/.hidden", "a b", "a?b#c", "50%", "/a", "a/", "größe", "a\nb"]
)
def test_what_a_proxy_would_fold_is_one_part_of_the_path(name: str):
    path = build_link("photos", name).removeprefix("/photos/")
    assert "/" not in path
    assert unquote(path) == name


@given(name=NAMES)
def test_every_name_survives_the_way_through_a_browser(name: str):
    seen = urlsplit(urljoin("http://host/vehicles/x", build_link("vehicles", f"b{name}", marks="off")))
    assert unquote(seen.path) == f"/vehicles/b{name}"
    assert seen.query == "marks=off"
    assert seen.netloc == "host"


def test_a_query_leaves_out_what_was_not_said():
    assert build_query(found="dent", status=None, since="") == "?found=dent"
    assert build_query(vehicle_id="a&b=c d") == "?vehicle_id=a%26b%3Dc+d"
    assert build_query() == ""


@given(moment=st.datetimes(timezones=st.just(UTC)), identity=st.text("abc/.-é😀", min_size=1))
def test_a_place_in_a_list_comes_back(moment: datetime, identity: str):
    word = encode_position(Position(moment, identity))
    assert decode_position(word) == Position(moment, identity)
    assert not set(word) & set("+/=&?#% ")


def test_a_place_of_another_time_zone_is_the_same_moment():
    tokyo = datetime(2026, 1, 5, 9, 30, tzinfo=timezone(timedelta(hours=9)))
    assert decode_position(encode_position(Position(tokyo, "a"))).moment == tokyo


@given(word=st.text(max_size=40))
def test_any_other_word_is_refused(word: str):
    with pytest.raises(ValueError, match=r".+"):
        decode_position(word)


@pytest.mark.parametrize(
    "said",
    [
        '["2026-01-05T12:00:00","a"]',
        '["now","a"]',
        '[1,"a"]',
        '{"a":1}',
        "7",
        '["2026-01-05T12:00:00+00:00","a\\u0000"]',
    ],
)
def test_a_forged_place_is_refused(said: str):
    with pytest.raises(ValueError, match=r".+"):
        decode_position(base64.urlsafe_b64encode(said.encode()).decode())
