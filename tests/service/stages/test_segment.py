"""The segmenter's maps are checked against the crops they belong to."""

import numpy as np
import pytest

from models.structures import ContractError
from service.stages.segment import segment_crops
from tests import photos

CROPS = [photos.scene((40, 44)), photos.scene((30, 50))]


class FixedSegmenter:
    def __init__(self, maps: list[np.ndarray]) -> None:
        self._maps = maps

    def predict_probs(self, crops):
        return self._maps


def maps(*, value: float = 0.5, dtype: type = np.float32) -> list[np.ndarray]:
    return [np.full((3, *crop.shape[:2]), value, dtype) for crop in CROPS]


def test_maps_come_through_in_order():
    given = maps()
    assert all(found is own for found, own in zip(segment_crops(CROPS, FixedSegmenter(given)), given, strict=True))


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.001, 1.001])
def test_one_wrong_number_in_the_last_map_is_a_broken_contract(value: float):
    given = maps()
    given[1][2, 29, 49] = value
    with pytest.raises(ContractError, match=r"^probs: expected values in \[0, 1\]"):
        segment_crops(CROPS, FixedSegmenter(given))


@pytest.mark.parametrize(
    "given", [maps(dtype=np.float64), maps()[::-1], [m[:2] for m in maps()], [m.transpose(0, 2, 1) for m in maps()]]
)
def test_a_map_of_another_shape_or_dtype_is_a_broken_contract(given: list[np.ndarray]):
    with pytest.raises(ContractError, match=r"^probs: expected"):
        segment_crops(CROPS, FixedSegmenter(given))
