"""Detections become maps: pixels worked out by hand on 4 x 4 crops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.sr_rcnn.painting import carry_thresholds, paint_objects

FULL = np.ones((2, 2), np.float32)
LEFT_HALF = np.array([[1, 0], [1, 0]], np.float32)


def paint(*objects, size_hw=(4, 4)):
    """Objects of (box, channel, score, mask)."""
    boxes, channels, scores, masks = zip(*objects, strict=True)
    return paint_objects(
        np.array(boxes, np.float32), np.array(channels), np.array(scores, np.float32), np.stack(masks), size_hw
    )


def test_a_full_mask_paints_its_box_with_its_score():
    expected = np.zeros((3, 4, 4), np.float32)
    expected[1, 1:3, 0:2] = 0.5
    np.testing.assert_allclose(paint(([0, 1, 2, 3], 1, 0.5, FULL)), expected)


def test_a_mask_of_as_many_cells_as_pixels_is_painted_as_it_is():
    mask = np.array([[0.2, 0.4], [0.6, 0.8]], np.float32)
    probs = paint(([1, 2, 3, 4], 0, 0.5, mask))
    np.testing.assert_allclose(probs[0, 2:4, 1:3], mask / 2, rtol=1e-6)
    assert np.count_nonzero(probs) == 4


def test_a_mask_over_more_pixels_than_cells_is_bilinear():
    probs = paint(([0, 0, 4, 4], 2, 1.0, LEFT_HALF))
    np.testing.assert_allclose(probs[2], np.tile([1, 0.75, 0.25, 0], (4, 1)), rtol=1e-6)


def test_where_detections_of_a_class_overlap_the_largest_stays():
    probs = paint(([0, 0, 3, 4], 0, 0.9, FULL), ([1, 0, 4, 4], 0, 0.4, FULL), ([0, 0, 4, 4], 1, 0.1, FULL))
    np.testing.assert_allclose(probs[0], np.tile([0.9, 0.9, 0.9, 0.4], (4, 1)), rtol=1e-6)
    np.testing.assert_allclose(probs[1], 0.1, rtol=1e-6)
    assert not probs[2].any()


def test_every_pixel_that_a_box_touches_is_painted_so_that_a_hairline_is_never_lost():
    probs = paint(([0.6, 2.6, 3.4, 2.9], 0, 0.5, FULL))
    np.testing.assert_allclose(probs[0], [[0] * 4, [0] * 4, [0.5] * 4, [0] * 4])


def test_a_box_at_the_last_edge_stays_inside():
    probs = paint(([4, 4, 4, 4], 0, 0.5, FULL))
    assert probs[0, 3, 3] == 0.5
    assert np.count_nonzero(probs) == 1


def test_nothing_found_is_nothing_painted():
    none = np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros((0, 2, 2), np.float32)
    assert not paint_objects(*none, (5, 6)).any()


def test_carrying_moves_each_class_threshold_and_leaves_both_ends():
    probs = np.array([[[0, 0.2, 1]], [[0, 0.5, 1]]], np.float32)
    carried = carry_thresholds(probs, [0.2, 0.5], [0.8, 0.5])
    np.testing.assert_allclose(carried, [[[0, 0.8, 1]], [[0, 0.5, 1]]], rtol=1e-6)


@given(st.floats(0.01, 0.99), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_carrying_keeps_every_order_and_every_number_a_prob(source, target, low, high):
    low, high = sorted((low, high))
    probs = np.array([low, high], np.float32).reshape(1, 1, 2)
    carried = carry_thresholds(probs, [source], [target]).ravel()
    assert 0 <= carried[0] <= carried[1] <= 1
    assert carried.dtype == np.float32


def test_a_policy_that_asks_for_certainty_gets_numbers_all_the_same():
    carried = carry_thresholds(np.array([[[0, 0.5, 1]]], np.float32), [0.5], [1.0])
    assert carried.ravel().tolist()[::2] == [0, 1]
    assert carried.ravel()[1] == pytest.approx(1, abs=1e-5)
