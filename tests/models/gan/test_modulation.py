"""Modulated convolution against the grouped one of the paper: filters scaled and demodulated for every sample."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")
signal = pytest.importorskip("scipy.signal", reason="networks need vehicle-damage[train]")

from torch.nn import functional as F  # noqa: E402

from models.gan.modulation import ModulatedConv2d  # noqa: E402


def build(kernel_size=3, **options):
    torch.manual_seed(0)
    return ModulatedConv2d(5, 4, kernel_size, style_dim=6, **options).double()


def draw_inputs():
    torch.manual_seed(1)
    x = torch.randn(3, 5, 6, 7, dtype=torch.float64, requires_grad=True)
    return x, torch.randn(3, 6, dtype=torch.float64, requires_grad=True)


def convolve_grouped(conv, x, w, padding):
    """Source: arXiv 1912.04958, eq. 1 and 3, one group a sample."""
    style = w @ conv.affine.weight.T / 6**0.5 + conv.affine.bias
    weights = conv.weight[None] * conv.gain * style[:, None, :, None, None]  # (N, O, I, k, k)
    if conv.is_demodulated:
        weights = weights / (weights.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    y = F.conv2d(x.reshape(1, -1, *x.shape[2:]), weights.flatten(0, 1), padding=padding, groups=len(x))
    return y.unflatten(1, (len(x), -1))[0]


@pytest.mark.parametrize(("kernel_size", "is_demodulated"), [(3, True), (3, False), (1, False), (1, True)])
def test_map_and_gradients_are_those_of_the_grouped_convolution(kernel_size, is_demodulated):
    conv = build(kernel_size, is_demodulated=is_demodulated)
    x, w = draw_inputs()
    y, expected = conv(x, w), convolve_grouped(conv, x, w, kernel_size // 2)
    torch.testing.assert_close(y, expected, rtol=1e-6, atol=1e-7)
    leaves = (x, w, conv.weight, conv.affine.weight, conv.affine.bias)
    signs = torch.randn_like(y)
    for found, wanted in zip(
        torch.autograd.grad((y * signs).sum(), leaves),
        torch.autograd.grad((expected * signs).sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


def test_upsampling_is_zeros_between_then_the_convolution_then_the_filter():
    conv = build(is_upsampling=True)
    x, w = draw_inputs()
    spread = torch.zeros(3, 5, 11, 13, dtype=torch.float64)
    spread[:, :, ::2, ::2] = x.detach()
    full = convolve_grouped(conv, spread, w, padding=2).detach().numpy()  # (N, O, 13, 15)
    taps = np.array([1, 3, 3, 1]) / 4
    y = conv(x, w).detach().numpy()
    assert y.shape == (3, 4, 12, 14)
    for n, o in np.ndindex(3, 4):
        expected = signal.convolve2d(np.pad(full[n, o], 1), np.outer(taps, taps), mode="valid")
        np.testing.assert_allclose(y[n, o], expected, rtol=1e-5, atol=1e-6)


def test_output_has_unit_variance_whatever_the_style():
    torch.manual_seed(0)
    conv = ModulatedConv2d(64, 32, 3, style_dim=16)
    y = conv(torch.randn(8, 64, 18, 18), 5 * torch.randn(8, 16))[:, :, 1:-1, 1:-1]
    assert y.var((1, 2, 3)).tolist() == pytest.approx([1] * 8, abs=0.15)  # 8,192 values a sample


def test_upsampling_keeps_what_the_filter_passes_of_white_noise():
    torch.manual_seed(0)
    conv = ModulatedConv2d(64, 32, 3, style_dim=16, is_upsampling=True)
    y = conv(torch.randn(8, 64, 18, 18), torch.randn(8, 16))[:, :, 2:-2, 2:-2]
    assert y.var().item() == pytest.approx(
        25 / 64, abs=0.04
    )  # 4 of 16 places hold x, (5/16)² · 16 pass; 262,144 values


def test_half_precision_holds_weights_and_styles_of_any_size():
    torch.manual_seed(0)
    conv = ModulatedConv2d(64, 8, 3, style_dim=4)
    x, w = torch.randn(2, 64, 8, 8), torch.randn(2, 4)
    expected = conv(x, w)
    with torch.no_grad():
        conv.weight *= 1e5
        conv.affine.weight *= 1e5
        conv.affine.bias *= 1e5
    assert conv(x.half(), w).dtype == torch.float16
    torch.testing.assert_close(conv(x.half(), w).float(), expected, rtol=0.02, atol=0.02)


def test_style_of_zeros_gives_zeros():
    conv = build()
    with torch.no_grad():
        conv.affine.bias.zero_()
    assert not conv(draw_inputs()[0], torch.zeros(3, 6, dtype=torch.float64)).any()


@pytest.mark.parametrize(("kernel_size", "is_upsampling"), [(2, False), (1, True), (5, True)])
def test_kernel_that_does_not_fit_is_refused(kernel_size, is_upsampling):
    with pytest.raises(ValueError, match=f"kernel_size: .*found {kernel_size}"):
        build(kernel_size, is_upsampling=is_upsampling)
