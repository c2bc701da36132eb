"""What makes a student's lesson harder than its teacher's: stronger colours, cut-outs, layers left out.

Source: Xie et al. 2020, Self-training with Noisy Student, arXiv 1911.04252, section 2.
Here: random_colour and cutout in place of RandAugment, and one number scales all of it: 0 is none, 1 the student's.
"""

from typing import Final

import numpy as np
import torch
from timm.layers import DropPath
from torch import nn
from torch.nn import functional as F

from models.data.augmentations import cutout, random_camera, random_colour

COLOUR_STRENGTH: Final = 0.5
CUTOUT_SHARE: Final = 0.5
CUTOUT_RATIO: Final = 0.25
DEPTH_DROP_RATE: Final = 0.2
FEATURE_DROP_RATE: Final = 0.2


def shake_colours(image: np.ndarray, rng: np.random.Generator, noise: float) -> np.ndarray:
    """Change colours and camera once more; uint8 (H, W, 3) RGB to the same, noise 0 draws and changes nothing."""
    return random_camera(random_colour(image, rng, strength=COLOUR_STRENGTH * noise), rng) if noise else image


def cut_out(image: np.ndarray, rng: np.random.Generator, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Hide a square now and then.

    Args:
        image: uint8 (H, W, 3) RGB.
        rng: source of chance.
        noise: 0 hides nothing and draws nothing.

    Returns:
        uint8 (H, W, 3) RGB, and bool (H, W), True where hidden.
    """
    if not noise or rng.random() >= CUTOUT_SHARE:
        return image, np.zeros(image.shape[:2], bool)
    return cutout(image, rng, size_px=max(round(CUTOUT_RATIO * noise * min(image.shape[:2])), 1))


def set_stochastic_depth(encoder: nn.Module, noise: float) -> int:
    """Let residual blocks of a timm encoder be skipped at random while it trains, later ones more often.

    Args:
        encoder: its names of weights stay as they are. smp's own efficientnet-b0 … b7 skip blocks by themselves.
        noise: 0 leaves the encoder alone.

    Returns:
        How many blocks may now be skipped.

    Source: Huang et al. 2016, arXiv 1603.09382, eq. 4: linear in depth.
    """
    blocks = [module for module in encoder.modules() if hasattr(module, "drop_path")] if noise else []
    for index, block in enumerate(blocks, start=1):
        block.drop_path = DropPath(DEPTH_DROP_RATE * noise * index / len(blocks))
    return len(blocks)


def drop_features(features: list[torch.Tensor], noise: float) -> list[torch.Tensor]:
    """Zero whole channels of the deepest features, (N, C, h, w) each."""
    return [*features[:-1], F.dropout2d(features[-1], FEATURE_DROP_RATE * noise)] if noise else features
