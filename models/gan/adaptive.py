"""Adaptive strength of the augmentation: more where the discriminator starts to know the real images by heart.

Source: Karras et al. 2020, arXiv 2006.06676, section 3: r_t = E[sign(D(real))] is held at 0.6 by moving p.
"""

from dataclasses import dataclass, replace

import torch

TARGET = 0.6
RAMP_IMAGES = 500_000
HIGHEST = 0.8


@dataclass(frozen=True)
class AdaptiveState:
    """What the strength depends on; plain numbers, part of what a checkpoint keeps.

    Attributes:
        probability: p, of each transformation, [0, 1].
        sign_sum: sum of the signs of the real images' logits since p last moved.
        image_count: real images since then.
    """

    probability: float = 0.0
    sign_sum: float = 0.0
    image_count: int = 0


def observe_logits(state: AdaptiveState, real_logits: torch.Tensor) -> AdaptiveState:
    """Count the signs of a batch.

    Args:
        state: is left as it is.
        real_logits: float (N,), D of augmented real images; over several GPUs those of all of them.

    Returns:
        The state with the batch counted.
    """
    sign_sum = state.sign_sum + float(real_logits.detach().sign().sum())
    return replace(state, sign_sum=sign_sum, image_count=state.image_count + real_logits.numel())


def adapt_probability(
    state: AdaptiveState, *, target: float = TARGET, ramp_images: int = RAMP_IMAGES, highest: float = HIGHEST
) -> AdaptiveState:
    """Move p by what was counted, and count anew; every fourth step in the paper.

    Args:
        state: is left as it is.
        target: of r_t, [-1, 1]; above it p grows, below it p falls.
        ramp_images: real images in which p can go from 0 to 1.
        highest: p stays at or below it; 0.8 is where the paper sees augmentations leak into the generator.

    Returns:
        The state with p moved; unchanged where nothing was counted.
    """
    if state.image_count == 0:
        return state
    excess = state.sign_sum / state.image_count - target
    step = state.image_count / ramp_images
    moved = state.probability + ((excess > 0) - (excess < 0)) * step
    return AdaptiveState(probability=min(max(moved, 0.0), highest))
