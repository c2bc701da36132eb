"""Boxes: worked by hand, and against counting pixels."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from models.structures import box_area_px2, clip_boxes_xyxy, largest_box, pairwise_iou_xyxy

SIDE = 12
CORNERS = st_numpy.arrays(np.int64, st.tuples(st.integers(0, 5), st.just(4)), elements=st.integers(0, SIDE))


def pixels_of(box_xyxy: np.ndarray) -> np.ndarray:
    """bool (SIDE, SIDE); True inside the box, max edge exclusive."""
    x0, y0, x1, y1 = box_xyxy
    mask = np.zeros((SIDE, SIDE), bool)
    mask[y0:y1, x0:x1] = x1 > x0 and y1 > y0
    return mask


def test_areas_by_hand():
    boxes = np.array([[0, 0, 4, 4], [1, 1, 3, 2], [2, 2, 2, 4], [3, 3, 1, 1]])
    assert box_area_px2(boxes).tolist() == [16, 2, 0, 0]


def test_intersections_over_unions_by_hand():
    a = np.array([[0, 0, 4, 4]])
    b = np.array([[0, 0, 4, 4], [2, 2, 6, 6], [4, 0, 8, 4], [1, 1, 3, 3], [2, 2, 2, 2]])
    assert np.allclose(pairwise_iou_xyxy(a, b), [[1, 4 / 28, 0, 4 / 16, 0]])


def test_empty_sets_have_no_pairs():
    assert pairwise_iou_xyxy(np.zeros((0, 4)), np.zeros((3, 4))).shape == (0, 3)
    assert pairwise_iou_xyxy(np.zeros((1, 4)), np.zeros((1, 4))).tolist() == [[0]]


@given(CORNERS, CORNERS)
def test_overlap_agrees_with_counting_pixels(a: np.ndarray, b: np.ndarray):
    found = pairwise_iou_xyxy(a, b)
    assert found.shape == (len(a), len(b))
    for i, box_a in enumerate(a):
        assert box_area_px2(a)[i] == pixels_of(box_a).sum()
        for j, box_b in enumerate(b):
            union = (pixels_of(box_a) | pixels_of(box_b)).sum()
            expected = (pixels_of(box_a) & pixels_of(box_b)).sum() / union if union else 0
            assert np.isclose(found[i, j], expected)


def test_boxes_are_cut_at_the_frame_and_the_given_ones_stay():
    boxes = np.array([[-5.0, -1.0, 3.0, 9.0], [1.0, 1.0, 2.0, 2.0], [9.0, 9.0, 12.0, 12.0]])
    before = boxes.copy()
    assert clip_boxes_xyxy(boxes, (4, 6)).tolist() == [[0, 0, 3, 4], [1, 1, 2, 2], [6, 4, 6, 4]]
    assert (boxes == before).all()


def test_the_largest_box_is_the_one_of_the_greatest_area_and_of_equals_the_first():
    boxes = np.array([[0, 0, 2, 2], [5, 5, 8, 7], [0, 0, 1, 6], [9, 9, 9, 99]], float)  # areas 4, 6, 6, 0
    assert largest_box(boxes).tolist() == [5, 5, 8, 7]
