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


class FixedFinder(FixedSegmenter):
    def find_damages(self, crops):
        return self._maps


def test_a_finder_beside_the_segmenter_adds_and_never_takes_away():
    seen, found = maps(value=0.5), maps(value=0.2)
    found[0][1, 3, 4], found[1][2, 29, 49] = 0.9, 0.7
    for mapped, own, other in zip(
        segment_crops(CROPS, FixedSegmenter(seen), FixedFinder(found)), seen, found, strict=True
    ):
        assert np.array_equal(mapped, np.where(other > own, other, own))
    assert segment_crops(CROPS, FixedSegmenter(seen), FixedFinder(found))[0][1, 3, 4] == np.float32(0.9)


def test_a_finder_instead_of_the_segmenter_is_asked_alone():
    found = maps(value=0.2)
    assert all(mapped is own for mapped, own in zip(segment_crops(CROPS, None, FixedFinder(found)), found, strict=True))


def test_a_finders_wrong_number_is_a_broken_contract_too():
    found = maps()
    found[1][2, 29, 49] = np.nan
    with pytest.raises(ContractError, match=r"^probs: expected values in \[0, 1\]"):
        segment_crops(CROPS, FixedSegmenter(maps()), FixedFinder(found))


def test_no_network_at_all_is_a_broken_contract():
    with pytest.raises(ContractError, match="found none"):
        segment_crops(CROPS, None)


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
