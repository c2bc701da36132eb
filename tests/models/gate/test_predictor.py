import numpy as np
import pytest

from models.gate.predictor import Gate
from models.structures import ContractError
from tests.models.tiny_networks import brightness_gate, build_card


def build_gate():
    return Gate(brightness_gate((8, 8)), build_card("gate", (8, 8), ("damaged",), score_threshold=0.5))


def test_each_crop_gets_its_score_in_order():
    black, white = np.zeros((20, 20, 3), np.uint8), np.full((5, 5, 3), 255, np.uint8)
    scores = build_gate().predict_scores([black, white, black])
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, [0, 1, 0], atol=1e-6)


def test_bars_beside_a_narrow_crop_are_the_letterbox_grey():
    white = np.full((16, 8, 3), 255, np.uint8)
    np.testing.assert_allclose(build_gate().predict_scores([white]), [(1 + 114 / 255) / 2], rtol=1e-5)


def test_no_crops_give_no_scores():
    assert build_gate().predict_scores([]).shape == (0,)


def test_nan_out_of_the_network_is_refused():
    card = build_card("gate", (8, 8), ("damaged",)).model_copy(update={"normalisation_mean": (np.nan,) * 3})
    gate = Gate(brightness_gate((8, 8)), card)
    with pytest.raises(ContractError, match="gate scores"):
        gate.predict_scores([np.zeros((8, 8, 3), np.uint8)])


def test_crop_of_another_dtype_is_refused():
    with pytest.raises(ContractError, match=r"crops\[0\]"):
        build_gate().predict_scores([np.zeros((8, 8, 3), np.float32)])
