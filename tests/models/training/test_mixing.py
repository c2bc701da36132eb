import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from models.training.mixing import cut_mix, draw_box, mix_up

X = torch.arange(3 * 3 * 6 * 8, dtype=torch.float32).reshape(3, 3, 6, 8)
LABELS = torch.eye(3)
MASKS = (X[:, :2] % 3 == 0).float()


class Draws:
    """A Generator whose next draws are known."""

    def __init__(self, beta, *integers):
        self._beta, self._integers = beta, list(integers)

    def beta(self, a, b):
        return self._beta

    def integers(self, high):
        return self._integers.pop(0)


def test_mixup_interpolates_images_labels_and_masks_alike():
    x, labels, masks = mix_up(X, LABELS, MASKS, Draws(0.75))
    assert torch.equal(x[1], 0.75 * X[1] + 0.25 * X[0])
    assert torch.equal(x[0], 0.75 * X[0] + 0.25 * X[2])
    assert labels.tolist() == [[0.75, 0, 0.25], [0.25, 0.75, 0], [0, 0.25, 0.75]]
    assert torch.equal(masks, 0.75 * MASKS + 0.25 * MASKS.roll(1, 0))


def test_cutmix_pastes_a_box_and_weighs_labels_by_its_area():
    # half of 6 x 8 by the root of 0.25: half sides 1 and 2 around row 3, column 1; cut off at the left border
    x, labels, masks = cut_mix(X, LABELS, MASKS, Draws(0.75, 3, 1))
    expected, expected_masks = X.clone(), MASKS.clone()
    expected[1, :, 2:4, 0:3], expected_masks[1, :, 2:4, 0:3] = X[0, :, 2:4, 0:3], MASKS[0, :, 2:4, 0:3]
    assert torch.equal(x[1], expected[1])
    assert torch.equal(masks[1], expected_masks[1])
    assert labels[1].tolist() == pytest.approx([6 / 48, 42 / 48, 0])


@pytest.mark.parametrize("own_share", [0.0, 0.3, 1.0])
def test_mixing_equals_the_reference_library(own_share):
    params = {"labels": LABELS, "batch_size": 3, "lam": own_share}
    x, labels, _ = mix_up(X, LABELS, None, Draws(own_share))
    assert torch.allclose(x, v2.MixUp(num_classes=3).transform(X, params))
    assert torch.allclose(labels, v2.MixUp(num_classes=3).transform(LABELS, params))
    y0, y1, x0, x1 = draw_box((6, 8), Draws(own_share, 2, 5), alpha=1)
    area_share = 1 - (y1 - y0) * (x1 - x0) / 48
    params = {"labels": LABELS, "batch_size": 3, "box": (x0, y0, x1, y1), "lam_adjusted": area_share}
    x, labels, _ = cut_mix(X, LABELS, None, Draws(own_share, 2, 5))
    assert torch.allclose(x, v2.CutMix(num_classes=3).transform(X, params))
    assert torch.allclose(labels, v2.CutMix(num_classes=3).transform(LABELS, params))


@pytest.mark.parametrize("mix", [mix_up, cut_mix])
def test_mixing_repeats_with_its_seed_keeps_label_mass_and_leaves_the_batch_alone(mix):
    before = X.clone(), LABELS.clone(), MASKS.clone()
    first, again, other = (mix(X, LABELS, MASKS, np.random.default_rng(s), alpha=1.0) for s in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[1], other[1])
    assert torch.allclose(first[1].sum(dim=1), torch.ones(3))
    assert all(torch.equal(a, b) for a, b in zip(before, (X, LABELS, MASKS), strict=True))
    assert mix(X, LABELS, None, np.random.default_rng(1))[2] is None


def test_boxes_stay_inside_and_their_mean_area_is_that_of_the_draw():
    rng = np.random.default_rng(0)
    boxes = np.array([draw_box((100, 60), rng, alpha=1) for _ in range(3000)])
    assert boxes[:, :2].min() >= 0
    assert boxes[:, 1].max() <= 100
    assert boxes[:, 3].max() <= 60
    assert (boxes[:, 1] >= boxes[:, 0]).all()
    # a box of side share s, uniform in area, loses s / 4 of each side at the borders on average
    side = np.sqrt(rng.random(200_000))
    expected = np.mean((side * (1 - side / 4)) ** 2)
    areas = (boxes[:, 1] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 2]) / 6000
    assert areas.mean() == pytest.approx(expected, abs=0.03)
