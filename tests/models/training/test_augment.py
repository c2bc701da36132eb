from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs vehicle-damage[train]")

from models.data.photos import choose_split, load_photos  # noqa: E402
from models.structures import Letterbox  # noqa: E402
from models.training import gate, segmenter  # noqa: E402
from models.training.augment import change_window, mix_batch  # noqa: E402
from models.training.options import AUGMENTATIONS, build_options  # noqa: E402
from tests.models.tiny_data import write_folder  # noqa: E402


def sample(size=64):
    """A white square on black, and its mask, both off the middle."""
    mask = np.zeros((1, size, size), bool)
    mask[0, 10:20, 30:45] = True
    return np.where(mask[0, ..., None], np.uint8(255), np.uint8(0)).repeat(3, axis=2), mask


def test_nothing_wanted_changes_nothing_and_draws_nothing():
    image, planes = sample()
    rng = np.random.default_rng(3)
    same, same_planes, hidden = change_window(image, planes, ("mixup",), rng)
    assert same is image
    assert same_planes is planes
    assert not hidden.any()
    x, labels, maps = torch.ones(2, 3, 8, 8), torch.ones(2, 1), torch.ones(2, 1, 8, 8)
    assert mix_batch(x, labels, maps, ("rotation",), rng)[0] is x
    assert rng.random() == np.random.default_rng(3).random()


@pytest.mark.parametrize("name", ["rotation", "upside_down"])
def test_masks_move_with_their_image(name):
    image, planes = sample()
    moved = 0
    for seed in range(8):
        turned, turned_planes, hidden = change_window(image, planes, (name,), np.random.default_rng(seed))
        assert not hidden.any()
        moved += not (turned_planes == planes).all()
        white = turned[..., 0] > 190  # above the grey of what came in from outside, blended or not
        assert (white & turned_planes[0]).sum() >= 0.8 * turned_planes[0].sum()
        assert (white & ~turned_planes[0]).sum() <= 12
    assert moved >= 2


@pytest.mark.parametrize("name", ["cutout", "grid_mask"])
def test_what_is_hidden_is_grey_and_told(name):
    image, planes = sample()
    shares = []
    for seed in range(12):
        changed, same_planes, hidden = change_window(image, planes, (name,), np.random.default_rng(seed))
        assert (same_planes == planes).all()
        assert (changed[hidden] == Letterbox.PAD_VALUE).all()
        assert (changed[~hidden] == image[~hidden]).all()
        shares.append(hidden.mean())
    assert 0 in shares
    assert max(shares) > 0.03


def test_cutmix_weighs_coarse_maps_by_what_their_cells_hold():
    x = torch.zeros(2, 3, 32, 32)
    x[1] = 1
    maps = torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2)])  # cells of 16 px
    is_mixed = 0
    for seed in range(12):
        mixed, labels, mixed_maps = mix_batch(
            x, torch.tensor([[0.0], [1.0]]), maps, ("cutmix",), np.random.default_rng(seed)
        )
        cells = mixed[:, 0].reshape(2, 2, 16, 2, 16).mean(dim=(2, 4))
        torch.testing.assert_close(mixed_maps[:, 0], cells)
        torch.testing.assert_close(labels[:, 0], mixed[:, 0].mean(dim=(1, 2)))
        is_mixed += bool(mixed[0].any())
    assert 2 <= is_mixed <= 10


def test_mixup_blends_images_labels_and_maps_by_one_share():
    x, maps = torch.zeros(2, 3, 32, 32), torch.zeros(2, 1, 2, 2)
    x[1], maps[1] = 1, 1
    seen = set()
    for seed in range(12):
        mixed, labels, mixed_maps = mix_batch(
            x, torch.tensor([[0.0], [1.0]]), maps, ("mixup",), np.random.default_rng(seed)
        )
        share = float(labels[0])
        assert torch.allclose(mixed[0], torch.full((3, 32, 32), share))
        assert torch.allclose(mixed_maps[0], torch.full((1, 2, 2), share))
        seen.add(round(share, 6))
    assert len(seen) > 3


def test_every_augmentation_reaches_the_batches_of_its_networks(tmp_path):
    data = (write_folder(tmp_path / "rendered"), write_folder(tmp_path / "real", rendered=False))
    photos = choose_split(load_photos(data), "train")
    for network, module in (("gate", gate), ("segmenter", segmenter)):
        plain = build_options(network, "smoke", data, tmp_path / network, batch_size=8, input_px=64)
        batches = {
            name: [module.plan_batches(photos, {}, replace(plain, augment=(name,)))(step) for step in range(3)]
            for name in AUGMENTATIONS
        }
        unchanged = [module.plan_batches(photos, {}, plain)(step) for step in range(3)]
        again = [module.plan_batches(photos, {}, plain)(step) for step in range(3)]
        assert all(torch.equal(a["x"], b["x"]) for a, b in zip(unchanged, again, strict=True))
        for name, changed in batches.items():
            assert any(not torch.equal(a["x"], b["x"]) for a, b in zip(unchanged, changed, strict=True)), name
            assert all(batch.keys() == unchanged[0].keys() for batch in changed)


def test_what_is_hidden_from_the_segmenter_is_no_lesson(tmp_path):
    data = (write_folder(tmp_path / "rendered"),)
    photos = choose_split(load_photos(data), "train")
    options = build_options("segmenter", "smoke", data, tmp_path / "run", batch_size=8, augment=("cutout",))
    weights = torch.cat([segmenter.plan_batches(photos, {}, options)(step)["weights"] for step in range(4)])
    assert 0.005 < (weights == 0).float().mean() < 0.2


@pytest.mark.parametrize(
    ("network", "given", "words"),
    [
        ("segmenter", {"augment": ("flip",)}, r"^augment: expected some of rotation, .*found \('flip',\)"),
        ("segmenter", {"augment": ("cutout", "cutout")}, "^augment: expected some of .*each once"),
        ("segmenter", {"augment": ("mixup",), "loss": "bce+lovasz"}, "^augment: mixup makes soft masks"),
        ("localizer", {"augment": ("rotation",)}, "^augment: the localizer has no such option"),
    ],
)
def test_augmentations_that_cannot_be_are_refused(network, given, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        build_options(network, "smoke", (), tmp_path, **given)
