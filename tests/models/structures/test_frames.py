"""Photo, crop and network input: every coordinate finds its way back."""

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models.structures import CropWindow, Letterbox, shrink_to_fit

SIZES_HW = st.tuples(st.integers(1, 300), st.integers(1, 300))
EDGES = st.floats(-50, 350, allow_nan=False)


# crop window ---------------------------------------------------------------------------------------------------------


def test_a_window_around_a_box_by_hand():
    box = np.array([1.2, 1.0, 3.0, 2.9])
    assert CropWindow.around(box, (4, 4), margin_ratio=0).xyxy == (1, 1, 3, 3)
    assert CropWindow.around(box, (4, 4), margin_ratio=0.5).xyxy == (0, 0, 4, 4)
    window = CropWindow(1, 0, 4, 2)
    assert (window.size_hw, window.xyxy) == ((2, 3), (1, 0, 4, 2))
    assert CropWindow.whole((3, 5)).xyxy == (0, 0, 5, 3)


def test_a_cut_is_the_windows_pixels_without_a_copy():
    image = np.arange(16).reshape(4, 4)
    cut = CropWindow(1, 0, 4, 2).cut(image)
    assert cut.tolist() == [[1, 2, 3], [5, 6, 7]]
    assert np.shares_memory(cut, image)


@given(st.tuples(EDGES, EDGES, EDGES, EDGES), SIZES_HW, st.floats(0, 1))
def test_a_window_always_holds_a_pixel_of_the_photo(box, size_hw: tuple[int, int], margin_ratio: float):
    x0, y0, x1, y1 = CropWindow.around(np.array(box), size_hw, margin_ratio=margin_ratio).xyxy
    assert 0 <= x0 < x1 <= size_hw[1]
    assert 0 <= y0 < y1 <= size_hw[0]


@given(st.tuples(EDGES, EDGES, EDGES, EDGES), SIZES_HW, st.floats(0, 1))
def test_a_window_covers_its_box_as_far_as_the_photo_reaches(box, size_hw: tuple[int, int], margin_ratio: float):
    height, width = size_hw
    left, right = np.clip(sorted(box[::2]), 0, width)
    top, bottom = np.clip(sorted(box[1::2]), 0, height)
    assume(left < right and top < bottom)
    window = CropWindow.around(np.array([left, top, right, bottom]), size_hw, margin_ratio=margin_ratio)
    assert window.x0 <= left and window.y0 <= top and window.x1 >= right and window.y1 >= bottom


# letterbox -----------------------------------------------------------------------------------------------------------


def test_a_wide_image_has_bars_above_and_below():
    letterbox = Letterbox((2, 4), (8, 8))
    assert (letterbox.scale, letterbox.content_hw, letterbox.offset_xy) == (2, (4, 8), (0, 2))
    applied = letterbox.apply(np.full((2, 4, 3), 200, np.uint8))
    assert (applied[2:6] == 200).all()
    assert (applied[:2] == 114).all() and (applied[6:] == 114).all()


def test_a_tall_image_has_bars_left_and_right():
    letterbox = Letterbox((4, 2), (4, 4))
    assert (letterbox.scale, letterbox.content_hw, letterbox.offset_xy) == (1, (4, 2), (1, 0))
    image = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
    applied = letterbox.apply(image)
    assert (applied[:, 1:3] == image).all()
    assert (applied[:, [0, 3]] == 114).all()


def test_shrinking_averages_and_no_pixel_is_skipped():
    checkered = np.zeros((8, 8, 3), np.uint8)
    checkered[::2, ::2] = checkered[1::2, 1::2] = 200
    assert (Letterbox((8, 8), (4, 4)).apply(checkered) == 100).all()


@given(SIZES_HW, SIZES_HW)
def test_the_content_fits_and_lies_in_the_middle(source_hw: tuple[int, int], input_hw: tuple[int, int]):
    letterbox = Letterbox(source_hw, input_hw)
    (content_h, content_w), (x, y) = letterbox.content_hw, letterbox.offset_xy
    assert 1 <= content_h <= input_hw[0]
    assert 1 <= content_w <= input_hw[1]
    assert 0 <= input_hw[1] - content_w - 2 * x <= 1
    assert 0 <= input_hw[0] - content_h - 2 * y <= 1
    assert content_h == input_hw[0] or content_w == input_hw[1]
    assert letterbox.apply(np.zeros((*source_hw, 3), np.uint8)).shape == (*input_hw, 3)


@given(SIZES_HW, SIZES_HW, st.lists(st.tuples(EDGES, EDGES, EDGES, EDGES), max_size=4))
def test_a_box_finds_its_way_back(source_hw: tuple[int, int], input_hw: tuple[int, int], boxes):
    letterbox = Letterbox(source_hw, input_hw)
    boxes_xyxy = np.array(boxes, np.float64).reshape(-1, 4)
    assert np.allclose(letterbox.undo_boxes(letterbox.apply_boxes(boxes_xyxy)), boxes_xyxy, atol=1e-6)


@given(SIZES_HW, SIZES_HW)
def test_the_whole_image_becomes_the_whole_content(source_hw: tuple[int, int], input_hw: tuple[int, int]):
    letterbox = Letterbox(source_hw, input_hw)
    (content_h, content_w), (x, y) = letterbox.content_hw, letterbox.offset_xy
    whole = np.array([[0, 0, source_hw[1], source_hw[0]]])
    assert np.allclose(letterbox.apply_boxes(whole), [[x, y, x + content_w, y + content_h]])


def test_a_drawn_box_lies_where_the_map_says():
    image = np.zeros((60, 100, 3), np.uint8)
    image[20:40, 30:80] = 255
    letterbox = Letterbox((60, 100), (96, 64))
    rows, columns = np.nonzero(letterbox.apply(image)[..., 0] > 127)
    found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert np.abs(letterbox.apply_boxes(np.array([[30, 20, 80, 40]]))[0] - found).max() <= 1


@given(SIZES_HW, SIZES_HW, st.integers(0, 99))
def test_maps_come_back_in_the_sources_size_and_range(source_hw: tuple[int, int], input_hw: tuple[int, int], seed: int):
    maps = np.random.default_rng(seed).random((2, *input_hw), dtype=np.float32)
    undone = Letterbox(source_hw, input_hw).undo_maps(maps)
    assert (undone.shape, undone.dtype) == ((2, *source_hw), np.float32)
    assert maps.min() - 1e-6 <= undone.min() <= undone.max() <= maps.max() + 1e-6


@pytest.mark.parametrize(("source_hw", "input_hw"), [((40, 60), (40, 60)), ((40, 60), (64, 64)), ((30, 30), (90, 120))])
def test_a_mask_survives_the_way_there_and_back_unless_it_is_shrunk(source_hw, input_hw):
    masks = np.zeros((1, *source_hw), bool)
    masks[0, 7:21, 11:25] = True
    letterbox = Letterbox(source_hw, input_hw)
    back = letterbox.undo_maps(letterbox.apply_masks(masks).astype(np.float32)) >= 0.5
    assert (back != masks).mean() < 0.01


def test_the_bars_hold_no_mask_and_a_cell_goes_with_its_majority():
    masks = np.zeros((1, 2, 8), bool)
    masks[0, 0, 0] = masks[0, :, 4:6] = True  # one pixel of four; all of four
    applied = Letterbox((2, 8), (4, 4)).apply_masks(masks)
    assert applied.dtype == bool
    assert applied[0].tolist() == [
        [False, False, False, False],
        [False, False, True, False],
        [False, False, False, False],
        [False, False, False, False],
    ]


def test_the_maps_and_the_image_share_one_geometry():
    image = np.zeros((50, 80, 3), np.uint8)
    cv2.circle(image, (55, 20), 9, (255, 255, 255), cv2.FILLED)
    letterbox = Letterbox((50, 80), (96, 96))
    maps = (letterbox.apply(image)[None, ..., 0] / 255).astype(np.float32)
    back = letterbox.undo_maps(maps)[0] >= 0.5
    truth = image[..., 0] > 0
    assert (back & truth).sum() / (back | truth).sum() > 0.95


@pytest.mark.parametrize(("size_hw", "fitted"), [((1, 4000), (1, 32)), ((4000, 1), (32, 1)), ((33, 32), (32, 31))])
def test_even_a_sliver_keeps_a_pixel(size_hw: tuple[int, int], fitted: tuple[int, int]):
    assert shrink_to_fit(np.zeros((*size_hw, 3), np.uint8), (32, 32)).shape[:2] == fitted
