import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

torch = pytest.importorskip("torch", reason="the GAN needs vehicle-damage[train]")

from models.job.generation import cut_content, draw_sheet, lay_under, over_black  # noqa: E402

RGBA = arrays(np.uint8, st.tuples(st.integers(1, 3), st.just(3), st.just(3), st.just(4)))


def test_transparent_pixels_are_black_on_the_canvas():
    pixels = np.full((1, 2, 2, 4), 200, np.uint8)
    pixels[0, :, :, 3] = [[0, 255], [51, 102]]
    assert over_black(pixels)[0, :, :, 0].tolist() == [[0, 200], [40, 80]]
    assert over_black(pixels[..., :3]) is not None


@given(RGBA)
@settings(max_examples=200, deadline=None)
def test_canvas_laid_under_its_own_picture_is_the_canvas(canvases):
    shown = over_black(canvases)
    back = lay_under(shown, canvases)
    assert back.dtype == np.uint8
    alpha = canvases[..., 3:].astype(float)
    np.testing.assert_array_equal(back[..., 3], canvases[..., 3])
    np.testing.assert_array_equal(over_black(back), shown)
    with np.errstate(divide="ignore"):
        rounding = 0.5 * 255 / alpha + 0.5  # of what is shown, enlarged, and of the colour
    wrong = np.abs(back[..., :3].astype(float) - canvases[..., :3]) > rounding
    assert not (wrong & (alpha > 0)).any()
    assert not back[..., :3][canvases[..., 3] == 0].any()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_whatever_is_shown_is_still_seen_once_the_canvas_is_under_it(seed):
    """A breakage lights up pixels that the canvas left transparent."""
    rng = np.random.default_rng(seed)
    shown = rng.integers(0, 256, (2, 4, 4, 3), np.uint8)
    canvases = rng.integers(0, 256, (2, 4, 4, 4), np.uint8)
    laid = lay_under(shown, canvases)
    np.testing.assert_array_equal(over_black(laid), shown)
    assert (laid[..., 3] >= canvases[..., 3]).all()


def test_lit_pixel_becomes_as_opaque_as_it_is_bright():
    shown = np.array([[[[51, 20, 0], [0, 0, 0], [30, 60, 90]]]], np.uint8)
    canvases = np.array([[[[9, 9, 9, 0], [9, 9, 9, 0], [9, 9, 9, 180]]]], np.uint8)
    assert lay_under(shown, canvases)[0, 0].tolist() == [[255, 100, 0, 51], [0, 0, 0, 0], [42, 85, 128, 180]]


def test_pictures_of_opaque_canvases_stay_as_they_are():
    shown = np.zeros((2, 4, 4, 3), np.uint8)
    assert lay_under(shown, shown) is shown


def test_content_fills_the_canvas():
    images = np.zeros((1, 8, 8, 3), np.uint8)
    images[0, 2:6, 3:5] = 90
    assert (cut_content(images, np.array([[3, 2, 5, 6]])) == 90).all()


def test_sheet_lays_images_out_in_rows():
    pixels = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    sheet = draw_sheet(pixels, 3)
    assert sheet.shape == (4, 6, 3)
    assert sheet[::2, ::2, 0].tolist() == [[0, 1, 2], [3, 4, 0]]


def test_sheet_shows_transparency_over_squares():
    pixels = np.full((1, 16, 16, 4), 40, np.uint8)
    pixels[0, ..., 3] = 0
    pixels[0, :4, :4, 3] = 255
    sheet = draw_sheet(pixels, 1)[..., 0]
    assert (sheet[:4, :4] == 40).all()
    for row in range(4, 16):
        for column in range(16):
            assert sheet[row, column] == (200 if (row // 2 + column // 2) % 2 else 150)
