import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from models.gan.layers import BiasedActivation, EqualConv2d, EqualLinear, activate, widen  # noqa: E402


def build_linear(lr_multiplier):
    torch.manual_seed(0)
    return EqualLinear(8, 4, bias=0.5, lr_multiplier=lr_multiplier)


def read_map(layer):
    """The layer's matrix and bias, by what it does to unit vectors and to zero."""
    with torch.no_grad():
        bias = layer(torch.zeros(1, 8))
        return layer(torch.eye(8)) - bias, bias


def test_a_multiplier_slows_learning_but_not_the_start():
    changes = []
    for lr_multiplier in (1.0, 0.01):
        layer = build_linear(lr_multiplier)
        before = read_map(layer)
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.05, eps=1e-12)
        layer(torch.eye(8)).square().sum().backward()
        optimizer.step()
        changes.append([after - start for after, start in zip(read_map(layer), before, strict=True)])
    for full, slow in zip(*changes, strict=True):
        assert full.abs().min() > 0.01
        torch.testing.assert_close(slow, full * 0.01, rtol=0.02, atol=1e-6)
    for own, other in zip(read_map(build_linear(1.0)), read_map(build_linear(0.01)), strict=True):
        torch.testing.assert_close(own, other)


def test_layers_keep_the_second_moment():
    torch.manual_seed(0)
    x = torch.randn(64, 128)
    assert EqualLinear(128, 512)(x).square().mean().item() == pytest.approx(1, abs=0.1)  # 32,768 values
    maps = torch.randn(4, 32, 18, 18)
    assert EqualConv2d(32, 64, 3)(maps).square().mean().item() == pytest.approx(1, abs=0.1)  # 65,536 values
    assert activate(maps).square().mean().item() == pytest.approx(1.04, abs=0.03)  # 2 · (1 + 0.2²) / 2


def test_activation_adds_its_bias_and_keeps_the_dtype():
    activation = BiasedActivation(2)
    with torch.no_grad():
        activation.bias.copy_(torch.tensor([1.0, -3.0]))
    for dtype in (torch.float32, torch.bfloat16):
        y = activation(torch.ones(1, 2, 1, 1, dtype=dtype))
        assert y.dtype == dtype
        torch.testing.assert_close(y.flatten().float(), torch.tensor([2.0, -0.4]) * 2**0.5, rtol=0.01, atol=0)


def test_half_precision_is_bounded_and_others_are_not():
    large = torch.tensor([60000.0, -60000.0, 1.0])
    assert activate(large.half()).tolist() == pytest.approx([256, -256, 2**0.5], rel=1e-3)
    assert activate(large)[0] > 80000


def test_narrow_floats_are_widened_and_wide_ones_stay():
    found = [widen(torch.ones(1, dtype=dtype)).dtype for dtype in (torch.float16, torch.bfloat16, torch.float64)]
    assert found == [torch.float32, torch.float32, torch.float64]
