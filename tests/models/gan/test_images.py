import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from models.gan.images import compose_rgba, decode_images, encode_images  # noqa: E402
from models.structures import ContractError  # noqa: E402


def test_every_rgb_value_comes_back():
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).expand(-1, -1, -1, 3)
    images = encode_images(pixels)
    assert (images.shape, images.dtype, images.is_contiguous()) == ((1, 3, 16, 16), torch.float32, True)
    assert (images.min().item(), images.max().item()) == (-1, 1)
    assert torch.equal(decode_images(images), pixels)


def test_every_colour_comes_back_at_every_alpha_above_0():
    value, alpha = np.meshgrid(np.arange(256), np.arange(256))
    pixels = torch.from_numpy(np.stack([value, 255 - value, value // 2, alpha], -1).astype(np.uint8))[None]
    back = decode_images(encode_images(pixels))
    assert torch.equal(back[:, 1:], pixels[:, 1:])
    assert not back[:, 0].any()  # what is transparent has no colour


def test_colour_is_premultiplied():
    pixels = torch.tensor([[[[255, 102, 0, 51]]]], dtype=torch.uint8)  # alpha 0.2
    found = encode_images(pixels).flatten().tolist()
    assert found == pytest.approx([2 * 0.2 - 1, 2 * 0.4 * 0.2 - 1, -1, 2 * 0.2 - 1], abs=1e-6)


def test_composing_leaves_opaque_colour_and_blackens_the_transparent():
    raw = torch.tensor([0.5, -0.5, 2.0]).view(1, 3, 1, 1).expand(2, -1, -1, -1)
    raw = torch.cat([raw, torch.tensor([40.0, -40.0]).view(2, 1, 1, 1)], 1)
    images = compose_rgba(raw)[:, :, 0, 0]
    torch.testing.assert_close(images, torch.tensor([[0.5, -0.5, 2.0, 1.0], [-1.0, -1.0, -1.0, -1.0]]))
    half = compose_rgba(torch.tensor([1.0, 0.0, -1.0, 0.0]).view(1, 4, 1, 1)).flatten()
    torch.testing.assert_close(half, torch.tensor([0.0, -0.5, -1.0, 0.0]))


def test_values_beyond_the_range_are_clipped():
    images = torch.tensor([[-3.0, 3.0, 0.0], [1.0, 5.0, 0.0]]).T.reshape(1, 3, 1, 2)
    assert decode_images(images).tolist() == [[[[0, 255, 128], [255, 255, 128]]]]


def test_other_shapes_and_dtypes_are_refused():
    with pytest.raises(ContractError, match="pixels: expected uint8"):
        encode_images(torch.zeros(1, 4, 4, 3))
    with pytest.raises(ContractError, match=r"pixels: .*\(1, 3, 4, 2\)"):
        encode_images(torch.zeros(1, 3, 4, 2, dtype=torch.uint8))
    with pytest.raises(ContractError, match="images: expected"):
        decode_images(torch.zeros(1, 2, 4, 4))
