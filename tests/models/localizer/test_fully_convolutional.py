"""One network, any photo size: what it says of a larger image is what sliding it over that image says.

Source: Shelhamer et al. 2017, arXiv 1605.06211, section 3.1: a dense layer over a map is a convolution as large as it.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the networks need vehicle-damage[train]")

from torch import nn  # noqa: E402

from models.export import build_for_export  # noqa: E402
from tests.models.runtime.small_networks import draw_batch, settle  # noqa: E402

STRIDE = 32
WINDOW_PX, LARGE_PX = 640, 704


def dense_to_conv(dense: nn.Linear, channels: int, map_hw: tuple[int, int]) -> nn.Conv2d:
    """Copy a dense layer over a flattened (C, h, w) map into an unpadded convolution of kernel h x w."""
    conv = nn.Conv2d(channels, dense.out_features, map_hw)
    with torch.no_grad():
        conv.weight.copy_(dense.weight.view(dense.out_features, channels, *map_hw))
        conv.bias.copy_(dense.bias)
    return conv


@torch.no_grad()
def test_dense_layer_copied_into_a_convolution_equals_sliding_it():
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Conv2d(3, 8, STRIDE, stride=STRIDE), nn.ReLU())  # 224 px to 7 x 7, 448 px to 14 x 14
    dense = nn.Linear(8 * 7 * 7, 10)
    conv = dense_to_conv(dense, 8, (7, 7))
    image = torch.randn(1, 3, 448, 448)
    assert backbone(image[..., :224, :224]).shape == (1, 8, 7, 7)
    assert backbone(image).shape == (1, 8, 14, 14)
    found = conv(backbone(image))[0]  # (10, 8, 8)
    assert found.shape == (10, 8, 8)
    slid = torch.zeros(10, 8, 8)
    for row in range(8):
        for column in range(8):
            y, x = row * STRIDE, column * STRIDE
            slid[:, row, column] = dense(backbone(image[..., y : y + 224, x : x + 224]).flatten(1))[0]
    assert slid.std() > 0.05
    torch.testing.assert_close(found, slid, atol=1e-5, rtol=1e-5)


@pytest.fixture(scope="module")
def localizer():
    torch.manual_seed(0)
    return settle(build_for_export("localizer"), (128, 128))


def split_grids(rows: np.ndarray, side_px: int) -> list[np.ndarray]:
    """Rows, (5, A), as one map a stride: [(5, side/16, side/16), (5, side/32, side/32)]."""
    fine, coarse = side_px // 16, side_px // 32
    assert rows.shape == (5, fine * fine + coarse * coarse)
    return [rows[:, : fine * fine].reshape(5, fine, fine), rows[:, fine * fine :].reshape(5, coarse, coarse)]


@torch.no_grad()
def predict(localizer, image: np.ndarray) -> list[np.ndarray]:
    return split_grids(localizer(torch.from_numpy(image[None]))[0].numpy(), image.shape[-1])


@pytest.fixture(scope="module")
def image():
    return draw_batch(1, (LARGE_PX, LARGE_PX), seed=4)[0]


@pytest.fixture(scope="module")
def whole(localizer, image):
    """What the network says of the large image."""
    return predict(localizer, image)


def reach_px(localizer, image: np.ndarray) -> int:
    """How far a cell sees: the largest distance in pixels, measured by the gradient of one cell's rows."""
    x = torch.from_numpy(image[None]).requires_grad_(True)
    rows = localizer(x)
    side = LARGE_PX // STRIDE
    middle = rows.shape[-1] - side * side + (side // 2) * side + side // 2  # a cell of the coarse grid
    fine_side = LARGE_PX // 16
    fine_middle = (fine_side // 2) * fine_side + fine_side // 2
    (rows[0, :, middle].sum() + rows[0, :, fine_middle].sum()).backward()
    seen = np.flatnonzero(x.grad[0].abs().sum(dim=0).sum(dim=0).numpy())
    centre = LARGE_PX // 2 + 8
    return int(max(centre - seen.min(), seen.max() - centre)) + 16


def test_larger_image_says_what_sliding_the_smaller_one_says(localizer, image, whole):
    reach = reach_px(localizer, image)
    assert 64 < reach < WINDOW_PX // 2
    compared = 0
    for y, x in ((0, 0), (STRIDE, 2 * STRIDE), (2 * STRIDE, 0)):
        window = predict(localizer, np.ascontiguousarray(image[:, y : y + WINDOW_PX, x : x + WINDOW_PX]))
        for stride, of_whole, of_window in zip((16, 32), whole, window, strict=True):
            margin = -(-reach // stride)
            inside = slice(margin, WINDOW_PX // stride - margin)
            shifted = of_window.copy()
            shifted[:2] += np.array([x, y], np.float32)[:, None, None]  # centres: window to image frame
            cells = of_whole[:, y // stride : (y + WINDOW_PX) // stride, x // stride : (x + WINDOW_PX) // stride]
            np.testing.assert_allclose(shifted[:, inside, inside], cells[:, inside, inside], rtol=1e-4, atol=2e-3)
            compared += shifted[0, inside, inside].size
    assert compared >= 3 * (2 * 2 + 4 * 4)


def test_cells_at_a_border_see_it(localizer, image, whole):
    window = predict(localizer, np.ascontiguousarray(image[:, :WINDOW_PX, :WINDOW_PX]))
    last = WINDOW_PX // STRIDE - 1
    assert np.abs(window[1][2:, last, last] - whole[1][2:, last, last]).max() > 1e-2
