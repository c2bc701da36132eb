from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")
signal = pytest.importorskip("scipy.signal", reason="networks need vehicle-damage[train]")

from models.gan.modulation import ModulatedConv2d  # noqa: E402
from models.gan.synthesis import Synthesis, count_channels  # noqa: E402
from models.structures import ContractError  # noqa: E402


def build(canvas_px=16, **options):
    torch.manual_seed(0)
    return Synthesis(canvas_px, **({"channel_base": 128, "channel_max": 8} | options))


def draw_ws(n_blocks=3, count=2):
    return torch.randn(count, n_blocks, 64, generator=torch.Generator().manual_seed(1))


def turn_noise_on(synthesis):
    with torch.no_grad():
        for name, parameter in synthesis.named_parameters():
            if name.endswith("noise_strength"):
                parameter.fill_(1.0)


@pytest.mark.parametrize(("canvas_px", "n_blocks"), [(8, 2), (32, 4), (128, 6)])
@pytest.mark.parametrize("is_rgba", [False, True])
def test_images_have_the_canvas_size_and_alpha_where_asked(canvas_px, n_blocks, is_rgba):
    with torch.no_grad():
        images = build(canvas_px, is_rgba=is_rgba)(draw_ws(n_blocks))
    assert images.shape == (2, 4 if is_rgba else 3, canvas_px, canvas_px)
    assert images.dtype == torch.float32
    if is_rgba:
        alpha = (images[:, 3:] + 1) / 2
        assert 0 <= alpha.min() < alpha.max() <= 1


def test_512_pixels_are_eight_blocks_of_which_the_first_has_one_convolution():
    blocks = build(512, channel_base=512, channel_max=4).blocks
    assert [sum(isinstance(m, ModulatedConv2d) for m in block.modules()) for block in blocks] == [2] + [3] * 7


def test_all_layers_of_a_block_are_steered_by_its_row():
    synthesis, ws = build(), draw_ws()
    for index, block in enumerate(synthesis.blocks):
        seen = []
        hooks = [
            module.affine.register_forward_hook(lambda _, x, __, seen=seen: seen.append(x[0]))
            for module in block.modules()
            if isinstance(module, ModulatedConv2d)
        ]
        synthesis(ws)
        assert len(seen) == len(hooks) == (2 if index == 0 else 3)
        for row in seen:
            assert torch.equal(row, ws[:, index])


def test_image_is_the_sum_of_every_resolution_s_own():
    synthesis = build(16)
    with torch.no_grad():
        for number, block in enumerate(synthesis.blocks):
            block.rgb_bias.fill_(number - 0.5)
    own = []
    for block in synthesis.blocks:
        block.to_rgb.register_forward_hook(lambda _, __, y: own.append(y))
    images = synthesis(draw_ws())
    total = np.zeros((2, 3, 2, 2))
    for block, part in zip(synthesis.blocks, own, strict=True):
        for axis in (2, 3):
            total = signal.upfirdn(np.array([1, 3, 3, 1]) / 4, total, up=2, axis=axis)
        total = total[:, :, 1:-1, 1:-1] + (part + block.rgb_bias[:, None, None]).detach().numpy()
    np.testing.assert_allclose(images.detach().numpy(), total, atol=1e-5)


def test_noise_is_one_plane_a_layer_and_sample_scaled_by_its_strength():
    layer = build().blocks[1].conv1
    x, w = torch.randn(2, 8, 8, 8), torch.randn(2, 64)
    with torch.no_grad():
        layer.noise_strength.fill_(0.5)
        quiet = layer.conv(x, w)
        chance = torch.Generator().manual_seed(7)
        planes = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(7))
        for noise, added in (("none", 0), ("const", layer.const_noise), (chance, planes)):
            expected = quiet + 0.5 * added
            expected = 2**0.5 * torch.where(expected > 0, expected, 0.2 * expected)
            torch.testing.assert_close(layer(x, w, noise), expected)


def test_noise_does_nothing_before_it_is_learned_and_repeats_with_its_generator():
    synthesis, ws = build(), draw_ws()
    with torch.no_grad():
        silent = synthesis(ws, "none")
        torch.testing.assert_close(synthesis(ws, torch.Generator().manual_seed(1)), silent)
        turn_noise_on(synthesis)
        assert (synthesis(ws, "const") - silent).abs().max() > 0.01
        assert torch.equal(synthesis(ws, "const"), synthesis(ws, "const"))
        first, again, other = (synthesis(ws, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_blocks_keep_the_size_of_features_but_for_what_the_filter_damps():
    synthesis = build(64, channel_base=4096, channel_max=64)
    x = raw = None
    sizes = []
    with torch.no_grad():
        for block, w in zip(synthesis.blocks, draw_ws(5, count=8).unbind(1), strict=True):
            x, raw = block(x, raw, w, "const")
            sizes.append(x.square().mean().item())  # 8 samples of 1,024 … 262,144 values
    assert sizes[0] == pytest.approx(1, abs=0.3)
    for before, after in pairwise(sizes):
        assert 25 / 64 * 0.8 < after / before < 1.2  # 25/64 of white noise pass the filter, all of what is smooth


def test_channels_shrink_with_the_resolution():
    found = [count_channels(px, channel_base=32768, channel_max=512) for px in (4, 64, 128, 512)]
    assert found == [512, 512, 256, 64]
    with pytest.raises(ValueError, match=r"channel_base: expected 64 or more.*found 32"):
        build(64, channel_base=32)


def test_ws_of_another_canvas_are_refused():
    with pytest.raises(ContractError, match=r"ws: expected shape \(any, 3, 64\), found \(2, 4, 64\)"):
        build(16)(draw_ws(4))
