"""The mapping networks against numpy loops over their weights."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from models.gan.layers import EqualLinear  # noqa: E402
from models.gan.mapping import MAPPINGS, build_mapping, count_blocks  # noqa: E402
from models.structures import ContractError  # noqa: E402


@pytest.fixture
def build():
    def build_seeded(name="transformer", n_blocks=2):
        torch.manual_seed(0)
        mapping = build_mapping(name, n_blocks)
        for parameter in mapping.parameters():
            parameter.data += 10 * torch.randn_like(parameter)  # biases away from 0
        return mapping

    return build_seeded


def draw_z(count=3):
    return torch.randn(count, 512, generator=torch.Generator().manual_seed(99))


def dense(layer, x):
    """lr multiplier 0.01: weights count 0.01 / √inputs, biases 0.01."""
    weight = layer.weight.detach().double().numpy()
    y = 0.01 / np.sqrt(weight.shape[1]) * x @ weight.T
    return y if layer.bias is None else y + 0.01 * layer.bias.detach().double().numpy()


def leaky(x):
    return np.where(x > 0, x, 0.2 * x) * np.sqrt(2)


def normalise(z):
    z = z.double().numpy()
    return z / np.sqrt((z**2).mean(1, keepdims=True))


def attend(q, k, v):
    a = np.zeros_like(v)
    for i in range(len(q)):
        products = np.array([sum(q[i, d] * k[j, d] for d in range(16)) / 4 for j in range(len(k))])
        shares = np.exp(products - products.max())
        for j, share in enumerate(shares / shares.sum()):
            a[i] += share * v[j]
    return a


def run_block(block, x, *, is_projected):
    p = x + 0.01 * 0.1 * block.embedding.detach().double().numpy()[: len(x)]
    q, k, v = (dense(getattr(block, f"to_{n}"), p) if is_projected else p for n in ("query", "key", "value"))
    h = dense(block.mlp1.out, leaky(dense(block.mlp1.hidden, (attend(q, k, v) + p) / np.sqrt(2))))
    return dense(block.mlp2.out, leaky(dense(block.mlp2.hidden, (h + p) / np.sqrt(2))))


@pytest.mark.parametrize("name", ["transformer", "transformer_unprojected"])
def test_block_is_the_paper_s_four_lines(build, name):
    block = build(name).blocks[1]
    x = np.random.default_rng(2).normal(size=(256, 16))
    found = block(torch.from_numpy(x).float()[None])[0].detach().numpy()
    expected = run_block(block, x, is_projected=name == "transformer")
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_transformer_is_entry_four_blocks_and_exit(build):
    mapping, z = build(), draw_z(1)
    assert len(mapping.blocks) == 4
    x = torch.from_numpy(dense(mapping.entry, normalise(z)).reshape(1, 256, 16)).float()  # 256 tokens of 16
    for block in mapping.blocks:
        x = block(x)
    expected = dense(mapping.exit, x.detach().double().numpy().reshape(1, 4096)).reshape(1, 2, 64)
    np.testing.assert_allclose(mapping(z).detach().numpy(), expected, rtol=1e-3, atol=1e-4)


def test_mlp_is_eight_dense_layers(build):
    mapping, z = build("mlp"), draw_z()
    assert len(mapping.layers) == 8
    w = normalise(z)
    for layer in mapping.layers:
        w = leaky(dense(layer, w))
    np.testing.assert_allclose(mapping(z).detach().numpy(), w.reshape(3, 2, 64), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", MAPPINGS)
@pytest.mark.parametrize(("canvas_px", "blocks"), [(32, 4), (64, 5), (128, 6), (256, 7), (512, 8)])
def test_w_has_a_row_of_64_for_every_block(name, canvas_px, blocks):
    mapping = build_mapping(name, count_blocks(canvas_px))
    tokens = []
    if name != "mlp":
        for block in mapping.blocks:
            block.register_forward_hook(lambda _, x, y: tokens.extend([tuple(x[0].shape), tuple(y.shape)]))
    assert mapping(draw_z()).shape == (3, blocks, 64)
    assert set(tokens) == (set() if name == "mlp" else {(3, 256, 16)})


@pytest.mark.parametrize("name", ["transformer", "mlp"])
def test_w_varies_with_z_at_about_unit_size(name):
    shares = []
    for seed in range(3):
        torch.manual_seed(seed)
        with torch.no_grad():
            ws = build_mapping(name, 4)(draw_z(64)).flatten(1)
        assert 0.3 < ws.square().mean() < 3  # 64 samples of 256 values
        shares.append((ws.var(0).mean() / ws.square().mean()).item())
    assert min(shares) > 0.1


@pytest.mark.parametrize("name", MAPPINGS)
def test_every_layer_learns_a_hundred_times_slower(name):
    layers = [module for module in build_mapping(name, 4).modules() if isinstance(module, EqualLinear)]
    assert len(layers) == {"mlp": 8, "transformer": 30, "transformer_unprojected": 18}[name]
    for layer in layers:
        assert layer.bias_gain == 0.01
        assert layer.weight_gain == pytest.approx(0.01 / layer.weight.shape[1] ** 0.5)
        assert layer.weight.std().item() == pytest.approx(100, rel=0.15)  # 256 weights or more


def test_only_the_direction_of_z_counts(build):
    mapping, z = build(), draw_z()
    torch.testing.assert_close(mapping(z), mapping(7 * z), rtol=1e-3, atol=1e-4)


def test_truncation_pulls_towards_the_tracked_mean(build):
    mapping = build()
    ws = torch.stack([torch.full((2, 64), 1.0), torch.full((2, 64), 3.0)])
    mapping.track_mean(ws, decay=0.5)
    mapping.track_mean(ws, decay=0.75)
    torch.testing.assert_close(mapping.ws_mean, torch.full((2, 64), 1.25))  # 0 → 1 → 1 + (2 − 1) / 4
    torch.testing.assert_close(mapping.truncate(ws, 0.5)[:, 0, 0], torch.tensor([1.125, 2.125]))
    torch.testing.assert_close(mapping.truncate(ws, 0)[1], mapping.ws_mean)
    torch.testing.assert_close(mapping.truncate(ws, 1), ws)
    assert "ws_mean" in mapping.state_dict()


def test_autocast_does_not_narrow_w(build):
    mapping, z = build(), draw_z()
    with torch.autocast("cpu", torch.bfloat16):
        ws = mapping(z)
    torch.testing.assert_close(ws, mapping(z))


@pytest.mark.parametrize("canvas_px", [0, 4, 48, 2048])
def test_canvas_that_is_no_power_of_two_is_refused(canvas_px):
    with pytest.raises(ValueError, match=f"canvas_px: .*found {canvas_px}"):
        count_blocks(canvas_px)


def test_what_does_not_fit_is_refused_by_name(build):
    with pytest.raises(ValueError, match=r"mapping: .*'perceiver'"):
        build_mapping("perceiver", 4)
    with pytest.raises(ContractError, match=r"z: .*\(3, 64\)"):
        build()(torch.zeros(3, 64))
