"""Losses by their formulas; regularisers by finite differences and by the whole Jacobian, all in float64."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from models.gan.discriminator import Discriminator  # noqa: E402
from models.gan.losses import (  # noqa: E402
    default_r1_gamma,
    discriminator_loss,
    generator_loss,
    lazy_adam,
    path_length_penalty,
    r1_penalty,
)
from models.gan.synthesis import Synthesis  # noqa: E402

REAL, FAKE = np.array([2.0, -1.0, 0.5]), np.array([-3.0, 1.0])
STEP = 1e-5


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_adversarial_losses_are_logistic():
    real, fake = torch.from_numpy(REAL), torch.from_numpy(FAKE)
    assert generator_loss(fake).item() == pytest.approx(np.mean(-np.log(sigmoid(FAKE))))
    expected = np.mean(-np.log(sigmoid(REAL))) + np.mean(-np.log(1 - sigmoid(FAKE)))
    assert discriminator_loss(real, fake).item() == pytest.approx(expected)
    assert torch.isfinite(discriminator_loss(-1000 * torch.ones(1), 1000 * torch.ones(1)))


@pytest.fixture
def discriminator():
    torch.manual_seed(0)
    return Discriminator(8, channel_base=16, channel_max=2).double()


@pytest.fixture
def images():
    return torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def measure_r1(discriminator, images, **options):
    images = images.clone().requires_grad_()
    return r1_penalty(discriminator(images), images, **({"gamma": 10.0} | options))


def test_r1_is_the_slope_by_finite_differences(discriminator, images):
    squares = 0.0
    with torch.no_grad():
        for place in np.ndindex(*images.shape):
            ends = []
            for step in (STEP, -STEP):
                moved = images.clone()
                moved[place] += step
                ends.append(discriminator(moved).sum())
            squares += ((ends[0] - ends[1]) / (2 * STEP)).item() ** 2
    assert measure_r1(discriminator, images).item() == pytest.approx(10 / 2 * squares / 2, rel=1e-5)
    assert measure_r1(discriminator, images, interval=16).item() == pytest.approx(16 * 5 * squares / 2, rel=1e-5)


def check_gradient(measure, parameters):
    """The gradient along a random direction against the central difference."""
    torch.manual_seed(2)
    parameters = list(parameters)
    directions = [torch.randn_like(p) for p in parameters]
    gradients = torch.autograd.grad(measure(), parameters, allow_unused=True)
    slope = sum((g * d).sum().item() for g, d in zip(gradients, directions, strict=True) if g is not None)
    ends = []
    for step in (STEP, -2 * STEP):
        for parameter, direction in zip(parameters, directions, strict=True):
            parameter.data += step * direction
        ends.append(measure().item())
    assert abs(slope) > 1e-3
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * STEP), rel=1e-4)


def test_r1_teaches_every_weight(discriminator, images):
    check_gradient(lambda: measure_r1(discriminator, images), discriminator.parameters())


@pytest.fixture
def synthesis():
    torch.manual_seed(0)
    return Synthesis(8, is_rgba=True, channel_base=16, channel_max=2).double()


@pytest.fixture
def ws():
    return torch.randn(3, 2, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def measure_path(synthesis, ws, mean_length=0.02, **options):
    ws = ws.clone().requires_grad_()
    chance = torch.Generator().manual_seed(4)
    return path_length_penalty(synthesis(ws), ws, torch.tensor(mean_length), chance, **options)


def test_path_length_is_the_norm_of_the_jacobian_times_noise(synthesis, ws):
    y = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(4)).double() / 8
    lengths = []
    for n in range(3):
        jacobian = torch.autograd.functional.jacobian(lambda w: synthesis(w)[0], ws[n : n + 1])  # (4, 8, 8, 1, 2, 64)
        lengths.append(np.linalg.norm(jacobian.reshape(256, 128).numpy().T @ y[n].reshape(256).numpy()))
    found = measure_path(synthesis, ws)
    assert found.mean_length.item() == pytest.approx(0.02 + 0.01 * (np.mean(lengths) - 0.02), rel=1e-5)
    assert not found.mean_length.requires_grad
    expected = 2 * np.mean((np.array(lengths) - 0.02) ** 2)
    assert found.penalty.item() == pytest.approx(expected, rel=1e-5)
    assert measure_path(synthesis, ws, weight=1.0, interval=4).penalty.item() == pytest.approx(2 * expected, rel=1e-5)


def test_path_length_teaches_every_weight(synthesis, ws):
    check_gradient(lambda: measure_path(synthesis, ws).penalty, synthesis.parameters())


def test_lazy_adam_counts_the_extra_step():
    rate, betas = lazy_adam(0.002, (0.0, 0.99), 16)
    assert rate == pytest.approx(0.002 * 16 / 17)
    assert betas == (0.0, pytest.approx(0.99 ** (16 / 17)))
    assert lazy_adam(0.002, (0.0, 0.99), 0) == (0.002, (0.0, 0.99))


def test_gamma_follows_pixels_and_batch():
    assert default_r1_gamma(64, 32) == pytest.approx(0.0002 * 4096 / 32)
