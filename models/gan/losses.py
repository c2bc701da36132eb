"""Losses of generator and discriminator, and their regularisers.

The regularisers differentiate a gradient: call them outside autocast, and with a gradient scaler on what they return.
Lazy regularisation computes them every `interval` steps only and multiplies them by it, so that their sum over the
steps stays: Karras et al. 2020, arXiv 1912.04958, appendix B.
"""

import math
from typing import NamedTuple

import torch
from torch.nn import functional as F

PATH_LENGTH_DECAY = 0.01


class PathLength(NamedTuple):
    """The path length penalty and its state.

    Attributes:
        penalty: scalar, to be minimised.
        mean_length: scalar without graph, for the next call; part of what a checkpoint keeps.
    """

    penalty: torch.Tensor
    mean_length: torch.Tensor


def generator_loss(fake_logits: torch.Tensor) -> torch.Tensor:
    """Non-saturating loss of the generator: mean of −log sigmoid(D(G(z))).

    Args:
        fake_logits: float (N,), of generated images.

    Returns:
        A scalar.

    Source: Goodfellow et al. 2014, arXiv 1406.2661, section 3.
    """
    return F.softplus(-fake_logits).mean()


def discriminator_loss(real_logits: torch.Tensor, fake_logits: torch.Tensor) -> torch.Tensor:
    """Logistic loss of the discriminator: mean of −log sigmoid(D(x)) plus mean of −log(1 − sigmoid(D(G(z)))).

    Args:
        real_logits: float (N,), of real images.
        fake_logits: float (M,), of generated images.

    Returns:
        A scalar.

    Source: Goodfellow et al. 2014, arXiv 1406.2661, eq. 1.
    """
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def r1_penalty(
    real_logits: torch.Tensor, real_images: torch.Tensor, *, gamma: float, interval: int = 1
) -> torch.Tensor:
    """Penalise the discriminator's slope at real images: gamma / 2 · mean over images of ‖∇D(x)‖².

    Args:
        real_logits: float (N,), D(real_images) with its graph.
        real_images: float (N, C, H, W) that require gradients; before augmentation where there is one.
        gamma: the penalty's weight.
        interval: the penalty is multiplied by it; 1: it is computed at every step.

    Returns:
        A scalar with a graph to D's weights.

    Source: Mescheder et al. 2018, arXiv 1801.04406, eq. 9.
    """
    (slopes,) = torch.autograd.grad(real_logits.sum(), real_images, create_graph=True)
    return interval * gamma / 2 * slopes.square().sum((1, 2, 3)).mean()


def default_r1_gamma(canvas_px: int, batch_size: int) -> float:
    """Weigh R1 by the canvas and the batch: 0.0002 · pixels / batch.

    Source: Karras et al. 2020, arXiv 2006.06676, implementation details (gamma).
    """
    return 0.0002 * canvas_px**2 / batch_size


def path_length_penalty(
    images: torch.Tensor,
    ws: torch.Tensor,
    mean_length: torch.Tensor,
    generator: torch.Generator,
    *,
    weight: float = 2.0,
    interval: int = 1,
) -> PathLength:
    """Penalise steps in w that change the image by different amounts: weight · mean of (‖Jᵀy‖ − a)².

    Args:
        images: float (N, C, H, W), made of ws, with their graph.
        ws: float (N, B, 64) that require gradients; all values of a sample count as its w.
        mean_length: scalar a, the running mean of lengths; 0 at the start.
        generator: draws y, N(0, 1) a value of the image.
        weight: of the penalty.
        interval: the penalty is multiplied by it.

    Returns:
        The penalty, with a graph to the generator's weights, and a moved by 1 % towards this batch's mean length.

    Source: Karras et al. 2020, arXiv 1912.04958, eq. 4.
    Here: y is divided by √(H W), so that weight and lengths mean the same on every canvas.
    """
    y = torch.randn(images.shape, generator=generator, device=generator.device).to(images)
    y = y / math.sqrt(images.shape[2] * images.shape[3])
    (slopes,) = torch.autograd.grad((images * y).sum(), ws, create_graph=True)  # Jᵀy, (N, B, 64)
    lengths = slopes.flatten(1).norm(dim=1)
    held = mean_length.detach().to(lengths)
    penalty = interval * weight * (lengths - held).square().mean()
    return PathLength(penalty, held.lerp(lengths.detach().mean(), PATH_LENGTH_DECAY))


def lazy_adam(learning_rate: float, betas: tuple[float, float], interval: int) -> tuple[float, tuple[float, float]]:
    """Adapt Adam to one extra step, the regulariser's, every `interval` steps.

    Args:
        learning_rate: as without the extra steps.
        betas: likewise.
        interval: of the regulariser; 0: there is none.

    Returns:
        Learning rate and betas to give Adam: c · rate and betas to the power c, with c = interval / (interval + 1).

    Source: Karras et al. 2020, arXiv 1912.04958, appendix B.
    """
    if interval == 0:
        return learning_rate, betas
    share = interval / (interval + 1)
    return learning_rate * share, (betas[0] ** share, betas[1] ** share)
