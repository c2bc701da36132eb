import contextlib
import io
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.evaluation.detection.average_precision import average_precision, weighted_average_precision
from models.evaluation.detection.matching import IOU_THRESHOLDS, DetectionMatches, match_photos
from tests.conftest import require
from tests.models.evaluation.detection.scenes import (
    CLASS_COUNT,
    annotated,
    ap_by_loops,
    predicted,
    random_detector,
    random_truth,
)

BOX, FAR = [0, 0, 10, 10], [50, 50, 60, 60]


def ap_50(preds, gts, class_count=1):
    return average_precision(match_photos(preds, gts, class_count))[:, 0]


def test_perfect_answers_have_average_precision_one():
    gts = [annotated([*BOX, 0], [*FAR, 1]), annotated([*FAR, 0])]
    preds = [predicted([*BOX, 0, 0.3], [*FAR, 1, 0.9]), predicted([*FAR, 0, 0.4])]
    assert (average_precision(match_photos(preds, gts, 2)) == 1).all()


def test_missed_half_ends_the_curve_at_half():
    assert ap_50([predicted([*BOX, 0, 0.9])], [annotated([*BOX, 0], [*FAR, 0])]) == pytest.approx(51 / 101)


def test_false_alarm_before_the_only_hit_halves_the_precision():
    assert ap_50([predicted([*FAR, 0, 0.9], [*BOX, 0, 0.8])], [annotated([*BOX, 0])]) == pytest.approx(0.5)


def test_false_alarm_after_the_last_hit_costs_nothing():
    assert ap_50([predicted([*FAR, 0, 0.1], [*BOX, 0, 0.8])], [annotated([*BOX, 0])]) == 1


def test_double_box_is_a_false_alarm():
    gts = [annotated([*BOX, 0], [*FAR, 0])]
    preds = [predicted([*BOX, 0, 0.9], [*BOX, 0, 0.8], [*FAR, 0, 0.7])]
    assert ap_50(preds, gts) == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_envelope_lifts_a_dip_to_what_follows():
    # Precisions 1, 1/2, 2/3, 3/4 at recalls 1/3, 1/3, 2/3, 1: from 1/3 on the envelope is 3/4.
    gts = [annotated([*BOX, 0], [*FAR, 0], [20, 20, 30, 30, 0])]
    preds = [predicted([*BOX, 0, 0.9], [80, 80, 90, 90, 0, 0.8], [*FAR, 0, 0.7], [20, 20, 30, 30, 0, 0.6])]
    assert ap_50(preds, gts) == pytest.approx((34 * 1 + 67 * 0.75) / 101)


def test_recall_that_equals_a_point_reaches_it():
    # 0.07 * 100 is 7.000000000000001: a count rounded up from the product would ask for an eighth box.
    for found in range(1, 101):
        matches = DetectionMatches(
            np.zeros(found, int),
            np.zeros(found, int),
            np.linspace(1, 0.5, found),
            np.ones((found, 1), bool),
            np.array([[100]]),
            (0.5,),
        )
        reached = sum(found / 100 >= point for point in np.linspace(0, 1, 101))
        assert average_precision(matches) == pytest.approx(reached / 101)


def test_class_without_truth_has_no_value():
    found = ap_50([predicted([*BOX, 1, 0.9])], [annotated([*BOX, 0])], class_count=2)
    assert found[0] == 0
    assert np.isnan(found[1])


@pytest.mark.parametrize("score_digits", [6, 1])
def test_agrees_with_loops_at_every_threshold(score_digits):
    rng = np.random.default_rng(score_digits)
    gts = random_truth(rng, 25)
    preds = random_detector(rng, gts, score_digits=score_digits)
    found = average_precision(match_photos(preds, gts, CLASS_COUNT))
    expected = [[ap_by_loops(preds, gts, c, t) for t in IOU_THRESHOLDS] for c in range(CLASS_COUNT)]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found[:, 0].min() > found[:, -1].max()  # the sample tells thresholds apart


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_weights_are_copies_of_photos(seed, weights):
    rng = np.random.default_rng(seed)
    gts = random_truth(rng, 6)
    preds = random_detector(rng, gts)
    found = weighted_average_precision(match_photos(preds, gts, CLASS_COUNT), np.array([weights]))[0]
    copies = [i for i, weight in enumerate(weights) for _ in range(weight)]
    expected = [ap_by_loops([preds[i] for i in copies], [gts[i] for i in copies], c, 0.5) for c in range(CLASS_COUNT)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_many_weightings_at_once_are_each_alone(monkeypatch):
    rng = np.random.default_rng(7)
    gts = random_truth(rng, 12)
    matches = match_photos(random_detector(rng, gts), gts, CLASS_COUNT)
    weights = rng.multinomial(12, np.full(12, 1 / 12), size=17)
    alone = [weighted_average_precision(matches, row[None], iou_threshold=0.75)[0] for row in weights]
    np.testing.assert_array_equal(weighted_average_precision(matches, weights, iou_threshold=0.75), alone)
    monkeypatch.setattr("models.evaluation.detection.average_precision.BLOCK_VALUES", 60)
    np.testing.assert_array_equal(weighted_average_precision(matches, weights, iou_threshold=0.75), alone)


@pytest.mark.parametrize("score_digits", [6, 1])
def test_agrees_with_coco(score_digits):
    require(find_spec("pycocotools"), "pycocotools; pip install pycocotools")
    from pycocotools.coco import COCO  # noqa: PLC0415 - a laptop may lack it
    from pycocotools.cocoeval import COCOeval  # noqa: PLC0415

    rng = np.random.default_rng(10 + score_digits)
    gts = random_truth(rng, 60)
    preds = random_detector(rng, gts, score_digits=score_digits)
    truth, answers = COCO(), []
    truth.dataset = {
        "info": {},
        "images": [{"id": i} for i in range(len(gts))],
        "categories": [{"id": c} for c in range(CLASS_COUNT)],
        "annotations": [],
    }
    for photo, (pred, gt) in enumerate(zip(preds, gts, strict=True)):
        for (x0, y0, x1, y1), c in zip(gt.boxes_xyxy, gt.class_ids, strict=True):
            box = {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0), "iscrowd": 0}
            number = len(truth.dataset["annotations"]) + 1
            truth.dataset["annotations"].append({"id": number, "image_id": photo, "category_id": int(c), **box})
        for (x0, y0, x1, y1), c, score in zip(pred.boxes_xyxy, pred.class_ids, pred.scores, strict=True):
            box = [x0, y0, x1 - x0, y1 - y0]
            answers.append({"image_id": photo, "category_id": int(c), "bbox": box, "score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(answers), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    expected = evaluation.eval["precision"][:, :, :, 0, 2].mean(axis=1).T  # (C, T): all sizes, 100 a photo
    found = average_precision(match_photos(preds, gts, CLASS_COUNT))
    np.testing.assert_allclose(found, expected, atol=1e-9)
