"""The generator against convolutions and batch norms written as numpy loops."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from models.sr_rcnn.generator import FeatureGenerator, ResidualBlock  # noqa: E402
from models.structures import ContractError  # noqa: E402


def convolve(x, weight, bias=0.0):
    """3x3 with a border of zeros, (N, C, S, S)."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    y = np.zeros_like(x)
    for row, column in np.ndindex(*x.shape[2:]):
        patch = padded[:, :, row : row + 3, column : column + 3]
        y[:, :, row, column] = np.einsum("nihw,oihw->no", patch, weight) + bias
    return y


def normalise(x, norm):
    mean, variance = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
    weight, bias = (p.detach().numpy()[:, None, None] for p in (norm.weight, norm.bias))
    return (x - mean) / np.sqrt(variance + norm.eps) * weight + bias


def compute(block, x, is_last, relu_after_sum):
    weights = [conv.weight.detach().numpy() for conv in (block.conv1, block.conv2)]
    hidden = np.maximum(normalise(convolve(x, weights[0]), block.norm1), 0)
    if is_last:
        return x + convolve(hidden, weights[1], block.conv2.bias.detach().numpy())
    y = x + normalise(convolve(hidden, weights[1]), block.norm2)
    return np.maximum(y, 0) if relu_after_sum else y


@pytest.mark.parametrize("relu_after_sum", [False, True])
def test_generator_is_residual_blocks_with_a_plain_last_layer(relu_after_sum):
    torch.manual_seed(0)
    generator = FeatureGenerator(2, 3, relu_after_sum=relu_after_sum, starts_as_identity=False).double()
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter)
    x = np.random.default_rng(0).normal(size=(3, 2, 7, 7))
    expected = x
    for index, block in enumerate(generator.blocks):
        expected = compute(block, expected, index == 2, relu_after_sum)
    found = generator(torch.from_numpy(x)).detach().numpy()
    assert found.min() < -0.5  # the last block's values are signed
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_default_is_the_thesis_generator():
    with torch.device("meta"):
        generator = FeatureGenerator()
        layers = list(generator.modules())
        assert generator(torch.empty(5, 256, 7, 7)).shape == (5, 256, 7, 7)
    assert len(generator.blocks) == 7
    assert sum(isinstance(layer, torch.nn.Conv2d) for layer in layers) == 14
    assert sum(isinstance(layer, torch.nn.BatchNorm2d) for layer in layers) == 13
    assert isinstance(generator.blocks[-1].norm2, torch.nn.Identity)
    assert sum(p.numel() for p in generator.parameters()) == 14 * 256 * 256 * 9 + 13 * 512 + 256


@pytest.mark.parametrize("is_training", [False, True])
def test_generator_starts_as_the_identity_and_can_leave_it(is_training):
    torch.manual_seed(0)
    generator = FeatureGenerator(4, 3).train(is_training)
    x = torch.randn(2, 4, 7, 7)
    assert torch.equal(generator(x), x)
    (generator(x) - 1).square().mean().backward()
    for block in generator.blocks:
        last = block.conv2 if isinstance(block.norm2, torch.nn.Identity) else block.norm2
        assert bool(last.weight.grad.any())


def test_no_rois_give_no_features():
    assert FeatureGenerator(4, 2).eval()(torch.empty(0, 4, 7, 7)).shape == (0, 4, 7, 7)


def test_only_the_last_block_may_be_plain():
    assert isinstance(ResidualBlock(2).norm2, torch.nn.BatchNorm2d)
    assert ResidualBlock(2).conv2.bias is None
    assert ResidualBlock(2, is_last=True).conv2.bias is not None
    assert not ResidualBlock(2, is_last=True, relu_after_sum=True).relu_after_sum


def test_features_of_other_channels_are_refused():
    with pytest.raises(ContractError, match="lr: expected shape"):
        FeatureGenerator(4, 1)(torch.empty(1, 3, 7, 7))
