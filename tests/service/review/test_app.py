"""The pages as a browser gets them: over HTTP, from a process of their own."""

import hashlib
import json
import re
import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

import cv2
import numpy as np
import pytest

from service.request import PhotoLocation
from service.result import InspectionResult
from service.review.links import build_link, build_query
from service.review.overlay import COLOURS_RGB
from tests.service.review.conftest import Fleet
from tests.service.review.site import Outline
from tests.service.samples import NOON, region, rejection, result
from tests.service.world import rendered_jpeg

ATTACK = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}"


@pytest.fixture
def car() -> str:
    """A vehicle of the test's own."""
    return f"car-{uuid4().hex[:8]}"


def record(fleet: Fleet, *results: InspectionResult) -> None:
    fleet.ledger.record_results(results)


def listed(fleet: Fleet, path: str) -> list[str]:
    """Names of the photos on a list, in order."""
    outline = fleet.site.ask(path).outline
    return [said["alt"].split(":")[0] for tag, said in outline.tags if tag == "img"]


def with_photo(fleet: Fleet, car: str, **fields: Any) -> InspectionResult:
    body = rendered_jpeg(1)
    key = f"{car}/photo.jpg"
    fleet.put(key, body)
    fields = {"photo_sha256": hashlib.sha256(body).hexdigest(), "crop_xyxy": None, **fields}
    made = result(key, photo=PhotoLocation(bucket=fleet.photo_bucket, key=key), vehicle_id=car, **fields)
    record(fleet, made)
    return made


def test_the_newest_come_first(fleet: Fleet, car: str):
    moments = {"b.jpg": 2, "c.jpg": 1, "a.jpg": 3}
    record(
        fleet,
        *(
            result(f"{car}/{name}", vehicle_id=car, inspected_at=NOON + timedelta(hours=h))
            for name, h in moments.items()
        ),
    )
    assert listed(fleet, f"/?vehicle_id={car}") == ["a.jpg", "b.jpg", "c.jpg"]


def test_each_filter_of_the_form_chooses(fleet: Fleet, car: str):
    dent = region(class_name=2, label="dent")
    record(
        fleet,
        result(f"{car}/scratch.jpg", vehicle_id=car),
        result(f"{car}/dent.jpg", vehicle_id=car, regions=(dent,), model_set=f"set-{car}"),
        result(f"{car}/clean.jpg", vehicle_id=car, regions=(), damage_level=0, status="undamaged"),
        rejection(f"{car}/rejected.jpg", vehicle_id=car, inspected_at=NOON + timedelta(days=1)),
    )
    for question, names in {
        "found=dent": {"dent.jpg"},
        "found=damage": {"dent.jpg", "scratch.jpg"},
        "found=nothing": {"clean.jpg", "rejected.jpg"},
        "status=rejected": {"rejected.jpg"},
        "status=undamaged": {"clean.jpg"},
        f"model_set=set-{car}": {"dent.jpg"},
        "since=2026-01-06": {"rejected.jpg"},
        "until=2026-01-05&found=scratch": {"scratch.jpg"},
        "since=2026-01-05&until=2026-01-06": {"scratch.jpg", "dent.jpg", "clean.jpg", "rejected.jpg"},
        "found=spacing": set(),
    }.items():
        assert set(listed(fleet, f"/?vehicle_id={car}&{question}")) == names, question


def test_the_form_keeps_what_was_asked(fleet: Fleet, car: str):
    outline = fleet.site.ask(f"/?vehicle_id={car}&found=dent&since=2026-01-05").outline
    inputs = {said["name"]: said["value"] for tag, said in outline.tags if tag == "input"}
    assert inputs == {"vehicle_id": car, "since": "2026-01-05", "until": "", "model_set": ""}
    assert [said["value"] for tag, said in outline.tags if tag == "option" and "selected" in said] == ["dent"]
    assert "No inspection fits." in outline.text


def test_every_inspection_is_on_exactly_one_page(fleet: Fleet, car: str):
    names = [f"{number:02}.jpg" for number in range(60)]
    record(  # many of one moment: the identity breaks the tie
        fleet,
        *(
            result(f"{car}/{name}", vehicle_id=car, inspected_at=NOON + timedelta(seconds=int(name[:2]) // 30))
            for name in names
        ),
    )
    seen, path = [], f"/?vehicle_id={car}"
    while path:
        seen += listed(fleet, path)
        outline = fleet.site.ask(path).outline
        path = next((said["href"] for tag, said in outline.tags if tag == "a" and said.get("rel") == "next"), None)
    assert seen == names[::-1]


def test_a_car_shows_its_photos_by_view_the_last_taken_first(fleet: Fleet, car: str):
    record(
        fleet,
        result(f"{car}/1.jpg", vehicle_id=car, view="rear", taken_at=NOON),
        result(f"{car}/2.jpg", vehicle_id=car, view="front", taken_at=NOON),
        result(f"{car}/3.jpg", vehicle_id=car, view="front", taken_at=NOON + timedelta(days=2)),
        result(f"{car}/4.jpg", vehicle_id=car, view=None, taken_at=None, inspected_at=NOON + timedelta(days=1)),
        result(f"{car}/5.jpg", vehicle_id=f"{car}-other"),
    )
    answer = fleet.site.ask(f"/vehicles/{car}")
    headings = re.findall(r"<h2>(.+?)</h2>", answer.text)
    assert headings == ["Front", "Rear", "View not given"]
    assert [photo[-1] for photo in re.findall(rf'href="/inspections/[^"]*{car}/(\d)', answer.text)] == [
        "3",
        "2",
        "1",
        "4",
    ]
    assert "4 photos here, damage on 4." in answer.outline.text


def test_a_car_of_many_photos_goes_on_to_older_ones(fleet: Fleet, car: str):
    record(fleet, *(result(f"{car}/{n}.jpg", vehicle_id=car, taken_at=NOON + timedelta(minutes=n)) for n in range(100)))
    first = fleet.site.ask(f"/vehicles/{car}").outline
    assert len(first.values("img", "src")) == 96
    (older,) = (said["href"] for tag, said in first.tags if tag == "a" and said.get("rel") == "next")
    assert len(fleet.site.ask(older).outline.values("img", "src")) == 4


def test_an_inspection_tells_every_field(fleet: Fleet, car: str):
    made = with_photo(fleet, car, rental_id="r-812", attributes={"city": "Seoul", "mileage_km": 12}, gate_score=0.25)
    page = fleet.site.ask(build_link("inspections", made.identity())).outline
    for fact in (
        "photo.jpg", "Damage found", "1 scratch", car, "front", "2026-01-05 12:00 UTC", "r-812", "Seoul", "12", "0.250",
        "inspected", "128 × 96 pixels", made.photo_sha256, made.model_set, f"s3://{fleet.photo_bucket}/{made.photo.key}",
        "decode 1 ms, localize 2 ms", "Score 0.75 · 50 px²",
    ):  # fmt: skip
        assert fact in page.text, fact
    link = build_link("results", made.identity())
    assert link in page.values("a", "href")
    answer = fleet.site.ask(link)
    assert answer.headers["content-type"] == "application/json"
    assert InspectionResult.model_validate_json(answer.body) == made


def test_every_link_and_picture_of_a_page_can_be_fetched(fleet: Fleet, car: str):
    made = with_photo(fleet, car)
    for page in ("/", f"/vehicles/{car}", build_link("inspections", made.identity())):
        outline = fleet.site.ask(page).outline
        links = {*outline.values("a", "href"), *outline.values("img", "src"), *outline.values("link", "href")} - {
            "#main"
        }
        of_this_car = [link for link in links if car in link or link.count("/") == 1]
        assert of_this_car
        for link in of_this_car:
            assert fleet.site.ask(link).status == 200, link


def test_a_photo_is_drawn_anew_with_or_without_its_marks(fleet: Fleet, car: str):
    made = with_photo(fleet, car)
    images = {}
    for marks in ("on", "off"):
        answer = fleet.site.ask(build_link("photos", made.identity(), marks=marks))
        assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
        assert answer.headers["cache-control"] == "no-store"
        images[marks] = cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_COLOR)
    assert images["on"].shape == images["off"].shape == (240, 320, 3)
    assert np.abs(images["on"].astype(int) - images["off"]).max() > 60


def test_what_a_message_says_is_text_and_never_markup(fleet: Fleet, car: str):
    vehicle = f"{car}{ATTACK}"
    odd = rejection(
        f"{car}/..//{ATTACK}",
        image_id=ATTACK,
        vehicle_id=vehicle,
        rental_id=ATTACK,
        reason=ATTACK,
        attributes={ATTACK: ATTACK},
        message_body=ATTACK,
    )
    record(fleet, odd)
    for path in (
        f"/{build_query(vehicle_id=vehicle)}",
        build_link("vehicles", vehicle),
        build_link("inspections", odd.identity()),
    ):
        answer = fleet.site.ask(path)
        outline = answer.outline
        assert answer.status == 200, path
        assert "script" not in [tag for tag, _ in outline.tags]
        assert not [name for _, said in outline.tags for name in said if name.startswith("on")]
        assert not [src for src in outline.values("img", "src") if not src.startswith("/photos/")]
        assert ATTACK in outline.text
    notice = fleet.site.ask(build_link("photos", odd.identity()))
    assert (notice.status, notice.headers["content-type"]) == (403, "image/svg+xml")
    assert "script" not in [tag for tag, _ in notice.outline.tags]


def test_an_error_page_says_back_no_markup_either(fleet: Fleet):
    for path in ("/<script>", "/vehicles/<script>alert(1)</script>", "/?<script>=1", "/?found=<script>"):
        answer = fleet.site.ask(path)
        assert answer.status in (400, 404)
        assert "script" not in [tag for tag, _ in answer.outline.tags]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/nothing/here", 404, "there is no page /nothing/here"),
        ("/inspections/a/b.json", 404, "inspection: there is none of the identity 'a/b.json'"),
        ("/inspections/a%00b", 404, "a name with a NUL character: there is none"),
        ("/results/a/b.json", 404, "inspection: there is none of the identity"),
        ("/photos/a/b.json", 404, "inspection: there is none of the identity"),
        ("/vehicles/never-seen", 404, "vehicle: nothing was ever inspected of 'never-seen'"),
        ("/?stauts=rejected", 400, "stauts: no such question here"),
        ("/?found=rust", 400, "found: "),
        ("/?below=%FF", 400, "below: "),
        ("/?vehicle_id=%00", 400, "vehicle_id: "),
        ("/inspections/a/b.json?x=1", 400, "x: no such question here"),
        ("/photos/a/b.json?size=9", 400, "size: "),
    ],
)
def test_what_is_wrong_is_named(fleet: Fleet, path: str, status: int, words: str):
    answer = fleet.site.ask(path)
    assert answer.status == status
    assert words in answer.outline.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed(fleet: Fleet, method: str):
    answer = fleet.site.ask("/", method)
    assert answer.status == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/style.css", "/nothing"])
def test_a_head_answers_as_a_get_without_the_body(fleet: Fleet, path: str):
    get, head = fleet.site.ask(path), fleet.site.ask(path, "HEAD")
    assert head.body == b""
    assert head.status == get.status
    assert head.headers["content-type"] == get.headers["content-type"]


def test_every_answer_forbids_scripts_and_outside_assets(fleet: Fleet):
    for path in ("/", "/nothing", "/healthz", "/style.css", "/?x=1"):
        headers = fleet.site.ask(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self'")
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
    outline = fleet.site.ask("/").outline
    assert not [said for _, said in outline.tags if "style" in said]
    assert {"style", "script"}.isdisjoint(tag for tag, _ in outline.tags)


def test_pages_are_labelled_for_those_who_cannot_see_them(fleet: Fleet, car: str):
    made = with_photo(fleet, car)
    for path in ("/", f"/vehicles/{car}", build_link("inspections", made.identity())):
        outline: Outline = fleet.site.ask(path).outline
        assert ("html", {"lang": "en"}) in outline.tags
        assert len([tag for tag, _ in outline.tags if tag == "h1"]) == 1
        images = [said for tag, said in outline.tags if tag == "img"]
        assert all(said.get("alt") for said in images)
        fields = {said["id"] for tag, said in outline.tags if tag in ("input", "select")}
        assert fields == set(outline.values("label", "for"))


def test_the_style_has_the_colours_of_the_overlay(fleet: Fleet):
    style = fleet.site.ask("/style.css").text
    for label, (red, green, blue) in COLOURS_RGB.items():
        assert f"--{label}: rgb({red}, {green}, {blue});" in style
        assert f".dot.{label} {{ background: var(--{label}); }}" in style
    assert "prefers-color-scheme: dark" in style
    assert "url(" not in style


def test_a_photo_that_cannot_be_shown_says_why_in_its_place(fleet: Fleet, car: str):
    made = with_photo(fleet, car)
    fleet.put(made.photo.key, rendered_jpeg(2))
    answer = fleet.site.ask(build_link("photos", made.identity()))
    assert (answer.status, answer.headers["content-type"]) == (404, "image/svg+xml")
    assert "it was replaced after its inspection" in answer.text.replace("\n", "").replace("</text><text", "")
    huge = cv2.imencode(".png", np.zeros((1500, 1500), np.uint8))[1].tobytes()
    fleet.put(made.photo.key, huge)
    record(fleet, made.model_copy(update={"photo_sha256": None, "status": "rejected"}))
    unread = made.model_copy(update={"photo_sha256": None})
    answer = fleet.site.ask(build_link("photos", unread.identity()))
    assert answer.status == 422
    assert "at most 2000000" in " ".join(answer.outline.text.split())


def test_many_readers_at_once_are_all_answered(fleet: Fleet, car: str):
    made = with_photo(fleet, car)
    paths = ["/", build_link("photos", made.identity()), f"/vehicles/{car}", "/healthz"] * 8
    answers: list[int] = []
    readers = [threading.Thread(target=lambda path=path: answers.append(fleet.site.ask(path).status)) for path in paths]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(60)
    assert answers == [200] * len(paths)


def test_a_rejected_message_without_a_photo_shows_its_body(fleet: Fleet, car: str):
    body = json.dumps({"version": 7, "note": car})
    made = rejection(
        image_id=f"{car}-0", photo=None, photo_sha256=None, message_id=car, message_body=body, reason="version"
    )
    record(fleet, made)
    page = fleet.site.ask(build_link("inspections", made.identity())).outline
    assert body in page.text
    assert page.values("img", "src") == []
    assert fleet.site.ask(build_link("photos", made.identity())).status == 404
