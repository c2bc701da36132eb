import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.data.formats.dataset import enclosed_area_px2
from models.structures.outlines import find_visible, open_hairline, to_points, trace_all

MASKS = arrays(bool, st.tuples(st.integers(1, 24), st.integers(1, 24)))


def fill(outlines, size_hw):
    """By OpenCV, each outline by itself."""
    mask = np.zeros(size_hw, np.uint8)
    for outline in outlines:
        cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 1)
    return mask.astype(bool)


@settings(max_examples=60, deadline=None)
@given(MASKS)
def test_outlines_filled_give_the_mask_back_with_its_holes(mask):
    np.testing.assert_array_equal(fill(trace_all(mask), mask.shape), mask)


@settings(max_examples=60, deadline=None)
@given(MASKS)
def test_every_outline_can_enclose_an_area_without_another_pixel(mask):
    opened = [open_hairline(outline) for outline in trace_all(mask)]
    assert all(enclosed_area_px2(tuple(map(tuple, outline))) > 0 for outline in opened)
    assert all((outline >= 0).all() and (outline <= mask.shape[::-1]).all() for outline in opened)
    np.testing.assert_array_equal(fill(opened, mask.shape), mask)


def test_outline_with_an_area_stays():
    outline = np.array([[1, 1], [5, 1], [5, 4]])
    assert open_hairline(outline) is outline


@settings(max_examples=60, deadline=None)
@given(arrays(bool, (20, 30)))
def test_what_a_paste_leaves_of_an_outline_is_the_difference(pasted):
    outline = np.array([[3.2, 2.0], [25.0, 6.4], [12.0, 17.0]])
    whole = fill([outline], pasted.shape)
    np.testing.assert_array_equal(fill(find_visible(outline, pasted), pasted.shape) & ~whole, np.zeros_like(whole))
    if (pasted & whole).any():
        np.testing.assert_array_equal(fill(find_visible(outline, pasted), pasted.shape), whole & ~pasted)


@pytest.mark.parametrize(("columns", "expected"), [(slice(26, 30), "same"), (slice(0, 30), "none")])
def test_outline_out_of_reach_stays_and_one_covered_goes(columns, expected):
    outline, pasted = np.array([[3.2, 2.0], [25.0, 6.4], [12.0, 17.0]]), np.zeros((20, 30), bool)
    pasted[:, columns] = True
    found = find_visible(outline, pasted)
    assert len(found) == (expected == "same")
    assert all(own is outline for own in found)


def test_points_are_json_numbers():
    assert to_points([np.array([[1, 2], [3, 4], [5, 6]])]) == [[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]]
