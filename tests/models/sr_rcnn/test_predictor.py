"""The finder over a runtime that says what it is told: detections become maps, and a wrong card is refused."""

import numpy as np
import pytest

from models.sr_rcnn.predictor import Finder
from models.structures import ContractError
from tests.models.tiny_networks import build_card, constant_rows

INPUT_HW = (8, 8)
THRESHOLDS = {"scratch_score_threshold": 0.5, "spacing_score_threshold": 0.3, "small_px": 3.0}
CARD = build_card("finder", INPUT_HW, ("scratch", "spacing"), **THRESHOLDS)
FULL = (1.0,) * 4


def row(box, score, class_id, mask=FULL):
    return [*box, score, class_id, *mask]


def build(*rows, card=CARD, **options):
    return Finder(constant_rows(np.array(rows, np.float32), INPUT_HW), card, **options)


def crop(size_hw=INPUT_HW):
    return np.zeros((*size_hw, 3), np.uint8)


def test_a_detection_is_painted_into_the_channel_of_its_name():
    probs = build(row([1, 2, 3, 4], 0.6, 2)).predict_probs([crop()])[0]
    expected = np.zeros((3, 8, 8), np.float32)
    expected[2, 2:4, 1:3] = 0.6  # class 2 of this card is spacing
    np.testing.assert_allclose(probs, expected)
    assert probs.dtype == np.float32


def test_each_class_has_its_own_threshold_and_meets_it_from_it_on():
    rows = [
        row([0, 0, 1, 1], 0.5, 1),
        row([2, 2, 3, 3], 0.49, 1),
        row([4, 4, 5, 5], 0.31, 2),
        row([6, 6, 7, 7], 0.29, 2),
    ]
    probs = build(*rows).predict_probs([crop()])[0]
    assert np.argwhere(probs > 0).tolist() == [[0, 0, 0], [2, 4, 4]]


def test_small_only_leaves_out_what_is_not_small_in_the_crop():
    rows = [row([0, 0, 2, 4], 0.9, 1), row([4, 4, 7, 7], 0.9, 1)]  # sides of 2.83 and of exactly 3 pixels
    assert np.argwhere(build(*rows, small_only=True).predict_probs([crop()])[0][0]).max(axis=0).tolist() == [3, 1]
    assert build(*rows).predict_probs([crop()])[0][0, 4:7, 4:7].all()
    assert not build(*rows, small_only=True).predict_probs([crop((16, 16))])[0].any()  # twice as large there


def test_boxes_lie_on_the_crop_whatever_its_shape():
    found = build(row([0, 2, 4, 6], 0.9, 1)).detect([crop((8, 16))])[0]  # half as large, bars of 2 above and below
    np.testing.assert_allclose(found.boxes_xyxy_crop, [[0, 0, 8, 8]])
    assert [probs.shape for probs in build(row([0, 0, 1, 1], 0, 0)).predict_probs([crop((5, 9)), crop((20, 3))])] == [
        (3, 5, 9),
        (3, 20, 3),
    ]


def test_a_detection_on_the_bars_is_none():
    assert not len(build(row([0, 0, 8, 2], 0.9, 1)).detect([crop((8, 16))])[0].scores)


def test_rows_of_score_0_are_no_detections():
    found = build(row([1, 1, 3, 3], 0.9, 1), row([0, 0, 0, 0], 0, 0)).detect([crop()])[0]
    assert found.scores.tolist() == pytest.approx([0.9])


def test_what_counts_for_the_card_reaches_the_policies_threshold():
    policies = {"scratch_score_threshold": 0.8, "dent_score_threshold": 0.6, "spacing_score_threshold": 0.7}
    half = (0.5,) * 4
    rows = [row([0, 0, 2, 2], 0.5, 1, half), row([4, 4, 6, 6], 0.9, 1, half), row([0, 4, 2, 6], 0.3, 2, half)]
    probs = build(*rows, policy_thresholds=policies).predict_probs([crop()])[0]
    assert probs[0, 0, 0] == pytest.approx(0.8)
    assert 0.8 < probs[0, 4, 4] < 1
    assert probs[2, 4, 0] == pytest.approx(0.7)
    assert not probs[1].any()
    plain = build(*rows).predict_probs([crop()])[0]
    assert plain[0, 0, 0] == pytest.approx(0.25)


def test_no_crops_are_no_maps():
    assert build(row([0, 0, 1, 1], 0.9, 1)).predict_probs([]) == []


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([row([0, 0, 1, 1], 1.2, 1)], "finder scores"),
        ([row([0, 0, 1, 1], np.nan, 1)], "finder scores"),
        ([row([0, 0, 1, 1], 0.9, 3)], "finder class_ids"),
        ([row([0, np.nan, 1, 1], 0.9, 1)], "finder boxes"),
        ([row([0, 0, 1, 1], 0.9, 1, (0, 0, 0, 1.5))], "finder mask probs"),
        ([[0, 0, 1, 1, 0.9, 1, 1, 1, 1]], "square mask, found 9"),
    ],
)
def test_an_answer_that_is_none_is_a_broken_contract(rows, words):
    with pytest.raises(ContractError, match=words):
        build(*rows).predict_probs([crop()])


@pytest.mark.parametrize("classes", [("scratch", "car"), (), ("dent", "dent")])
def test_classes_that_are_none_of_ours_are_refused(classes):
    card = build_card("finder", INPUT_HW, classes, **THRESHOLDS, dent_score_threshold=0.5, car_score_threshold=0.5)
    with pytest.raises(ValueError, match=r"^finder/card\.json: classes: expected some of scratch, dent, spacing"):
        build(row([0, 0, 1, 1], 0.9, 1), card=card)


@pytest.mark.parametrize("missing", list(THRESHOLDS))
def test_a_card_without_a_threshold_is_refused_by_name(missing):
    card = CARD.model_copy(update={"thresholds": {k: v for k, v in THRESHOLDS.items() if k != missing}})
    with pytest.raises(ValueError, match=rf"^finder/card\.json: thresholds: expected {missing}, found"):
        build(row([0, 0, 1, 1], 0.9, 1), card=card)


@pytest.mark.parametrize("value", [0.0, -0.1, 1.5, float("nan")])
def test_a_threshold_that_no_score_can_have_is_refused(value):
    card = CARD.model_copy(update={"thresholds": {**THRESHOLDS, "spacing_score_threshold": value}})
    with pytest.raises(ValueError, match="spacing_score_threshold: expected above 0, to 1"):
        build(row([0, 0, 1, 1], 0.9, 1), card=card)


def test_a_network_of_another_size_than_the_cards_is_refused():
    with pytest.raises(ContractError, match=r"^runtime\.input_hw"):
        build(row([0, 0, 1, 1], 0.9, 1), card=CARD.model_copy(update={"input_hw": (8, 16)}))
