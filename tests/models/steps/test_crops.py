import numpy as np
import pytest

from models.steps.crops import choose_usable, cut_instance
from models.structures import ContractError


def paint(height, width, seed=0):
    return np.random.default_rng(seed).integers(1, 256, (height, width, 3), dtype=np.uint8)


def test_unscaled_crop_is_the_photo_pixel_by_pixel_in_the_middle_of_black():
    image = paint(30, 40)
    crop = cut_instance(image, np.array([5.0, 10.0, 15.0, 26.0]), 20)  # 10 wide, 16 high
    assert crop.content_xyxy_canvas.tolist() == [5, 2, 15, 18]
    np.testing.assert_array_equal(crop.canvas[2:18, 5:15], image[10:26, 5:15])
    assert crop.canvas.sum() == image[10:26, 5:15].sum()  # black around it
    assert (crop.scale, crop.box_wh_photo, crop.window_xyxy_photo.tolist()) == (1.0, (10.0, 16.0), [5, 10, 15, 26])


@pytest.mark.parametrize(("side", "canvas_px", "low"), [(3, 8, 2), (4, 8, 2), (3, 9, 3), (4, 9, 2), (8, 8, 0)])
def test_odd_and_even_sizes_leave_the_spare_pixel_right_and_below(side, canvas_px, low):
    crop = cut_instance(paint(20, 20), np.array([2, 2, 2 + side, 2 + side]), canvas_px)
    assert crop.content_xyxy_canvas.tolist() == [low, low, low + side, low + side]
    after = canvas_px - low - side
    assert after - low in (0, 1)


def test_larger_crop_is_shrunk_by_averaging_and_remembers_its_size():
    image = paint(40, 40)
    crop = cut_instance(image, np.array([0.0, 4.0, 16.0, 36.0]), 16)  # 16 x 32 to 8 x 16
    blocks = image[4:36, :16].reshape(16, 2, 8, 2, 3).mean(axis=(1, 3))
    x0, y0, x1, y1 = crop.content_xyxy_canvas
    assert (x0, y0, x1, y1) == (4, 0, 12, 16)
    assert np.abs(crop.canvas[y0:y1, x0:x1] - blocks).max() <= 0.51
    assert (crop.scale, crop.box_wh_photo) == (0.5, (16.0, 32.0))


def test_box_beyond_the_frame_is_cut_and_margin_stays_inside():
    crop = cut_instance(paint(20, 20), np.array([-4.0, 5.0, 6.0, 15.0]), 32, margin_ratio=0.2)  # grown by 2 a side
    assert crop.window_xyxy_photo.tolist() == [0, 3, 8, 17]
    assert crop.box_wh_photo == (10.0, 10.0)


def test_mask_makes_everything_else_transparent():
    image, mask = paint(12, 12), np.zeros((12, 12), bool)
    mask[3:6, 4:8] = True
    canvas = cut_instance(image, np.array([2, 2, 10, 10]), 8, mask=mask).canvas
    assert canvas.shape == (8, 8, 4)
    np.testing.assert_array_equal(canvas[..., 3] == 255, mask[2:10, 2:10])
    np.testing.assert_array_equal(canvas[..., :3], image[2:10, 2:10] * mask[2:10, 2:10, None])


def test_shrinking_a_masked_crop_keeps_the_edge_free_of_black():
    image, mask = np.full((16, 16, 3), 200, np.uint8), np.zeros((16, 16), bool)
    mask[:, :7] = True  # the seventh column is half of a canvas pixel
    canvas = cut_instance(image, np.array([0, 0, 16, 16]), 8, mask=mask).canvas
    assert canvas[0, :, 3].tolist() == [255, 255, 255, 128, 0, 0, 0, 0]
    assert canvas[0, :, 0].tolist() == [200, 200, 200, 200, 0, 0, 0, 0]


def test_small_hidden_and_outlying_boxes_are_not_usable():
    boxes = np.array(
        [
            [10, 10, 30, 40],  # fine
            [10, 10, 17, 40],  # 7 px wide
            [-20, 10, 20, 40],  # half of it inside
            [-5, 10, 25, 40],  # 25 of 30 columns inside
            [80, 80, 100, 100],  # under the occluder
            [200, 10, 230, 40],  # outside
            [30, 30, 10, 10],  # inverted
        ],
        float,
    )
    occluder = np.array([[80, 80, 90, 100]], float)
    assert choose_usable(boxes, (100, 100)).tolist() == [True, False, False, True, True, False, False]
    usable = choose_usable(boxes, (100, 100), occluders_xyxy_photo=occluder)
    assert usable.tolist() == [True, False, False, True, False, False, False]
    assert choose_usable(boxes[:0], (100, 100)).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"box": [50, 5, 60, 10]}, "box_xyxy_photo: expected pixels inside"),
        ({"box": [np.nan, 5, 60, 10]}, "finite"),
        ({"canvas_px": 0}, "canvas_px"),
        ({"mask": np.zeros((3, 3), bool)}, "mask"),
        ({"image": np.zeros((20, 20), np.uint8)}, "image"),
    ],
)
def test_what_cannot_be_cut_is_refused(arguments, message):
    values = {"image": paint(20, 20), "box": [1, 1, 9, 9], "canvas_px": 8, "mask": None} | arguments
    with pytest.raises(ContractError, match=message):
        cut_instance(values["image"], np.array(values["box"], float), values["canvas_px"], mask=values["mask"])
