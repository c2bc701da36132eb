"""What is cut out and enlarged keeps its damages where they are."""

import numpy as np
import pytest

from service.review.framing import close_up_of, frame_photo
from tests.service.samples import region, result


def photo(size_hw: tuple[int, int]) -> np.ndarray:
    """Black, with a white patch at x 100 to 120, y 60 to 80."""
    image = np.zeros((*size_hw, 3), np.uint8)
    image[60:80, 100:120] = 255
    return image


def patch_result():
    patch = region(points=((100.0, 60.0), (120.0, 60.0), (120.0, 80.0), (100.0, 80.0)), box_xyxy=(100, 60, 120, 80))
    return result(regions=(patch,), crop_xyxy=(0, 0, 400, 200))


@pytest.mark.parametrize("longest_side_px", [100, 200])
def test_a_shrunk_photos_damage_lies_where_it_is_seen(longest_side_px: int):
    framed, moved = frame_photo(
        photo((200, 400)), patch_result(), window_xyxy=(0, 0, 400, 200), longest_side_px=longest_side_px
    )
    assert framed.shape == (longest_side_px // 2, longest_side_px, 3)
    x0, y0, x1, y1 = moved.regions[0].box_xyxy
    assert (framed[y0:y1, x0:x1] > 200).all()
    framed[y0:y1, x0:x1] = 0
    assert framed.max() == 0
    assert moved.crop_xyxy == (0, 0, longest_side_px, longest_side_px // 2)


def test_a_close_up_is_enlarged_around_its_damage():
    framed, moved = frame_photo(photo((200, 400)), patch_result(), window_xyxy=(90, 50, 130, 90), longest_side_px=160)
    assert framed.shape == (160, 160, 3)
    assert moved.regions[0].box_xyxy == (40, 40, 120, 120)
    assert moved.regions[0].points[2] == (120.0, 120.0)
    assert framed[80, 80].tolist() == [255] * 3
    assert framed[10, 10].tolist() == [0] * 3


def test_no_close_up_is_enlarged_more_than_four_times_and_no_photo_at_all():
    image = photo((200, 400))
    assert frame_photo(image, patch_result(), window_xyxy=(100, 60, 110, 70), longest_side_px=480)[0].shape[:2] == (
        40,
        40,
    )
    assert frame_photo(image, patch_result(), window_xyxy=(0, 0, 400, 200), longest_side_px=4096)[0].shape[:2] == (
        200,
        400,
    )


@pytest.mark.parametrize(
    ("box_xyxy", "expected"),
    [
        ((200, 100, 220, 110), (130, 25, 291, 186)),  # the least size: 160 pixels
        ((100, 100, 300, 120), (0, 0, 451, 361)),  # 200 wide and 150 more on each side, as far as the photo goes
        ((0, 0, 10, 10), (0, 0, 86, 86)),
        ((-50, -50, 3000, 3000), (0, 0, 640, 480)),
    ],
)
def test_a_close_up_shows_what_surrounds_the_damage(box_xyxy, expected):
    assert close_up_of(region(box_xyxy=box_xyxy), (480, 640)) == expected


@pytest.mark.parametrize("box_xyxy", [(-9, -9, -5, -5), (700, 500, 710, 510)])
def test_a_box_outside_the_photo_still_gives_a_window_inside_it(box_xyxy):
    x0, y0, x1, y1 = close_up_of(region(box_xyxy=box_xyxy), (480, 640))
    assert 0 <= x0 < x1 <= 640
    assert 0 <= y0 < y1 <= 480
