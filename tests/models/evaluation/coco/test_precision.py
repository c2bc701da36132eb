import numpy as np
import pytest

pytest.importorskip("pycocotools", reason="COCO's evaluation needs vehicle-damage[train]")

from models.evaluation.coco import CocoAnnotations, CocoDetections, encode_masks, evaluate_coco
from models.evaluation.detection.average_precision import average_precision
from models.evaluation.detection.matching import AnnotatedBoxes, PredictedBoxes, match_photos
from models.structures import ContractError
from tests.models.evaluation.coco.scenes import SIZE_HW, annotate, detect, random_scenes


def test_sizes_are_those_of_the_masks_in_the_photo():
    boxes = {"AP_S": [0, 0, 31, 33], "AP_M": [0, 0, 25, 41], "AP_L": [0, 0, 96, 97]}  # 1023, 1025 and 9312 pixels
    for name, box in boxes.items():
        found = evaluate_coco([detect([*box, 1, 0.9])], [annotate([*box, 1])], 1)
        assert [found.measures[name], found.measures["AP"]] == pytest.approx([1, 1])
        assert all(np.isnan(found.measures[other]) for other in boxes if other != name)


def test_small_is_said_of_the_mask_though_the_box_is_large():
    mask = np.zeros((1, *SIZE_HW), bool)
    mask[0, np.arange(100), np.arange(100)] = True  # a scratch across 100 x 100 pixels
    box, codes = np.array([[0, 0, 100, 100]], np.float32), encode_masks(mask)
    gt = CocoAnnotations(SIZE_HW, np.array([1]), box, codes)
    found = evaluate_coco([CocoDetections(np.array([1]), np.array([0.5]), box, codes)], [gt], 1)
    assert found.measures["AP_S"] == pytest.approx(1)
    assert np.isnan(found.measures["AP_L"])


def test_box_measures_are_those_of_our_own_evaluation():
    preds, gts = random_scenes(photos=6, seed=3)
    own = average_precision(
        match_photos(
            [PredictedBoxes(p.boxes_xyxy, p.scores, p.class_ids - 1) for p in preds],
            [AnnotatedBoxes(g.boxes_xyxy, g.class_ids - 1) for g in gts],
            2,
        )
    )
    found = evaluate_coco(preds, gts, 2).measures
    assert 0.05 < found["AP"] < 0.95
    for name, expected in (("AP", own.mean()), ("AP50", own[:, 0].mean()), ("AP75", own[:, 5].mean())):
        assert found[name] == pytest.approx(expected, abs=1e-6), name


def test_masks_are_judged_by_their_own_overlap():
    gt = annotate([0, 0, 40, 40, 1])
    half = np.zeros((1, *SIZE_HW), bool)
    half[0, :40, :28] = True  # IoU 0.7 of the masks, while the boxes agree
    pred = CocoDetections(np.array([1]), np.array([0.9]), gt.boxes_xyxy, encode_masks(half))
    assert evaluate_coco([pred], [gt], 1, kind="box").measures["AP"] == pytest.approx(1)
    found = evaluate_coco([pred], [gt], 1, kind="mask").measures
    assert [found["AP50"], found["AP75"]] == pytest.approx([1, 0])
    assert found["AP"] == pytest.approx(0.5)  # .50 to .70 of ten thresholds


def test_photos_without_anything_count_for_nothing_but_their_false_alarms():
    gt, nothing = annotate([0, 0, 40, 40, 1]), annotate()
    sure = detect([0, 0, 40, 40, 1, 0.8])
    assert evaluate_coco([sure, detect()], [gt, nothing], 1).measures["AP"] == pytest.approx(1)
    assert evaluate_coco([sure, detect([0, 0, 40, 40, 1, 0.9])], [gt, nothing], 1).measures["AP"] == pytest.approx(0.5)
    assert np.isnan(evaluate_coco([detect()], [nothing], 1).measures["AP"])


def test_what_does_not_fit_is_refused():
    with pytest.raises(ContractError, match="preds: expected 1 photos"):
        evaluate_coco([], [annotate()], 1)
    with pytest.raises(ValueError, match="kind: expected one of box, mask"):
        evaluate_coco([], [], 1, kind="pose")
    with pytest.raises(ContractError, match="gt: expected as many"):
        CocoAnnotations(SIZE_HW, np.array([1]), np.zeros((0, 4)), [])
