"""The gate's scores are checked before anyone believes them."""

from typing import Any

import numpy as np
import pytest

from models.structures import ContractError
from service.stages.gate import score_crops
from tests import photos

CROPS = [photos.scene((40, 40)), photos.scene((30, 50))]


class FixedGate:
    def __init__(self, scores: Any) -> None:
        self._scores = scores

    def predict_scores(self, crops):
        return self._scores


def test_scores_come_through_in_order():
    assert score_crops(CROPS, FixedGate(np.array([0, 1], np.float32))).tolist() == [0, 1]


@pytest.mark.parametrize(
    "scores",
    [
        np.array([0.5, np.nan], np.float32),
        np.array([0.5, np.inf], np.float32),
        np.array([0.5, 1.0001], np.float32),
        np.array([-0.0001, 0.5], np.float32),
        np.array([0.5], np.float32),
        np.array([[0.5], [0.5]], np.float32),
        np.array([0.5, 0.5], np.float64),
        [0.5, 0.5],
    ],
)
def test_anything_but_a_score_a_crop_is_a_broken_contract(scores: Any):
    with pytest.raises(ContractError, match=r"^scores: expected"):
        score_crops(CROPS, FixedGate(scores))
