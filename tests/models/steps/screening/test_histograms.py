import numpy as np
import pytest

from models.steps.screening import Counting, find_content, histogram
from models.structures import ContractError


def draw_images(count=5, height=9, width=7, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def test_histogram_counts_every_pixel_of_every_channel():
    images = draw_images()
    images[0] = 255
    expected = np.zeros((5, 3, 256), int)
    for n, image in enumerate(images):
        for pixel in image.reshape(-1, 3):
            for channel, value in enumerate(pixel):
                expected[n, channel, value] += 1
    counts = histogram(images)
    np.testing.assert_array_equal(counts, expected)
    assert counts.dtype == np.int32


def test_only_the_instances_pixels_count():
    images, rng = draw_images(), np.random.default_rng(1)
    masks = rng.random(images.shape[:3]) < 0.4
    masks[4] = False
    boxes = np.array([[0, 0, 7, 9], [1, 2, 5, 8], [3, 3, 3, 3], [6, 8, 7, 9], [0, 0, 7, 9]])
    by_mask, by_box, by_both = (
        histogram(images, masks=masks),
        histogram(images, content_xyxy=boxes),
        histogram(images, masks=masks, content_xyxy=boxes),
    )
    for n, (x0, y0, x1, y1) in enumerate(boxes):
        inside = np.zeros(images.shape[1:3], bool)
        inside[y0:y1, x0:x1] = True
        for counts, where in ((by_mask, masks[n]), (by_box, inside), (by_both, masks[n] & inside)):
            for channel in range(3):
                np.testing.assert_array_equal(
                    counts[n, channel], np.bincount(images[n][where][:, channel], minlength=256)
                )


def test_counting_units():
    counts = np.zeros((2, 3, 256), int)
    counts[0, :, 0], counts[0, 0, 255] = 30, 10  # red 40 pixels, the others 30
    as_reference = Counting("reference", 4096).apply(counts, 1024)
    assert as_reference[0, 0, 255] == 40
    assert Counting("literal").apply(counts, 1024)[0, 0, 255] == 10
    fractions = Counting("fraction").apply(counts, 1024)
    assert (fractions[0, 0, 255], fractions[0, 1, 0]) == (0.25, 1.0)
    assert (fractions[1] == 0).all()  # nothing counted


def test_content_is_where_the_canvas_is_not_black():
    images = np.zeros((4, 64, 64, 3), np.uint8)
    images[0, 10:40, 20:30, 1] = 17
    images[1, 5:60, 3:9] = 90
    images[1, 62, 62] = 255  # a speck: one of 64 pixels is less than 2 %
    images[2] = 16  # dark enough for the canvas
    images[3] = 200
    assert find_content(images).tolist() == [[20, 10, 30, 40], [3, 5, 9, 60], [0, 0, 64, 64], [0, 0, 64, 64]]
    assert find_content(images, dark_value=15)[2].tolist() == [0, 0, 64, 64]
    assert find_content(images, min_share=0.01)[1].tolist() == [3, 5, 63, 63]


@pytest.mark.parametrize(
    "arguments",
    [
        {"images": np.zeros((2, 8, 8), np.uint8)},
        {"images": np.zeros((2, 8, 8, 3), np.float32)},
        {"masks": np.zeros((2, 8, 7), bool)},
        {"content_xyxy": np.array([[0, 0, 8, 9], [0, 0, 8, 8]])},
        {"content_xyxy": np.array([[5, 0, 4, 8], [0, 0, 8, 8]])},
        {"content_xyxy": np.zeros((2, 4))},
    ],
)
def test_other_shapes_and_boxes_out_of_frame_are_refused(arguments):
    with pytest.raises(ContractError, match=next(iter(arguments))):
        histogram(**{"images": np.zeros((2, 8, 8, 3), np.uint8)} | arguments)


@pytest.mark.parametrize("arguments", [{"mode": "share"}, {"reference_px2": 0}])
def test_unknown_counting_is_refused(arguments):
    with pytest.raises(ContractError, match=next(iter(arguments))):
        Counting(**arguments)
