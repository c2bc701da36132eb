"""The page shows every result and runs nothing that a message smuggled in."""

import pytest

from service.review.page import build_page, count_regions
from tests.service.review.site import Outline
from tests.service.samples import region, rejection, result


def outline_of(*results) -> Outline:
    outline = Outline()
    outline.feed(build_page(results))
    outline.close()
    return outline


def figures(outline: Outline) -> list[str | None]:
    return [attributes["class"] for tag, attributes in outline.tags if tag == "figure"]


def test_every_result_has_its_figure_in_the_order_given():
    outline = outline_of(
        result("b.jpg"), result("a.jpg", damage_level=0, regions=(), status="undamaged"), rejection("c.jpg")
    )
    images = [attributes["src"] for tag, attributes in outline.tags if tag == "img"]
    assert images == ["overlays/b.png", "overlays/a.png", "overlays/c.png"]
    assert figures(outline) == ["damaged", "clean", "clean"]
    assert "3 photos: 1 with damage, 1 let go by the gate, 1 rejected." in outline.text


def test_a_figure_tells_the_facts():
    text = outline_of(result(timings_ms={"decode": 1.4, "segment": 36.0})).text
    for fact in (
        "front.jpg",
        "car-007 front",
        "2026-01-05 12:00",
        "inspected",
        "1 scratch",
        "0.900",
        "decode 1, segment 36",
    ):
        assert fact in text
    assert "rejected: photo: empty" in outline_of(rejection()).text


def test_a_photo_of_which_little_is_known_has_dashes():
    assert outline_of(rejection(vehicle_id=None, view=None, taken_at=None, timings_ms={})).text.count("–") >= 4


@pytest.mark.parametrize("field", ["image_id", "vehicle_id", "reason"])
def test_what_a_message_says_is_text_and_never_markup(field: str):
    attack = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"
    outline = outline_of(rejection(**{field: attack}))
    assert "script" not in [tag for tag, _ in outline.tags]
    assert [tag for tag, _ in outline.tags].count("img") == 1
    assert not [name for _, attributes in outline.tags for name in attributes if name.startswith("on")]


def test_a_name_with_odd_characters_links_to_its_own_files():
    outline = outline_of(result("a.jpg", image_id="50% #1?.jpg"))
    assert [a["src"] for tag, a in outline.tags if tag == "img"] == ["overlays/50%25%20%231%3F.png"]


def test_the_page_needs_nothing_from_outside():
    links = [a.get("src") or a.get("href") for _, a in outline_of(result()).tags if a.get("src") or a.get("href")]
    assert links
    assert not [link for link in links if "//" in link]


def test_no_results_make_a_page_too():
    assert "0 photos: 0 with damage" in outline_of().text


def test_regions_are_counted_by_class_in_a_fixed_order():
    regions = (region(class_name=2, label="dent"), region(), region(), region(class_name=3, label="spacing"))
    assert count_regions(result(regions=regions)) == "2 scratch, 1 dent, 1 spacing"
    assert count_regions(result(regions=())) == "–"
