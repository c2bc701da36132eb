"""What the augmentation did is read off the images in numpy; its code is not run a second time."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from models.gan.augmentation import augment_images  # noqa: E402


def draw_images(count=6, channels=4, size_px=16):
    return torch.randn(count, channels, size_px, size_px, generator=torch.Generator().manual_seed(0))


def augment(images, *policies, seed=1, **options):
    return augment_images(images, torch.Generator().manual_seed(seed), policies=policies, **options)


def shift(image, down, right):
    """Source pixel by source pixel; −1 where none falls."""
    moved = np.full_like(image, -1)
    height, width = image.shape[1:]
    for y, x in np.ndindex(height, width):
        if 0 <= y + down < height and 0 <= x + right < width:
            moved[:, y + down, x + right] = image[:, y, x]
    return moved


def test_translation_moves_by_whole_pixels_and_uncovers_the_canvas():
    images = draw_images(200, 1, 8)
    places = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]  # an eighth of 8 pixels
    found = []
    for image, moved in zip(images.numpy(), augment(images, "translation").numpy(), strict=True):
        matching = [place for place in places if np.array_equal(shift(image, *place), moved)]
        assert len(matching) == 1
        found += matching
    assert set(found) == set(places)


def test_translation_moves_all_channels_together():
    image = draw_images(1, 4, 8)
    moved = augment(image.expand(50, -1, -1, -1), "translation").numpy()
    places = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    shifted = [shift(image[0].numpy(), *place) for place in places]
    assert all(any(np.array_equal(one, other) for other in shifted) for one in moved)


def test_cutout_is_a_hole_of_half_the_sides_anywhere():
    images = draw_images(300, 3, 8)
    cut = augment(images, "cutout").numpy()
    sizes, corners = set(), set()
    for image, found in zip(images.numpy(), cut, strict=True):
        is_hole = (found != image).any(0)
        rows, columns = np.flatnonzero(is_hole.any(1)), np.flatnonzero(is_hole.any(0))
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert is_hole[box].all()
        assert not found[:, is_hole].any()
        sizes.add((len(rows), len(columns)))
        corners |= {corner for corner in ((0, 0), (0, 7), (7, 0), (7, 7)) if is_hole[corner]}
    assert max(sizes) == (4, 4)  # whole
    assert min(sizes) == (2, 2)  # its middle on a corner of the canvas
    assert len(corners) == 4


def test_colour_changes_brightness_saturation_and_contrast_alone():
    images = draw_images(200, 4, 6)
    changed = augment(images, "colour")
    torch.testing.assert_close(changed[:, 3], images[:, 3])
    before, after = (array[:, :3].double().numpy() for array in (images, changed))
    drawn = []
    for x, y in zip(before, after, strict=True):
        grey_x, grey_y = x.mean(0), y.mean(0)
        brightness = y.mean() - x.mean()
        contrast = ((grey_y - y.mean()) * (grey_x - x.mean())).sum() / ((grey_x - x.mean()) ** 2).sum()
        chroma = ((y - grey_y) * (x - grey_x)).sum() / ((x - grey_x) ** 2).sum()
        expected = x.mean() + brightness + contrast * (grey_x - x.mean()) + chroma * (x - grey_x)
        np.testing.assert_allclose(y, expected, atol=1e-5)
        drawn.append((brightness, chroma / contrast, contrast))
    for values, (low, high) in zip(np.array(drawn).T, [(-0.5, 0.5), (0, 2), (0.5, 1.5)], strict=True):
        assert low - 1e-5 <= values.min() < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < values.max() <= high + 1e-5


def test_probability_0_changes_nothing_and_1_everything():
    images = draw_images()
    assert torch.allclose(augment_images(images, torch.Generator(), probability=0.0), images, atol=1e-6)
    changed = augment_images(images, torch.Generator(), probability=1.0)
    assert all((one - other).abs().max() > 0.01 for one, other in zip(changed, images, strict=True))


@pytest.mark.parametrize("policy", ["cutout", "translation"])
def test_probability_is_the_share_of_changed_samples(policy):
    images = draw_images(2000, 1, 16)
    is_changed = (augment(images, policy, probability=0.3) != images).flatten(1).any(1)
    expected = 0.3 * (1 if policy == "cutout" else 1 - 1 / 25)  # 5 x 5 places, one of them is home
    assert is_changed.float().mean().item() == pytest.approx(expected, abs=0.045)  # four standard deviations


def test_each_transformation_has_its_own_chance():
    images = draw_images(400, 1, 16)
    assert torch.equal(augment(images, probability=0.5), images)  # no policy
    is_moved = (augment(images, "translation", probability=0.5) != images).flatten(1).any(1)
    is_cut = (augment(images, "translation", "cutout", probability=0.5) == 0).flatten(1).any(1)
    for group in (is_moved, ~is_moved):
        assert 0.3 < is_cut[group].float().mean() < 0.7


def test_real_and_generated_meet_the_same_when_the_chance_is_the_same():
    image = draw_images(1)
    chance = torch.Generator().manual_seed(5)
    state = chance.get_state()
    real = augment_images(image.expand(3, -1, -1, -1), chance)
    generated = augment_images(image.expand(3, -1, -1, -1), chance)
    assert not torch.equal(real, generated)
    chance.set_state(state)
    assert torch.equal(real, augment_images(image.expand(3, -1, -1, -1), chance))


def test_gradients_of_both_orders_pass():
    images = draw_images(2, 4, 4).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: augment(x, "colour", "translation", "cutout"), images, fast_mode=True)
    for policy in ("colour", "translation", "cutout"):
        squares = augment(images, policy).square().sum()
        (slopes,) = torch.autograd.grad(squares, images, create_graph=True)
        (curvatures,) = torch.autograd.grad(slopes.sum(), images)
        assert curvatures.abs().max() > 0.1


def test_dtype_and_originals_stay():
    images = draw_images()
    before = images.clone()
    assert augment_images(images.bfloat16(), torch.Generator()).dtype == torch.bfloat16
    augment_images(images, torch.Generator())
    assert torch.equal(images, before)


def test_what_does_not_fit_is_refused_by_name():
    with pytest.raises(ValueError, match=r"policies: .*'flip'"):
        augment(draw_images(), "flip")
    with pytest.raises(ValueError, match=r"probability: .*found 1\.5"):
        augment(draw_images(), probability=1.5)
