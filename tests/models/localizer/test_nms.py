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
