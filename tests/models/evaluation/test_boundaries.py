import numpy as np
import pytest

from models.evaluation.boundaries import boundary_f, count_boundary, trace_boundary


def square(x, y, side, size=12):
    mask = np.zeros((size, size), bool)
    mask[y : y + side, x : x + side] = True
    return mask


def test_border_of_a_square_is_its_rim():
    assert trace_boundary(square(3, 3, 5)).sum() == 16
    assert trace_boundary(square(3, 3, 2)).sum() == 4


def test_frame_is_no_border():
    assert not trace_boundary(np.ones((4, 4), bool)).any()
    assert trace_boundary(square(0, 0, 3)).sum() == 5


def test_equal_masks_have_boundary_f_one():
    assert boundary_f(count_boundary(square(3, 3, 5), square(3, 3, 5))) == 1


def test_square_moved_by_the_tolerance_still_meets_and_by_more_does_not():
    moved_by_two = count_boundary(square(3, 3, 5), square(5, 3, 5), tolerance_px=2)
    assert boundary_f(moved_by_two) == 1
    moved_by_four = count_boundary(square(1, 3, 5), square(5, 3, 5), tolerance_px=2)
    assert 0 < boundary_f(moved_by_four) < 1


def test_borders_are_compared_by_distance_one_by_one():
    rng = np.random.default_rng(3)
    pred, gt = rng.random((15, 17)) < 0.2, rng.random((15, 17)) < 0.1
    a, b = (np.argwhere(trace_boundary(m)) for m in (pred, gt))
    near = np.hypot(*(a[:, None] - b[None]).transpose(2, 0, 1)) <= 2
    expected = [near.any(axis=1).sum(), len(a), near.any(axis=0).sum(), len(b)]
    assert count_boundary(pred, gt, tolerance_px=2).tolist() == expected


def test_nothing_predicted_is_zero_and_nothing_annotated_is_undefined():
    empty = np.zeros((12, 12), bool)
    assert boundary_f(count_boundary(empty, square(3, 3, 5))) == 0
    assert np.isnan(boundary_f(count_boundary(square(3, 3, 5), empty)))


def test_f_is_the_harmonic_mean():
    assert boundary_f(np.array([1, 2, 1, 1])) == pytest.approx(2 / 3)
