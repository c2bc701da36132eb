from dataclasses import replace

import numpy as np
import pytest

from models.evaluation.judgement import judge_photo, variants_of
from models.evaluation.path import PathOptions, Prediction
from models.structures import CropWindow
from tests.models.evaluation.outcomes import SIZE_HW, photo

OPTIONS = PathOptions(min_region_area_px2=2, policies=("threshold",) * 3)
ROWS = np.array([[0.3] * 3, [0.6] * 3])
WHOLE = CropWindow.whole(SIZE_HW)
SCRATCH = (1, ((2.0, 2.0), (5.0, 2.0), (5.0, 5.0), (2.0, 5.0)))
DENT = (2, ((10.0, 10.0), (17.0, 10.0), (17.0, 17.0), (10.0, 17.0)))


def judge(*patches, of=None, window=WHOLE, nominal=1, options=OPTIONS, score=0.5):
    """Judge probs that are 0 but for patches (channel, y0, y1, x0, x1, prob), crop frame."""
    probs = np.zeros((3, *window.size_hw), np.float32)
    for channel, y0, y1, x0, x1, prob in patches:
        probs[channel, y0:y1, x0:x1] = prob
    crop = np.full((*window.size_hw, 3), 128, np.uint8)
    prediction = Prediction(of or photo(), np.zeros((0, 4), np.float32), window, crop, score, probs, 100.0)
    return judge_photo(prediction, options, ROWS, policies=("threshold", "crf"), nominal=nominal)


def test_each_row_is_judged_by_its_own_thresholds():
    masks = judge((0, 2, 6, 2, 4, 0.9), (0, 2, 6, 4, 6, 0.4)).masks
    assert masks.overlap_px[0, :, 0].tolist() == [[16, 16, 16], [8, 8, 16]]
    assert masks.counted_px == 400
    assert masks.regions[0, :, 0].tolist() == [1, 1]


def test_quarter_of_a_region_covered_is_a_hit_and_less_is_none():
    assert judge((0, 2, 6, 2, 3, 0.9)).masks.is_hit[0, 1, 0]
    big = photo(polygons=(DENT,))
    # a patch beside the dent that laps over 8 of its 64 pixels, with its centre outside
    assert not judge((0, 10, 18, 1, 11, 0.9), of=big).masks.is_hit[0, 1].any()
    # 16 of 64
    assert judge((0, 10, 18, 1, 12, 0.9), of=big).masks.is_hit[0, 1, 0]


def test_small_patch_in_the_middle_of_a_region_is_a_hit_of_whatever_class():
    masks = judge((2, 13, 15, 13, 15, 0.9), of=photo(polygons=(DENT,))).masks
    assert masks.is_hit[0, 1].tolist() == [False, False, True]
    assert masks.overlap_px[0, 1, 1].tolist() == [0, 0, 64]


def test_patch_below_the_least_area_is_no_region_and_no_pixel():
    masks = judge((0, 3, 4, 3, 4, 0.9)).masks
    assert not masks.regions.any()
    assert not masks.is_hit.any()
    assert masks.overlap_px[0, 1, 0].tolist() == [0, 0, 16]


def test_damage_outside_the_crop_is_missed():
    masks = judge((0, 0, 10, 0, 10, 0.9), window=CropWindow(10, 10, 20, 20)).masks
    assert masks.overlap_px[0, 1, 0].tolist() == [0, 100, 16]
    assert not masks.is_hit.any()


def test_regions_and_borders_are_judged_at_the_nominal_row():
    masks = judge((0, 2, 6, 2, 4, 0.9), (0, 2, 6, 4, 6, 0.4), of=photo(polygons=(SCRATCH, DENT))).masks
    assert [(r.class_id, r.area_px2, r.is_found["serving"]) for r in masks.annotated] == [(1, 16, True), (2, 64, False)]
    assert masks.boundary_px[0, 0].tolist() == [8, 8, 12, 12]  # 4 x 2 against 4 x 4: all within 2 px
    assert masks.boundary_px[0, 1].tolist() == [0, 0, 0, 28]
    quiet = judge((0, 2, 6, 2, 4, 0.9), nominal=None).masks
    assert quiet.annotated == ()
    assert not quiet.boundary_px.any()


def test_other_damage_counts_for_nothing():
    own = replace(photo(), other_polygons=(((2.0, 2.0), (3.0, 2.0), (3.0, 5.0), (2.0, 5.0)),))
    masks = judge((0, 2, 6, 2, 6, 0.9), of=own).masks
    assert masks.overlap_px[0, 1, 0].tolist() == [8, 8, 8]
    assert masks.counted_px == 392


def test_photo_with_unknown_pixels_has_no_masks_and_keeps_its_score():
    prediction = Prediction(
        photo(polygons=(), car_box=(0, 0, 10, 20)), np.array([[0, 0, 20, 20]], np.float32), WHOLE,
        np.zeros((*SIZE_HW, 3), np.uint8), 0.7, None, 10.0,
    )  # fmt: skip
    judgement = judge_photo(prediction, OPTIONS, ROWS, policies=("threshold",), nominal=1)
    assert judgement.masks is None
    assert judgement.gate_score == 0.7
    assert judgement.car_iou == pytest.approx(0.5)


def test_serving_is_each_class_under_its_own_policy():
    assert variants_of(("crf", "threshold", "crf"), ("threshold", "crf")) == {
        "serving": (1, 0, 1),
        "threshold": (0, 0, 0),
        "crf": (1, 1, 1),
    }
