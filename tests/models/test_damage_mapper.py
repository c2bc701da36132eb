"""The segmenter and the finder asked as one."""

import numpy as np
import pytest

from models.damage_mapper import DamageMapper
from tests import photos

CROPS = [photos.scene((40, 44)), photos.scene((30, 50))]


class FixedNetwork:
    def __init__(self, value: float, input_hw: tuple[int, int] = (64, 64)) -> None:
        self.maps = [np.full((3, *crop.shape[:2]), value, np.float32) for crop in CROPS]
        self.input_hw = input_hw

    def predict_probs(self, crops):
        assert crops is CROPS
        return self.maps


def test_a_finder_beside_the_segmenter_adds_and_never_takes_away():
    segmenter, finder = FixedNetwork(0.5), FixedNetwork(0.2)
    finder.maps[0][1, 3, 4], finder.maps[1][2, 29, 49] = 0.9, 0.7
    mapped = DamageMapper(segmenter, finder).predict_probs(CROPS)
    for together, seen, found in zip(mapped, segmenter.maps, finder.maps, strict=True):
        assert np.array_equal(together, np.where(found > seen, found, seen))
    assert mapped[0][1, 3, 4] == np.float32(0.9)
    assert mapped[1][2, 29, 48] == np.float32(0.5)


def test_one_network_alone_says_all():
    finder = FixedNetwork(0.2)
    assert DamageMapper(finder).predict_probs(CROPS) is finder.maps


def test_crops_keep_what_either_network_can_see():
    assert DamageMapper(FixedNetwork(0.5, (64, 96)), FixedNetwork(0.5, (80, 32))).input_hw == (80, 96)


def test_no_network_at_all_is_refused():
    with pytest.raises(ValueError, match="found none"):
        DamageMapper()
