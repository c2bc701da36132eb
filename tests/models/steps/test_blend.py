import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.steps.blend import MODES, match_surroundings, measure_change, paste
from models.structures import ContractError


def paint(height, width, seed=0, sigma=2.0):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), sigma), None, 20, 235, cv2.NORM_MINMAX)


def cut_ellipse(height, width, colour=(200, 60, 30)):
    rgba = np.zeros((height, width, 4), np.uint8)
    cv2.ellipse(rgba, (width // 2, height // 2), (width // 2 - 1, height // 2 - 1), 0, 0, 360, (*colour, 255), -1)
    return rgba


@given(
    st.sampled_from(MODES),
    st.integers(0, 30),
    st.integers(0, 20),
    st.integers(3, 30),
    st.integers(3, 30),
    st.integers(0, 10_000),
)
@settings(max_examples=60, deadline=None)
def test_every_pixel_outside_the_paste_stays_as_it_was(mode, x, y, width, height, seed):
    rng = np.random.default_rng(seed)
    photo = rng.integers(0, 256, (50, 60, 3), dtype=np.uint8)
    rgba = rng.integers(0, 256, (height, width, 4), dtype=np.uint8)
    rgba[height // 2, width // 2, 3] = 255
    before = photo.copy()
    pasted = paste(photo, rgba, np.array([x, y, x + width, y + height]), mode)
    np.testing.assert_array_equal(photo, before)
    np.testing.assert_array_equal(pasted.photo[~pasted.touched], before[~pasted.touched])
    assert (pasted.mask <= pasted.touched).all()
    window = np.zeros((50, 60), bool)
    window[y : y + height, x : x + width] = rgba[..., 3] >= 128
    np.testing.assert_array_equal(pasted.mask, window)
    rows, columns = np.nonzero(pasted.mask)
    expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert pasted.box_xyxy_photo.tolist() == expected


def test_hard_paste_replaces_the_mask_pixel_by_pixel():
    photo, rgba = paint(40, 50), np.dstack([paint(12, 9, seed=1), np.full((12, 9), 255, np.uint8)])
    rgba[:3, :3, 3] = 127
    pasted = paste(photo, rgba, np.array([41, 28, 50, 40]))  # in the very corner
    expected = photo.copy()
    for row in range(12):
        for column in range(9):
            if rgba[row, column, 3] >= 128:
                expected[28 + row, 41 + column] = rgba[row, column, :3]
    np.testing.assert_array_equal(pasted.photo, expected)
    np.testing.assert_array_equal(pasted.touched, pasted.mask)
    assert pasted.mode == "hard"


def test_feathered_edge_rises_inwards_from_the_border():
    photo, rgba = np.zeros((20, 20, 3), np.uint8), np.full((11, 11, 4), 255, np.uint8)
    pasted = paste(photo, rgba, np.array([4, 4, 15, 15]), "feathered", feather_px=2)
    # distances 1, 2, 3 px from the outside over feather_px + 1 = 3
    assert pasted.photo[9, 3:10, 0].tolist() == [0, 85, 170, 255, 255, 255, 255]
    assert pasted.box_xyxy_photo.tolist() == [4, 4, 15, 15]


def test_feathered_keeps_a_learned_soft_edge():
    photo, rgba = np.zeros((20, 20, 3), np.uint8), np.full((11, 11, 4), 255, np.uint8)
    rgba[:, 0, 3], rgba[:, 1, 3] = 50, 150
    pasted = paste(photo, rgba, np.array([4, 4, 15, 15]), "feathered", feather_px=0)
    assert pasted.photo[9, 3:7, 0].tolist() == [0, 50, 150, 255]  # mixed as stored
    assert pasted.touched[9, 4]
    assert pasted.box_xyxy_photo.tolist() == [5, 4, 15, 15]  # alpha 50 is less than half


def test_a_scratch_three_px_wide_survives_the_feather():
    photo, rgba = np.zeros((20, 40, 3), np.uint8), np.full((3, 30, 4), 255, np.uint8)
    pasted = paste(photo, rgba, np.array([5, 8, 35, 11]), "feathered", feather_px=6)
    assert pasted.photo[8:11, 20, 0].tolist() == [128, 255, 128]
    assert pasted.mask.sum() == 90


def test_cut_out_is_scaled_to_the_box():
    rgba = np.full((10, 10, 4), 255, np.uint8)
    rgba[..., :3] = np.repeat([[[10, 20, 30]], [[110, 120, 130]]], 5, axis=0)
    pasted = paste(np.zeros((30, 30, 3), np.uint8), rgba, np.array([2, 3, 7, 5]))
    assert pasted.photo[3, 2].tolist() == [10, 20, 30]
    assert pasted.photo[4, 6].tolist() == [110, 120, 130]
    assert pasted.mask.sum() == 10


def test_poisson_of_a_constant_on_a_constant_is_the_photo():
    """No gradient inside, the photo at the border: the solution of Laplace's equation is the photo's constant."""
    photo = np.full((60, 60, 3), 90, np.uint8)
    pasted = paste(photo, cut_ellipse(30, 24), np.array([20, 10, 44, 40]), "poisson")
    assert pasted.mode == "poisson"
    assert np.abs(pasted.photo.astype(int) - 90).max() <= 1


@pytest.mark.parametrize("corner_xy", [(0, 0), (21, 13), (40, 30)])
def test_poisson_of_the_photo_onto_itself_is_the_photo(corner_xy):
    """Border demands and centring are right to the pixel: a shift by one would show by 20 levels."""
    photo, (x, y) = paint(60, 70), corner_xy
    rgba = np.dstack([photo[y : y + 30, x : x + 30], np.full((30, 30), 255, np.uint8)])
    pasted = paste(photo, rgba, np.array([x, y, x + 30, y + 30]), "poisson", feather_px=0)
    shifted = np.abs(photo[:, 1:].astype(int) - photo[:, :-1]).max()
    assert shifted > 20
    assert np.abs(pasted.photo.astype(int) - photo).max() <= 2


def test_poisson_carries_the_instances_gradients_and_the_photos_light():
    photo = np.full((80, 80, 3), 60, np.uint8)
    texture = paint(40, 40, seed=3)
    rgba = np.dstack(
        [np.clip(texture.astype(int) // 2 + 110, 0, 255).astype(np.uint8), np.full((40, 40), 255, np.uint8)]
    )
    pasted = paste(photo, rgba, np.array([20, 20, 60, 60]), "poisson")
    inner = np.s_[30:50, 30:50]
    own = rgba[10:30, 10:30, :3].astype(float)
    shown = pasted.photo[inner].astype(float)
    for channel in range(3):
        dx_shown, dx_own = (np.diff(a[..., channel], axis=1).ravel() for a in (shown, own))
        assert np.corrcoef(dx_shown, dx_own)[0, 1] > 0.98
    assert abs(shown.mean() - 60) < 20 < abs(own.mean() - 60)


def test_poisson_meets_the_photo_through_its_feather():
    photo, box = paint(60, 60), np.array([10, 10, 50, 50])
    rgba = np.dstack([paint(40, 40, seed=4, sigma=4), cut_ellipse(40, 40)[..., 3]])
    bare, sloped = (paste(photo, rgba, box, "poisson", feather_px=px) for px in (0, 2))
    border = bare.mask & ~cv2.erode(
        bare.mask.astype(np.uint8), np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
    ).astype(bool)
    steps = [np.abs(pasted.photo[border].astype(int) - photo[border]) for pasted in (bare, sloped)]
    assert steps[0].max() > 10
    assert np.abs(steps[1] - steps[0] / 3).max() <= 1  # the outermost pixels count a third


@pytest.mark.parametrize("size_hw", [(3, 30), (30, 4), (9, 9)])
def test_thin_instance_takes_the_paint_around_and_keeps_its_gradient(size_hw):
    """A light line in the middle of grey paint, 60 levels above it, becomes one of about as much on other paint."""
    height, width = size_hw
    photo, rgba = np.full((40, 40, 3), (20, 40, 150), np.uint8), np.full((*size_hw, 4), 255, np.uint8)
    rgba[..., :3] = 120
    rgba[height // 2, width // 2, :3] = 180
    pasted = paste(photo, rgba, np.array([5, 5, 5 + width, 5 + height]), "poisson", feather_px=0)
    assert pasted.mode == "poisson"
    rise = pasted.photo.astype(int) - photo
    assert (rise[5 + height // 2, 5 + width // 2] >= 35).all()
    off = pasted.mask.copy()
    off[4 + height // 2 : 7 + height // 2, 4 + width // 2 : 7 + width // 2] = False
    assert np.abs(rise[off]).max() <= 12  # grey paint gave way to blue


def test_change_is_the_distance_of_the_most_changed_tenth():
    photo = np.full((20, 20, 3), 255, np.uint8)
    rgba = np.full((10, 10, 4), 255, np.uint8)
    rgba[0, :, :3] = 0  # a tenth of the pixels, and one more
    rgba[1, 0, :3] = 0
    pasted = paste(photo, rgba, np.array([3, 4, 13, 14]))
    assert measure_change(photo, pasted) == pytest.approx(100, abs=0.1)
    rgba[..., :3] = 255
    assert measure_change(photo, paste(photo, rgba, np.array([3, 4, 13, 14]))) == 0
    rgba[:2, 0, :3] = 0  # less than a tenth
    assert measure_change(photo, paste(photo, rgba, np.array([3, 4, 13, 14]))) == 0


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 30), (2, 2)])
def test_what_is_too_thin_for_poisson_is_feathered(size_hw):
    photo, rgba = paint(40, 40), np.full((*size_hw, 4), 255, np.uint8)
    box = np.array([5, 5, 5 + size_hw[1], 5 + size_hw[0]])
    pasted, feathered = paste(photo, rgba, box, "poisson"), paste(photo, rgba, box, "feathered")
    assert pasted.mode == "feathered"
    np.testing.assert_array_equal(pasted.photo, feathered.photo)


def lab_moments(rgb):
    lab = cv2.cvtColor(rgb.reshape(1, -1, 3).astype(np.float32) / 255, cv2.COLOR_RGB2Lab)[0]
    return lab.mean(axis=0), lab.std(axis=0)


def test_matching_takes_the_light_and_colour_around():
    photo = (40 + 0.3 * paint(60, 60)).astype(np.uint8)
    colours, mask = (110 + 0.3 * paint(20, 20, seed=5)).astype(np.uint8), np.ones((20, 20), bool)
    matched = match_surroundings(photo, colours, mask, (20, 20), match_strength=1.0)
    around = np.ones((60, 60), bool)
    around[20:40, 20:40] = around[:10] = around[50:] = around[:, :10] = around[:, 50:] = False
    mean, std = lab_moments(photo[around])
    own_mean, own_std = lab_moments(colours)
    new_mean, new_std = lab_moments(matched)
    np.testing.assert_allclose(new_mean, mean, atol=0.7)
    np.testing.assert_allclose(new_std, own_std * np.clip(std / own_std, 0.5, 2), rtol=0.1, atol=0.3)
    half_mean, _ = lab_moments(match_surroundings(photo, colours, mask, (20, 20), match_strength=0.5))
    np.testing.assert_allclose(half_mean, (mean + own_mean) / 2, atol=1.5)


def test_matching_applies_to_a_paste_and_needs_surroundings():
    photo, rgba = np.full((40, 40, 3), 50, np.uint8), cut_ellipse(20, 20, (220, 220, 220))
    matched = paste(photo, rgba, np.array([10, 10, 30, 30]), match_strength=1.0)
    assert np.abs(matched.photo[20, 20].astype(int) - 50).max() <= 2
    assert paste(photo, rgba, np.array([10, 10, 30, 30])).photo[20, 20].tolist() == [220, 220, 220]
    full = np.full((40, 40, 4), 255, np.uint8)
    assert (paste(photo, full, np.array([0, 0, 40, 40]), match_strength=1.0).photo == 255).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"box": [-1, 5, 9, 15]}, "box_xyxy_photo"),
        ({"box": [31, 5, 41, 15]}, "box_xyxy_photo"),
        ({"box": [5, 31, 15, 41]}, "box_xyxy_photo"),
        ({"box": [5, 5, 5, 15]}, "box_xyxy_photo"),
        ({"box": [5.0, 5.0, 15.0, 15.0]}, "integers"),
        ({"mode": "soft"}, "mode"),
        ({"rgba": np.zeros((10, 10, 4), np.uint8)}, "alpha 128"),
        ({"rgba": np.zeros((10, 10, 3), np.uint8)}, "rgba"),
        ({"feather_px": -1}, "feather_px"),
        ({"match_strength": 1.5}, "match_strength"),
    ],
)
def test_clipping_and_wrong_arguments_are_refused(change, message):
    values = {"rgba": cut_ellipse(10, 10), "box": [5, 5, 15, 15], "mode": "hard", "feather_px": 2, "match_strength": 0}
    values |= change
    with pytest.raises(ContractError, match=message):
        paste(
            paint(40, 40),
            values["rgba"],
            np.array(values["box"]),
            values["mode"],
            feather_px=values["feather_px"],
            match_strength=values["match_strength"],
        )
