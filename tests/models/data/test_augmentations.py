import dataclasses

import numpy as np
import pytest

from models.data import augmentations
from models.data.augmentations import (
    SampleChanges,
    change_brightness,
    change_contrast,
    change_sample,
    change_saturation,
    cutout,
    flip_upside_down,
    grid_mask,
    mirror,
    random_camera,
    random_colour,
    random_light,
    rotate,
)

IMAGE = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("change", [random_light, random_camera, random_colour])
def test_change_keeps_size_and_type_and_its_input(change):
    before = IMAGE.copy()
    for seed in range(20):
        changed = change(IMAGE, np.random.default_rng(seed))
        assert changed.shape == IMAGE.shape
        assert changed.dtype == np.uint8
    assert (before == IMAGE).all()


def test_some_photos_get_very_dark_and_some_brighter():
    grey = np.full((4, 4, 3), 128, np.uint8)
    means = [random_light(grey, np.random.default_rng(seed)).mean() for seed in range(200)]
    assert min(means) < 60
    assert max(means) > 150


def test_mirror_swaps_left_and_right():
    assert (mirror(IMAGE)[:, 0] == IMAGE[:, -1]).all()


PIXELS = np.array([[[100, 50, 0], [200, 200, 200]]], np.uint8)


def test_brightness_multiplies():
    assert change_brightness(PIXELS, 0.5).tolist() == [[[50, 25, 0], [100, 100, 100]]]
    assert change_brightness(PIXELS, 3).tolist() == [[[255, 150, 0], [255, 255, 255]]]


def test_contrast_moves_away_from_the_mean_grey():
    # greys 59 (0.299 * 100 + 0.587 * 50) and 200, their mean 129.5
    assert change_contrast(PIXELS, 2).tolist() == [[[70, 0, 0], [255, 255, 255]]]
    assert len(np.unique(change_contrast(PIXELS, 0))) == 1


def test_saturation_moves_away_from_the_pixels_own_grey():
    assert change_saturation(PIXELS, 0).tolist() == [[[59, 59, 59], [200, 200, 200]]]
    assert change_saturation(PIXELS, 2).tolist() == [[[141, 41, 0], [200, 200, 200]]]


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_colour_change_equals_the_reference_library(name):
    functional = pytest.importorskip("torchvision.transforms.v2.functional")
    torch = pytest.importorskip("torch")
    change = getattr(augmentations, f"change_{name}")
    for factor in (0, 0.4, 1, 1.7):
        expected = getattr(functional, f"adjust_{name}")(torch.from_numpy(IMAGE).permute(2, 0, 1), factor)
        assert np.abs(change(IMAGE, factor).astype(int) - expected.permute(1, 2, 0).numpy()).max() <= 2  # it truncates


def test_negative_factor_is_refused():
    with pytest.raises(ValueError, match="factor"):
        change_brightness(PIXELS, -1)


def test_upside_down_swaps_top_and_bottom():
    assert (flip_upside_down(IMAGE)[0] == IMAGE[-1]).all()


def test_quarter_turn_is_exact_and_masks_follow():
    square = IMAGE[:, :24]
    masks = square[..., :2].transpose(2, 0, 1) > 128
    turned, turned_masks = rotate(square, masks, 90)
    assert (turned == np.rot90(square)).all()
    assert (turned_masks == np.rot90(masks, axes=(1, 2))).all()


def test_masks_turn_with_the_image():
    image = np.zeros((60, 80, 3), np.uint8)
    image[20:35, 30:60] = 255
    turned, turned_masks = rotate(image, image[None, ..., 0] > 0, 17)
    inside = (turned > 127).all(axis=2)
    inside[(turned == 114).all(axis=2)] = False
    assert (inside != turned_masks[0]).sum() <= 3
    assert (turned[0, 0] == 114).all()
    assert not turned_masks[0, 0, 0]


def test_cutout_hides_squares_and_nothing_else():
    light = np.full((20, 30, 3), 200, np.uint8)
    areas = []
    for seed in range(50):
        changed, hidden = cutout(light, np.random.default_rng(seed), size_px=6)
        assert (changed[hidden] == 114).all()
        assert (changed[~hidden] == 200).all()
        rows, columns = hidden.any(axis=1).sum(), hidden.any(axis=0).sum()
        assert hidden.sum() == rows * columns
        areas.append(hidden.sum())
    assert max(areas) == 36
    assert min(areas) < 36  # cut off at the border
    assert (light == 200).all()


def test_more_squares_hide_more():
    hidden = [cutout(IMAGE, np.random.default_rng(0), size_px=6, count=n)[1].sum() for n in (1, 5)]
    assert hidden[0] < hidden[1]


def test_grid_mask_hides_the_same_square_in_every_period():
    changed, hidden = grid_mask(
        np.full((24, 36, 3), 200, np.uint8), np.random.default_rng(3), period_px=6, hole_ratio=0.5
    )
    cells = hidden.reshape(4, 6, 6, 6)
    assert (cells == cells[:1, :, :1]).all()
    assert cells[0, :, 0].sum() == 9
    assert (changed[hidden] == 114).all()
    assert (changed[~hidden] == 200).all()
    starts = {tuple(np.argwhere(grid_mask(IMAGE, np.random.default_rng(s), period_px=6)[1])[0]) for s in range(30)}
    assert len(starts) > 5


@pytest.mark.parametrize(("period_px", "hole_ratio", "share"), [(4, 0.25, 1 / 16), (12, 0.75, 9 / 16), (2, 0.9, 1 / 4)])
def test_density_and_size_are_period_and_hole(period_px, hole_ratio, share):
    _, hidden = grid_mask(
        np.zeros((24, 24, 3), np.uint8), np.random.default_rng(0), period_px=period_px, hole_ratio=hole_ratio
    )
    assert hidden.mean() == share


@pytest.mark.parametrize(("period_px", "hole_ratio"), [(1, 0.5), (4, 0), (4, 1)])
def test_impossible_grid_is_refused(period_px, hole_ratio):
    with pytest.raises(ValueError, match="period_px"):
        grid_mask(IMAGE, np.random.default_rng(0), period_px=period_px, hole_ratio=hole_ratio)


EVERYTHING = SampleChanges(
    upside_down_share=0.5, rotation_deg=30, cutout_share=0.5, grid_mask_share=0.5, grid_hole_ratio=0.3
)


def test_same_seed_changes_a_sample_alike_and_leaves_the_input_alone():
    image, masks = IMAGE.copy(), IMAGE.transpose(2, 0, 1) > 200
    before = masks.copy()
    first, again, other = (change_sample(image, masks, EVERYTHING, np.random.default_rng(s)) for s in (7, 7, 8))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert not (first[0] == other[0]).all()
    assert (image == IMAGE).all()
    assert (masks == before).all()


def test_masks_follow_every_change_of_place():
    image = np.full((40, 40, 3), 10, np.uint8)
    image[5:15, 8:30] = 240
    masks = image[None, ..., 0] > 100
    changes = dataclasses.replace(EVERYTHING, colour_strength=0, rotation_deg=15)
    for seed in range(30):
        changed, changed_masks, hidden = change_sample(image, masks, changes, np.random.default_rng(seed))
        # hidden pixels and the corners that rotation bares are grey 114: seen are those below and above
        seen = ~hidden & (np.abs(changed[..., 0].astype(int) - 114) > 20)
        assert ((changed[..., 0] > 125) != changed_masks[0])[seen].sum() <= 4


def test_changes_that_are_off_change_nothing():
    nothing = SampleChanges(colour_strength=0, mirror_share=0, rotation_deg=0)
    masks = IMAGE.transpose(2, 0, 1) > 200
    image, kept, hidden = change_sample(IMAGE, masks, nothing, np.random.default_rng(0))
    assert (image == IMAGE).all()
    assert (kept == masks).all()
    assert not hidden.any()
