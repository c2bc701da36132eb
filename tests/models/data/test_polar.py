import cv2
import numpy as np
import pytest

from models.data.polar import to_cartesian, to_polar


def smooth_image(size_hw, channels=3):
    noise = np.random.default_rng(0).integers(0, 256, (9, 9, channels), dtype=np.uint8)
    return cv2.resize(noise, size_hw[::-1], interpolation=cv2.INTER_CUBIC)


def test_there_and_back_is_the_same_inside_the_disc():
    image = smooth_image((121, 161))
    polar = to_polar(image, (720, 180), radius_px=60)
    back = to_cartesian(polar, image.shape[:2], radius_px=60)
    y, x = np.indices(image.shape[:2])
    radius = np.hypot(y - 60, x - 80)
    difference = np.abs(back.astype(int) - image.astype(int))
    assert difference[radius < 59].max() <= 6
    assert difference[radius < 59].mean() < 1
    assert not back[radius > 61].any()


def test_float_scans_keep_their_values():
    image = smooth_image((61, 61), 1)[..., None].astype(np.float32)[..., 0] * 100
    polar = to_polar(image, (360, 90), centre_xy=(20, 30), radius_px=18)
    back = to_cartesian(polar, (61, 61), centre_xy=(20, 30), radius_px=18)
    assert polar.dtype == back.dtype == np.float32
    assert back[25:36, 15:26] == pytest.approx(image[25:36, 15:26], rel=0.02, abs=100)


def test_rows_are_angles_clockwise_from_the_right_and_columns_radii():
    image = np.zeros((41, 41), np.uint8)
    image[20, 28:33] = 255  # right of the middle, 8 to 12 pixels away
    image[28:33, 20] = 128  # below it
    polar = to_polar(image, (4, 20), radius_px=20)
    assert polar.shape == (4, 20)
    assert polar[:, 10].tolist() == [255, 128, 0, 0]
    assert polar[:, 4].tolist() == [0, 0, 0, 0]


def test_first_angle_follows_the_last_without_a_seam():
    back = to_cartesian(np.full((90, 40), 200, np.uint8), (81, 81), radius_px=40)
    assert (back[40, 41:79] == 200).all()
    assert (back[39, 41:79] == 200).all()


@pytest.mark.parametrize("change", [to_polar, to_cartesian])
def test_disc_without_a_radius_is_refused(change):
    with pytest.raises(ValueError, match="radius_px"):
        change(np.zeros((4, 4), np.uint8), (4, 4), radius_px=0)
