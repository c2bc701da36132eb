"""Losses of three mask maps, by name: sums of terms such as "bce+dice"; what is unknown counts nothing.

Shapes (N images, C classes, H x W pixels):
    logits   float32 (N, C, H, W)
    masks    float32 (N, C, H, W), 0 or 1
    weights  float32 (N, C, H, W), 0 where the truth is unknown, 1 where it is known, between where it is doubtful
"""

from collections.abc import Callable, Sequence
from typing import Final

import torch
from segmentation_models_pytorch.losses import LovaszLoss, TverskyLoss
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from models.structures import DAMAGE_CLASSES

POSITIVE_WEIGHTS: Final = (3.0, 2.0, 2.0)
"""Of damaged pixels, per class: they are outnumbered by their surroundings; more would widen every mask."""
TERM_WEIGHTS: Final = {"bce": 4.0, "dice": 1.0, "tversky": 0.5, "focal": 40.0, "lovasz": 0.5}
SMOOTH: Final = 50.0
"""Pixels added to both sides of an overlap: a class of a few pixels, or of none, does not dominate."""
UNKNOWN: Final = -1.0


def measure_mask_loss(
    logits: torch.Tensor, masks: torch.Tensor, weights: torch.Tensor, terms: Sequence[str] = ("bce", "dice")
) -> tuple[torch.Tensor, dict[str, float]]:
    """Add up the terms of a loss.

    Args:
        logits: see the module.
        masks: see the module.
        weights: see the module; bce and focal scale with it, the measures of regions leave out what is 0.
        terms: names among TERM_WEIGHTS.

    Returns:
        A scalar, and each term for the log, dice a class.
    """
    total = logits.new_zeros(())
    told: dict[str, float] = {}
    for name in terms:
        values = _TERMS[name](logits, masks, weights)  # () or (C,)
        total = total + TERM_WEIGHTS[name] * values.mean()
        if values.ndim:
            told |= {f"{name}_{class_name}": v for class_name, v in zip(DAMAGE_CLASSES, values.tolist(), strict=True)}
        else:
            told[name] = values.item()
    return total, told


def _bce(logits: torch.Tensor, masks: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy per class, damaged pixels weighing more; per known pixel and class."""
    emphasis = 1 + (logits.new_tensor(POSITIVE_WEIGHTS)[:, None, None] - 1) * masks
    bce = F.binary_cross_entropy_with_logits(logits, masks, weights * emphasis, reduction="sum")
    return bce / weights.sum().clamp(min=1)


def _focal(logits: torch.Tensor, masks: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Source: Lin et al. 2017, arXiv 1708.02002, eq. 5, alpha 0.75 (damage is the rare side), gamma 2."""
    focal = sigmoid_focal_loss(logits, masks, alpha=0.75, gamma=2.0, reduction="none")
    return (focal * weights).sum() / weights.sum().clamp(min=1)


def _dice(logits: torch.Tensor, masks: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Soft Dice over the batch, (C,).

    smp's DiceLoss gives a class without a single pixel no loss; here its false alarms count.
    """
    is_known = weights > 0
    probs, masks = torch.sigmoid(logits) * is_known, masks * is_known
    overlap = (probs * masks).sum(dim=(0, 2, 3))
    return 1 - (2 * overlap + SMOOTH) / (probs.sum(dim=(0, 2, 3)) + masks.sum(dim=(0, 2, 3)) + SMOOTH)


def _tversky(logits: torch.Tensor, masks: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Source: Salehi et al. 2017, arXiv 1706.05721: a missed pixel (0.7) weighs more than a false one (0.3)."""
    loss = TverskyLoss("multilabel", smooth=SMOOTH, ignore_index=int(UNKNOWN), alpha=0.3, beta=0.7)
    return loss(logits, masks.masked_fill(weights == 0, UNKNOWN))


def _lovasz(logits: torch.Tensor, masks: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Source: Berman et al. 2018, arXiv 1705.08790, the Lovász hinge; (C,), over the batch."""
    loss = LovaszLoss("binary", ignore_index=int(UNKNOWN))
    known = masks.masked_fill(weights == 0, UNKNOWN)
    return torch.stack([loss(logits[:, channel], known[:, channel]) for channel in range(logits.shape[1])])


_TERMS: Final[dict[str, Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]]] = {
    "bce": _bce,
    "dice": _dice,
    "tversky": _tversky,
    "focal": _focal,
    "lovasz": _lovasz,
}
