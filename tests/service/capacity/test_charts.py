"""Charts are well-formed, hold every value and escape what they are told."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.capacity.charts import Line, choose_step, draw_day, shorten


def parse(figure: str) -> ET.Element:
    return ET.fromstring(figure)


def points_of(figure: str, tag: str = "polyline") -> np.ndarray:
    drawn = next(element for element in parse(figure).iter() if element.tag == tag)
    return np.array([[float(value) for value in point.split(",")] for point in drawn.attrib["points"].split()])


@pytest.mark.parametrize(
    ("highest", "step"), [(0, 1), (1, 0.5), (4, 1), (4.1, 2), (7, 2), (9, 5), (1300, 500), (40, 10)]
)
def test_ticks_are_round(highest: float, step: float):
    assert choose_step(highest) == pytest.approx(step)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.5, "0.5"), (1234, "1,230"), (110_000, "110,000"), (1.1e6, "1.1 million"), (1.1e9, "1.1 billion")],
)
def test_numbers_are_short(value: float, text: str):
    assert shorten(value) == text


@settings(deadline=None)
@given(st.floats(1e-6, 1e12))
def test_there_are_few_ticks_and_never_too_few(highest: float):
    assert 1 <= highest / choose_step(highest) <= 4.000001


def test_the_highest_value_is_drawn_highest_and_zero_on_the_axis():
    points = points_of(draw_day([Line("x", np.array([0.0, 4.0, 2.0]))], "Pods"))
    zero, top, middle = points[:, 1]
    assert top < middle < zero
    assert middle == pytest.approx((zero + top) / 2, abs=0.1)
    assert list(points[:, 0]) == sorted(points[:, 0])


def test_a_mark_above_the_values_is_still_inside():
    drawn = parse(draw_day([Line("x", np.zeros(3))], "Age", mark=(300, "objective")))
    marks = [own for own in drawn.iter("line") if "stroke-dasharray" in own.attrib]
    assert 0 < float(marks[0].attrib["y1"]) < 190


def test_an_area_begins_and_ends_on_the_axis():
    points = points_of(draw_day([Line("x", np.array([3.0, 5.0]), is_filled=True)], "Photos"), "polygon")
    assert points[0, 1] == points[-1, 1] == points[:, 1].max()


def test_labels_are_escaped():
    drawn = draw_day([Line("<b>&", np.ones(2))], 'a "<i>"', mark=(1, "<u>"))
    assert parse(drawn) is not None
    assert "<b>&" not in drawn.replace("<b>a", "")
    assert "<u>" not in drawn
