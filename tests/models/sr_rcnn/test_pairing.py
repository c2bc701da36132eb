"""Pairs on a pyramid whose features are the coordinates that its cells stand for; halving against OpenCV."""

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from torchvision.ops import MultiScaleRoIAlign  # noqa: E402

from models.sr_rcnn.pairing import build_lr_pool, halve_boxes, halve_images, pool_pairs  # noqa: E402
from models.structures import ContractError  # noqa: E402

SIDE_PX = 1024
BOXES = [
    torch.tensor([[16.0, 24, 48, 40], [100, 40, 300, 260], [33.3, 51.7, 41.9, 62.2]]),
    torch.tensor([[200.0, 300, 650, 800], [64, 64, 512, 900]]),
]


def build_pyramid(side_px, frame_scale):
    """{level: (2, 4, h, w)}: x and y in the input frame, the level, the image's number."""
    pyramid = {}
    for level in range(4):
        cells = side_px // (4 * 2**level)
        places = torch.arange(cells) * (4.0 * 2**level * frame_scale)
        xs, ys = places.expand(2, cells, cells), places[:, None].expand(2, cells, cells)
        image = torch.tensor([0.0, 1.0])[:, None, None].expand_as(xs)
        pyramid[str(level)] = torch.stack([xs, ys, torch.full_like(xs, level), image], 1)
    return pyramid


def expect_places(boxes):
    """Centres of the 7x7 bins in the input frame, (N, 2, 7, 7)."""
    x0, y0, x1, y1 = boxes.double().numpy().T
    steps = (np.arange(7) + 0.5) / 7
    xs = x0[:, None] + steps * (x1 - x0)[:, None]
    ys = y0[:, None] + steps * (y1 - y0)[:, None]
    return np.stack([np.broadcast_to(xs[:, None], (len(x0), 7, 7)), np.broadcast_to(ys[..., None], (len(x0), 7, 7))], 1)


def find_level(boxes_xyxy):
    """FPN eq. 1 in numpy: levels 2 to 5, counted from 0."""
    sides = boxes_xyxy.double().numpy()
    root = np.sqrt((sides[:, 2] - sides[:, 0]) * (sides[:, 3] - sides[:, 1]))
    return np.clip(np.floor(4 + np.log2(root / 224) + 1e-6), 2, 5) - 2


def pool_both(level):
    pool = MultiScaleRoIAlign(["0", "1", "2", "3"], 7, 2)
    pyramids = build_pyramid(SIDE_PX, 1), build_pyramid(SIDE_PX // 2, 2)
    return pool_pairs((build_lr_pool(pool, level), pool), *pyramids, BOXES, (SIDE_PX, SIDE_PX))


@pytest.mark.parametrize("level", ["native", "same"])
def test_pairs_are_the_same_places_of_the_same_images(level):
    boxes = torch.cat(BOXES)
    for features in pool_both(level):
        assert features.shape == (5, 4, 7, 7)
        np.testing.assert_allclose(features[:, :2].numpy(), expect_places(boxes), rtol=1e-4, atol=0.01)
        assert features[:, 3].flatten(1).unique(dim=1).flatten().tolist() == [0, 0, 0, 1, 1]


def test_native_level_is_that_of_the_halved_box():
    lr, hr = pool_both("native")
    boxes = torch.cat(BOXES)
    assert hr[:, 2, 0, 0].tolist() == find_level(boxes).tolist() == [0, 1, 0, 3, 3]
    assert lr[:, 2, 0, 0].tolist() == find_level(boxes / 2).tolist() == [0, 0, 0, 2, 2]


def test_same_level_is_that_of_the_whole_box():
    lr, hr = pool_both("same")
    assert torch.equal(lr[:, 2], hr[:, 2])


def test_rois_under_eight_pixels_see_more_of_the_half():
    pool = MultiScaleRoIAlign(["0", "1", "2", "3"], 7, 2)
    boxes = [torch.tensor([[16.0, 24, 20, 28]]), torch.zeros(0, 4)]
    pyramids = build_pyramid(SIDE_PX, 1), build_pyramid(SIDE_PX // 2, 2)
    lr, hr = pool_pairs((build_lr_pool(pool, "native"), pool), *pyramids, boxes, (SIDE_PX, SIDE_PX))
    spans = [(features[0, 0, 0, -1] - features[0, 0, 0, 0]).item() for features in (lr, hr)]
    assert spans == pytest.approx([8 * 6 / 7, 4 * 6 / 7], abs=0.01)


def test_halving_is_bilinear_and_mean_at_once():
    image = np.random.default_rng(0).random((6, 8, 3), np.float32)
    found = halve_images(torch.from_numpy(image).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
    for how in (cv2.INTER_AREA, cv2.INTER_LINEAR):
        np.testing.assert_allclose(found, cv2.resize(image, (4, 3), interpolation=how), atol=1e-6)


def test_boxes_halve_with_the_image():
    assert halve_boxes([torch.tensor([[2.0, 4, 10, 7]])])[0].tolist() == [[1, 2, 5, 3.5]]


def test_odd_images_are_refused():
    with pytest.raises(ContractError, match="images: expected shape"):
        halve_images(torch.zeros(1, 3, 5, 4))
