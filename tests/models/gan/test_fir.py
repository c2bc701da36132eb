"""Each resampling against scipy's upfirdn along both axes."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")
signal = pytest.importorskip("scipy.signal", reason="networks need vehicle-damage[train]")

from models.gan.fir import Blur, Downsample, Upsample  # noqa: E402

TAPS = np.array([1, 3, 3, 1]) / 8
X = np.random.default_rng(0).normal(size=(2, 3, 6, 8))


def run(module, x=X):
    return module(torch.from_numpy(x)).numpy()


def filter_fully(x, *, up=1):
    for axis in (2, 3):
        x = signal.upfirdn(TAPS * up, x, up=up, axis=axis)
    return x  # longer by 3 (up 1) or 2 (up 2) than up times x


def test_upsampling_is_zeros_between_then_the_filter():
    np.testing.assert_allclose(run(Upsample()), filter_fully(X, up=2)[:, :, 1:-1, 1:-1], atol=1e-7)


def test_downsampling_is_the_filter_then_every_second():
    np.testing.assert_allclose(run(Downsample()), filter_fully(X)[:, :, 2:-1:2, 2:-1:2], atol=1e-7)


@pytest.mark.parametrize(("padding", "cut"), [(1, slice(2, -2)), (2, slice(1, -1))])
def test_blur_keeps_what_the_padding_leaves(padding, cut):
    blurred = run(Blur(padding=padding, gain=4.0))
    assert blurred.shape == (2, 3, 6 + 2 * padding - 3, 8 + 2 * padding - 3)
    np.testing.assert_allclose(blurred, 4 * filter_fully(X)[:, :, cut, cut], atol=1e-7)


def test_an_even_image_stays_even_away_from_the_border():
    even = np.full((1, 1, 8, 8), 0.7)
    np.testing.assert_allclose(run(Upsample(), even)[:, :, 2:-2, 2:-2], 0.7, rtol=1e-6)
    np.testing.assert_allclose(run(Downsample(), even)[:, :, 1:-1, 1:-1], 0.7, rtol=1e-6)


def test_autocast_does_not_narrow_an_image():
    x = torch.from_numpy(X).float()
    with torch.autocast("cpu", torch.bfloat16):
        for module in (Upsample(), Downsample(), Blur(padding=1)):
            assert module(x).dtype == torch.float32
            assert module(x.bfloat16()).dtype == torch.bfloat16
