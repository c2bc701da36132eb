import numpy as np
import pytest

from models.steps.cutouts import check_rgba, resize_rgba
from models.structures import ContractError


def test_same_size_is_an_untouched_copy():
    rgba = np.random.default_rng(0).integers(0, 256, (5, 7, 4), dtype=np.uint8)
    scaled = resize_rgba(rgba, (5, 7))
    np.testing.assert_array_equal(scaled, rgba)
    assert scaled is not rgba


def test_shrinking_weighs_colour_by_alpha():
    rgba = np.array([[[200, 0, 0, 255], [0, 100, 0, 85]]], np.uint8)  # alpha 1 and 1/3
    # colour (200 · 1 + 0 · 1/3) / (4/3) = 150 and (100 · 1/3) / (4/3) = 25; alpha 2/3 of 255 = 170
    assert resize_rgba(rgba, (1, 1))[0, 0].tolist() == [150, 25, 0, 170]


def test_enlarging_leaves_no_dark_rim():
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[1:3, 1:3] = [90, 120, 250, 255]
    scaled = resize_rgba(rgba, (16, 16))
    shows = scaled[..., 3] > 8
    assert 60 < shows.sum() < 256
    assert np.abs(scaled[shows][:, :3] - np.array([90.0, 120.0, 250.0])).max() <= 1


@pytest.mark.parametrize("rgba", [np.zeros((4, 4, 3), np.uint8), np.zeros((0, 4, 4), np.uint8), np.zeros((4, 4, 4))])
def test_no_cut_out_is_refused(rgba):
    with pytest.raises(ContractError, match="rgba"):
        check_rgba("rgba", rgba)
