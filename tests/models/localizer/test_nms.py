import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.localizer.nms import suppress_boxes
from models.structures import ContractError

boxes = st.tuples(*(st.integers(0, 12) for _ in range(2)), *(st.integers(1, 8) for _ in range(2)))
scored_boxes = st.lists(st.tuples(boxes, st.integers(0, 10), st.integers(0, 1)), max_size=12)


def to_arrays(drawn):
    corners = np.array([(x, y, x + w, y + h) for (x, y, w, h), _, _ in drawn], np.float32).reshape(-1, 4)
    return corners, np.array([s / 10 for _, s, _ in drawn], np.float32), np.array([c for _, _, c in drawn], int)


def iou_by_counting_pixels(a, b):
    pixels_a, pixels_b = (
        {(x, y) for x in range(int(x0), int(x1)) for y in range(int(y0), int(y1))} for x0, y0, x1, y1 in (a, b)
    )
    return len(pixels_a & pixels_b) / len(pixels_a | pixels_b)


def suppress_by_brute_force(corners, scores, class_ids, score_threshold, iou_threshold):
    kept = []
    for index in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        if scores[index] <= score_threshold:
            continue
        rivals = [k for k in kept if class_ids[k] == class_ids[index]]
        if all(iou_by_counting_pixels(corners[index], corners[k]) <= iou_threshold for k in rivals):
            kept.append(index)
    return kept


@given(scored_boxes, st.sampled_from([0.0, 0.25, 0.4]), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_same_boxes_survive_as_by_brute_force(drawn, score_threshold, iou_threshold):
    corners, scores, class_ids = to_arrays(drawn)
    kept = suppress_boxes(
        corners, scores, score_threshold=score_threshold, iou_threshold=iou_threshold, class_ids=class_ids
    )
    assert kept.tolist() == suppress_by_brute_force(
        corners, scores, class_ids, np.float32(score_threshold), iou_threshold
    )


def test_box_of_exactly_the_iou_threshold_is_kept():
    corners = np.array([[0, 0, 2, 1], [1, 0, 3, 1], [0, 0, 1, 1]], np.float32)  # IoU with the first: 1/3, 1/2
    scores = np.array([0.9, 0.8, 0.7], np.float32)
    assert suppress_boxes(corners, scores, score_threshold=0.4, iou_threshold=0.5).tolist() == [0, 1, 2]
    assert suppress_boxes(corners, scores, score_threshold=0.4, iou_threshold=0.49).tolist() == [0, 1]


def test_score_of_exactly_the_threshold_is_dropped():
    corners = np.array([[0, 0, 1, 1], [5, 5, 6, 6]], np.float32)
    scores = np.array([0.5, 0.75], np.float32)
    assert suppress_boxes(corners, scores, score_threshold=0.5, iou_threshold=0.5).tolist() == [1]


def test_boxes_side_by_side_do_not_suppress_each_other():
    corners = np.array([[100, 100, 200, 200], [210, 210, 310, 310]], np.float32)  # as xywh they would overlap
    scores = np.array([0.9, 0.8], np.float32)
    assert suppress_boxes(corners, scores, score_threshold=0.4, iou_threshold=0.5).tolist() == [0, 1]


def test_nan_score_is_refused():
    with pytest.raises(ContractError, match="scores"):
        suppress_boxes(
            np.zeros((1, 4), np.float32), np.array([np.nan], np.float32), score_threshold=0.4, iou_threshold=0.5
        )


def test_objectness_of_exactly_four_tenths_is_dropped_whatever_its_float():
    corners = np.array([[0, 0, 1, 1], [5, 5, 6, 6]], np.float32)
    for dtype in (np.float32, np.float64):
        scores = np.array([0.4, 0.41], dtype)
        assert suppress_boxes(corners, scores, score_threshold=0.4, iou_threshold=0.5).tolist() == [1]


def test_iou_of_exactly_one_half_is_kept_on_either_side_of_the_float():
    corners = np.array([[0, 0, 3, 2], [0, 0, 3, 1], [1, 0, 4, 2]], np.float32)  # IoU with the first: 1/2, 1/2
    scores = np.array([0.9, 0.8, 0.7], np.float32)
    assert suppress_boxes(corners, scores, score_threshold=0.4, iou_threshold=0.5).tolist() == [0, 1, 2]


def test_suppressed_box_suppresses_nobody():
    corners = np.array([[0, 0, 4, 1], [1, 0, 5, 1], [2, 0, 6, 1]], np.float32)  # IoU 3/5, 3/5, of the ends 1/3
    scores = np.array([0.9, 0.8, 0.7], np.float32)
    assert suppress_boxes(corners, scores, score_threshold=0.4, iou_threshold=0.5).tolist() == [0, 2]


@given(scored_boxes, st.sampled_from([0.25, 0.4]), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_kept_boxes_are_apart_and_every_other_one_has_a_reason(drawn, score_threshold, iou_threshold):
    corners, scores, class_ids = to_arrays(drawn)
    kept = suppress_boxes(
        corners, scores, score_threshold=score_threshold, iou_threshold=iou_threshold, class_ids=class_ids
    ).tolist()
    ranks = {index: rank for rank, index in enumerate(sorted(range(len(scores)), key=lambda i: (-scores[i], i)))}
    assert kept == sorted(kept, key=ranks.get)
    assert all(scores[index] > np.float32(score_threshold) for index in kept)
    for index in range(len(scores)):
        overlaps = [
            iou_by_counting_pixels(corners[index], corners[k]) > iou_threshold
            for k in kept
            if class_ids[k] == class_ids[index] and ranks[k] < ranks[index]
        ]
        if index in kept:
            assert not any(overlaps)
        else:
            assert scores[index] <= np.float32(score_threshold) or any(overlaps)


@given(scored_boxes, st.randoms(use_true_random=False))
def test_order_of_the_boxes_does_not_matter_where_scores_differ(drawn, random):
    drawn = list({score: (box, score, class_id) for box, score, class_id in drawn}.values())
    shuffled = random.sample(drawn, len(drawn))
    found = []
    for boxes_in_order in (drawn, shuffled):
        corners, scores, class_ids = to_arrays(boxes_in_order)
        kept = suppress_boxes(corners, scores, score_threshold=0.25, iou_threshold=0.5, class_ids=class_ids)
        found.append(corners[kept].tolist())
    assert found[0] == found[1]


@given(scored_boxes, st.integers(1, 4))
def test_at_most_so_many_are_kept_and_they_are_the_best(drawn, max_boxes):
    corners, scores, class_ids = to_arrays(drawn)
    options = {"score_threshold": 0.25, "iou_threshold": 0.5, "class_ids": class_ids}
    everything = suppress_boxes(corners, scores, **options)
    assert suppress_boxes(corners, scores, max_boxes=max_boxes, **options).tolist() == everything[:max_boxes].tolist()


def test_of_equal_scores_the_lower_index_comes_first():
    corners = np.array([[8, 0, 9, 1], [0, 0, 4, 4], [0, 0, 4, 4], [4, 4, 5, 5]], np.float32)
    scores = np.full(4, 0.5, np.float32)
    assert suppress_boxes(corners, scores, score_threshold=0.4, iou_threshold=0.5).tolist() == [0, 1, 3]
