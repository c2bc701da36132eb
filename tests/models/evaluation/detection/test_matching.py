import numpy as np
import pytest

from models.evaluation.detection.matching import (
    IOU_THRESHOLDS,
    AnnotatedBoxes,
    PredictedBoxes,
    match_greedily,
    match_photos,
)
from models.structures import ContractError
from tests.models.evaluation.detection.scenes import annotated, predicted


def test_thresholds_are_cocos():
    assert IOU_THRESHOLDS == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


def test_second_box_on_one_truth_is_wrong():
    truth = annotated([0, 0, 10, 10, 0])
    found = match_photos([predicted([0, 0, 10, 9, 0, 0.6], [0, 0, 10, 10, 0, 0.9])], [truth], 1)
    assert found.scores.tolist() == [0.9, 0.6]
    assert found.is_match[:, 0].tolist() == [True, False]


def test_right_place_of_another_class_is_wrong():
    found = match_photos([predicted([0, 0, 10, 10, 1, 0.9])], [annotated([0, 0, 10, 10, 0])], 2)
    assert not found.is_match.any()
    assert found.gt_counts.tolist() == [[1, 0]]


def test_box_counts_up_to_its_overlap():
    found = match_photos([predicted([0, 0, 10, 7, 0, 0.9])], [annotated([0, 0, 10, 10, 0])], 1)  # IoU 0.7 exactly
    assert found.is_match[0].tolist() == [t <= 0.7 for t in IOU_THRESHOLDS]


def test_taken_truth_leaves_the_second_best():
    iou = np.array([[0.9, 0.6], [0.8, 0.6], [0.8, 0.6]])
    assert match_greedily(iou, [0.5, 0.7]).tolist() == [[0, 1, -1], [0, -1, -1]]


def test_best_score_chooses_first_even_if_it_fits_worse():
    # Only the lower score fits at 0.75, so there it keeps the truth.
    iou = np.array([[0.6], [0.8]])
    assert match_greedily(iou, [0.5, 0.75]).tolist() == [[0, -1], [-1, 0]]


def test_of_equal_scores_the_earlier_photo_comes_first():
    photos = [predicted([0, 0, 5, 5, 0, 0.5]), predicted([0, 0, 5, 5, 0, 0.5], [0, 0, 5, 5, 0, 0.7])]
    found = match_photos(photos, [annotated(), annotated()], 1)
    assert found.photo_ids.tolist() == [1, 0, 1]


def test_photos_without_boxes_are_fine():
    found = match_photos([predicted(), predicted()], [annotated(), annotated([0, 0, 1, 1, 0])], 1)
    assert found.is_match.shape == (0, 10)
    assert found.gt_counts.tolist() == [[0], [1]]


def test_unknown_threshold_is_named():
    found = match_photos([predicted()], [annotated()], 1, iou_thresholds=[0.5])
    assert found.column(0.5) == 0
    with pytest.raises(ValueError, match=r"iou_threshold: expected one of \[0.5\], found 0.6"):
        found.column(0.6)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((np.zeros((1, 3)), np.zeros(1), np.zeros(1, int)), "pred boxes_xyxy"),
        ((np.full((1, 4), np.nan), np.zeros(1), np.zeros(1, int)), "pred boxes_xyxy.*NaN"),
        ((np.zeros((1, 4)), np.full(1, np.nan), np.zeros(1, int)), "pred scores"),
        ((np.zeros((1, 4)), np.full(1, 1.5), np.zeros(1, int)), "pred scores"),
        ((np.zeros((1, 4)), np.zeros(2), np.zeros(1, int)), "pred scores"),
        ((np.zeros((1, 4)), np.zeros(1), np.zeros(1)), "pred class_ids: expected integers"),
    ],
)
def test_broken_prediction_is_refused_by_name(arrays, message):
    with pytest.raises(ContractError, match=message):
        PredictedBoxes(*arrays)


def test_broken_truth_is_refused_by_name():
    with pytest.raises(ContractError, match="gt class_ids"):
        AnnotatedBoxes(np.zeros((2, 4)), np.zeros(1, int))


@pytest.mark.parametrize("class_id", [-1, 2])
def test_class_without_a_name_is_refused_with_its_photo(class_id):
    box = [0, 0, 1, 1, class_id]
    with pytest.raises(ContractError, match="pred 1: "):
        match_photos([predicted(), predicted([*box, 0.5])], [annotated()] * 2, 2)
    with pytest.raises(ContractError, match="gt 1: "):
        match_photos([predicted()] * 2, [annotated(), annotated(box)], 2)


def test_bad_arguments_are_named():
    with pytest.raises(ContractError, match="preds: expected 1 photos"):
        match_photos([], [annotated()], 1)
    with pytest.raises(ValueError, match="iou_thresholds"):
        match_photos([predicted()], [annotated()], 1, iou_thresholds=[0.0])
