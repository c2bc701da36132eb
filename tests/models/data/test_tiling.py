import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.tiling import recombine, tile_corners, tile_image
from models.structures import ContractError

SIDES = st.integers(1, 13)


@settings(deadline=None)
@given(
    size=st.tuples(SIDES, SIDES),
    tile=st.tuples(SIDES, SIDES),
    data=st.data(),
    dtype=st.sampled_from([np.uint8, np.float32, np.bool_, np.int16]),
    channels=st.sampled_from([(), (3,), (2, 2)]),
    weights=st.sampled_from(["mean", "hann"]),
)
def test_tiles_put_together_are_the_image(size, tile, data, dtype, channels, weights):
    stride = tuple(data.draw(st.integers(1, side)) for side in tile)
    image = (np.random.default_rng(0).random((*size, *channels)) * 255).astype(np.uint8)
    image = image > 127 if dtype == np.bool_ else (image / np.float32(3)).astype(dtype)
    tiles, corners = tile_image(image, tile, stride)
    assert tiles.shape == (len(corners), *tile, *channels)
    whole = recombine(tiles, corners, size, weights)
    assert whole.dtype == image.dtype
    assert (whole == image).all()


def test_corners_step_by_the_stride_and_end_at_the_border():
    assert tile_corners((3, 8), (3, 4), (3, 3)).tolist() == [[0, 0], [3, 0], [4, 0]]
    assert tile_corners((5, 4), (4, 4), (2, 2)).tolist() == [[0, 0], [0, 1]]
    assert tile_corners((2, 2), (4, 4), (4, 4)).tolist() == [[0, 0]]


def test_overlap_is_the_mean():
    tiles = np.stack([np.zeros((1, 2)), np.ones((1, 2))])
    assert recombine(tiles, np.array([[0, 0], [1, 0]]), (1, 3)).tolist() == [[0, 0.5, 1]]


def test_hann_trusts_a_tiles_middle_more_than_its_border():
    tiles = np.stack([np.zeros((1, 4)), np.ones((1, 4))])
    row = recombine(tiles, np.array([[0, 0], [1, 0]]), (1, 5), "hann")[0]
    # weights sin^2 of 22.5, 67.5, 112.5, 157.5 degrees
    near, far = np.sin(np.radians(67.5)) ** 2, np.sin(np.radians(22.5)) ** 2
    assert row == pytest.approx([0, far / (far + near), 0.5, near / (far + near), 1])


def test_small_image_is_filled_up_with_its_border():
    tiles, _ = tile_image(np.array([[1, 2]], np.uint8), (2, 3), (1, 1))
    assert tiles.tolist() == [[[1, 2, 2], [1, 2, 2]]]


@pytest.mark.parametrize(
    ("tile", "stride", "named"),
    [
        ((4, 4), (5, 1), "stride_h"),
        ((4, 4), (1, 0), "stride_w"),
        ((0, 4), (1, 1), "tile_h"),
        ((4, 0), (1, 1), "tile_w"),
    ],
)
def test_impossible_tiles_are_refused(tile, stride, named):
    with pytest.raises(ValueError, match=named):
        tile_image(np.zeros((8, 8)), tile, stride)


def test_bare_pixel_unknown_weights_and_wrong_corners_are_refused():
    tiles, corners = tile_image(np.zeros((4, 8), np.uint8), (4, 4), (4, 4))
    with pytest.raises(ValueError, match="16 bare"):
        recombine(tiles[:1], corners[:1], (4, 8))
    with pytest.raises(ValueError, match="weights"):
        recombine(tiles, corners, (4, 8), "max")
    with pytest.raises(ContractError, match="corners"):
        recombine(tiles, corners[:1], (4, 8))
