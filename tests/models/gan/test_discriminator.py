import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")
signal = pytest.importorskip("scipy.signal", reason="networks need vehicle-damage[train]")

from torch.nn import functional as F  # noqa: E402

from models.gan.discriminator import Discriminator, DiscriminatorBlock, append_minibatch_std  # noqa: E402
from models.structures import ContractError  # noqa: E402

TAPS = np.array([1, 3, 3, 1]) / 8


def build(canvas_px=16, **options):
    torch.manual_seed(0)
    return Discriminator(canvas_px, **({"channel_base": 128, "channel_max": 8} | options))


def draw_images(count=4, canvas_px=16, channels=3):
    return torch.randn(count, channels, canvas_px, canvas_px, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("count", "size"), [(8, 4), (4, 4), (6, 3), (2, 2), (5, 1), (1, 1)])
def test_minibatch_std_is_one_number_a_group(count, size):
    x = torch.randn(count, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    found = append_minibatch_std(x).numpy()
    assert found.shape == (count, 4, 2, 2)
    np.testing.assert_array_equal(found[:, :3], x.numpy())
    for start in range(0, count, size):
        group = x[start : start + size].double().numpy()
        stds = [group[:, c, i, j].std() for c, i, j in np.ndindex(3, 2, 2)]
        np.testing.assert_allclose(found[start : start + size, 3], np.mean(stds), atol=1e-3)


def test_equal_images_have_no_std():
    assert append_minibatch_std(torch.ones(4, 3, 2, 2))[:, 3].abs().max() < 1e-6


def filter_by_scipy(x, cut):
    x = x.detach().numpy()
    for axis in (2, 3):
        x = signal.upfirdn(TAPS, x, axis=axis)
    return torch.from_numpy(x[:, :, cut, cut])


def test_block_is_two_convolutions_beside_a_skip():
    torch.manual_seed(0)
    block = DiscriminatorBlock(3, 5).double()
    with torch.no_grad():
        block.activation0.bias.normal_()
        block.activation1.bias.normal_()
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)

    def activate(y, bias):
        return 2**0.5 * torch.maximum(y + bias[:, None, None], 0.2 * (y + bias[:, None, None]))

    y = activate(F.conv2d(x, block.conv0.weight / 27**0.5, padding=1), block.activation0.bias)
    y = F.conv2d(filter_by_scipy(y, slice(1, -1)), block.conv1.weight / 27**0.5)[:, :, ::2, ::2]
    skip = F.conv2d(filter_by_scipy(x, slice(2, -1, 2)), block.skip.weight / 3**0.5)
    expected = (activate(y, block.activation1.bias) + skip) / 2**0.5
    assert expected.shape == (2, 5, 4, 4)
    torch.testing.assert_close(block(x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("canvas_px", [8, 32, 512])
@pytest.mark.parametrize("channels", [3, 4])
def test_every_canvas_gives_one_logit_an_image(canvas_px, channels):
    discriminator = build(canvas_px, is_rgba=channels == 4, channel_base=512, channel_max=4)
    with torch.no_grad():
        logits = discriminator(draw_images(2, canvas_px, channels))
    assert (logits.shape, logits.dtype) == ((2,), torch.float32)
    assert len(discriminator.blocks) == int(np.log2(canvas_px)) - 2


def test_groups_do_not_see_one_another():
    discriminator, images = build(), draw_images(8)
    with torch.no_grad():
        logits = discriminator(images)
        torch.testing.assert_close(discriminator(images[4:]), logits[4:])
        torch.testing.assert_close(discriminator(images[torch.tensor([2, 0, 3, 1])]), logits[[2, 0, 3, 1]])
        assert (discriminator(images[:1]) - logits[:1]).abs().max() > 1e-4  # alone, an image has no group


def test_logits_are_the_last_layer_of_the_features():
    discriminator, images = build(), draw_images()
    features = discriminator.forward_features(images)
    assert features.shape == (4, 8)
    expected = features @ discriminator.head.weight.T / 8**0.5 + discriminator.head.bias
    torch.testing.assert_close(discriminator(images), expected[:, 0])


def test_images_of_another_canvas_are_refused():
    with pytest.raises(ContractError, match=r"images: expected shape .*16, 16.*found \(4, 3, 8, 8\)"):
        build()(draw_images(canvas_px=8))
