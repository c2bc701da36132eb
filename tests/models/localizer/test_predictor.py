import numpy as np
import pytest

from models.localizer.predictor import Localizer
from models.structures import ContractError
from tests.models.tiny_networks import build_card, constant_localizer

INPUT_HW = (64, 64)


def build_localizer(*rows, min_box_ratio=0.0):
    """Each row: cx, cy, w, h in input pixels, score."""
    card = build_card(
        "localizer", INPUT_HW, ("vehicle",), score_threshold=0.25, iou_threshold=0.5, min_box_ratio=min_box_ratio
    )
    return Localizer(constant_localizer(np.array(rows, np.float32).T, INPUT_HW), card)


def grey(height, width):
    return np.full((height, width, 3), 90, np.uint8)


def test_box_of_the_input_comes_back_in_the_frame_of_a_wide_photo():
    localizer = build_localizer([32, 32, 32, 16, 0.9])
    found = localizer.predict_boxes([grey(100, 200)])[0]  # scale 0.32, bars of 16 above and below
    np.testing.assert_allclose(found.boxes_xyxy_photo, [[50, 25, 150, 75]])
    assert found.boxes_xyxy_photo.dtype == found.scores.dtype == np.float32


def test_each_photo_of_a_batch_has_its_own_frame():
    localizer = build_localizer([32, 32, 32, 32, 0.9])
    wide, tall, square = localizer.predict_boxes([grey(32, 64), grey(128, 64), grey(64, 64)])
    np.testing.assert_allclose(wide.boxes_xyxy_photo, [[16, 0, 48, 32]])
    np.testing.assert_allclose(tall.boxes_xyxy_photo, [[0, 32, 64, 96]])
    np.testing.assert_allclose(square.boxes_xyxy_photo, [[16, 16, 48, 48]])


def test_best_box_comes_first_and_its_shadow_is_suppressed():
    localizer = build_localizer([20, 20, 20, 20, 0.5], [21, 20, 20, 20, 0.8], [50, 50, 10, 10, 0.6])
    found = localizer.predict_boxes([grey(64, 64)])[0]
    np.testing.assert_allclose(found.scores, [0.8, 0.6], rtol=1e-6)


def test_box_beyond_the_border_is_cut_at_it():
    found = build_localizer([60, 32, 32, 32, 0.9]).predict_boxes([grey(64, 64)])[0]
    np.testing.assert_allclose(found.boxes_xyxy_photo, [[44, 16, 64, 48]])


def test_vehicle_far_away_is_not_reported():
    localizer = build_localizer([32, 32, 8, 8, 0.9], min_box_ratio=0.02)  # 64 of 4096 px2 = 1.6 %
    assert len(localizer.predict_boxes([grey(64, 64)])[0].scores) == 0


def test_photo_without_a_car_gives_no_box():
    found = build_localizer([32, 32, 32, 32, 0.2]).predict_boxes([grey(64, 64)])[0]
    assert found.boxes_xyxy_photo.shape == (0, 4)
    assert found.scores.shape == (0,)


def test_no_photos_give_no_answers():
    assert build_localizer([32, 32, 32, 32, 0.9]).predict_boxes([]) == []


@pytest.mark.parametrize("row", [[32, 32, 32, 32, np.nan], [np.nan, 32, 32, 32, 0.9], [32, 32, np.inf, 32, 0.9]])
def test_nan_or_infinity_out_of_the_network_is_refused(row):
    with pytest.raises(ContractError, match="localizer"):
        build_localizer(row).predict_boxes([grey(64, 64)])


def test_card_of_another_network_is_refused():
    runtime = constant_localizer(np.zeros((5, 1)), INPUT_HW)
    card = build_card("localizer", (32, 32), ("vehicle",), score_threshold=0.25, iou_threshold=0.5, min_box_ratio=0)
    with pytest.raises(ContractError, match="input_hw"):
        Localizer(runtime, card)
