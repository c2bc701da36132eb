"""Mixes the samples of a batch with one another: mixup blends two, cutmix pastes a box of one into the other.

Each sample's partner is the one before it in the batch, the first one's is the last: batches are drawn in random order.
torchvision's transforms of the same name refuse masks and draw from torch's global generator.
"""

import numpy as np
import torch


def mix_up(
    x: torch.Tensor,
    labels: torch.Tensor,
    masks: torch.Tensor | None,
    rng: np.random.Generator,
    *,
    alpha: float = 0.2,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Blend every sample with its partner; labels and masks are interpolated alike.

    Args:
        x: float (N, 3, H, W), normalised.
        labels: float (N, K), [0, 1], soft or one-hot.
        masks: float (N, C, H, W), [0, 1], or None.
        rng: draws the share of a sample's own, Beta(alpha, alpha), one for the batch.
        alpha: above 0; the smaller, the less is blended.

    Returns:
        x, labels and masks, new tensors.

    Source: Zhang et al. 2018, arXiv 1710.09412, eq. 1.
    """
    own_share = float(rng.beta(alpha, alpha))
    return (
        _interpolate(x, own_share),
        _interpolate(labels, own_share),
        None if masks is None else _interpolate(masks, own_share),
    )


def cut_mix(
    x: torch.Tensor,
    labels: torch.Tensor,
    masks: torch.Tensor | None,
    rng: np.random.Generator,
    *,
    alpha: float = 1.0,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Replace a box of every sample by its partner's; labels are weighed by area, masks are cut like images.

    Args:
        x: float (N, 3, H, W).
        labels: float (N, K), [0, 1], soft or one-hot.
        masks: (N, C, H, W) of the same H and W, or None.
        rng: draws the share of a sample's own area, Beta(alpha, alpha), and the box's middle; one box for the batch.
        alpha: above 0; 1 makes every share as likely.

    Returns:
        x, labels and masks, new tensors; the label's weight is the share of pixels after the box was cut at the border.

    Source: Yun et al. 2019, arXiv 1905.04899, eq. 1 and 2.
    """
    height, width = x.shape[-2:]
    y0, y1, x0, x1 = draw_box((height, width), rng, alpha=alpha)
    own_share = 1 - (y1 - y0) * (x1 - x0) / (height * width)
    mixed = []
    for maps in (x, masks):
        pasted = None if maps is None else maps.clone()
        if pasted is not None:
            pasted[..., y0:y1, x0:x1] = maps.roll(1, 0)[..., y0:y1, x0:x1]
        mixed.append(pasted)
    return mixed[0], _interpolate(labels, own_share), mixed[1]


def draw_box(size_hw: tuple[int, int], rng: np.random.Generator, *, alpha: float) -> tuple[int, int, int, int]:
    """Draw cutmix's box: its first and last row, its first and last column, the last ones exclusive; maybe empty."""
    height, width = size_hw
    side_share = float(np.sqrt(1 - rng.beta(alpha, alpha)))
    half_h, half_w = int(height * side_share / 2), int(width * side_share / 2)
    y, x = int(rng.integers(height)), int(rng.integers(width))
    return max(y - half_h, 0), min(y + half_h, height), max(x - half_w, 0), min(x + half_w, width)


def _interpolate(values: torch.Tensor, own_share: float) -> torch.Tensor:
    return own_share * values + (1 - own_share) * values.roll(1, 0)
