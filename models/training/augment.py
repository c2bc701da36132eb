"""The augmentations that a run can be told to use, beside those of every run (light, camera, mirror, scale, place).

Samples: rotation, upside_down, cutout, grid_mask. Batches: mixup, cutmix. Chance comes from the step's own generator,
so a resumed run meets the same samples; a run without any draws nothing here.
"""

from collections.abc import Collection
from typing import Final

import numpy as np
import torch

from models.data.augmentations import SampleChanges, change_sample
from models.training.mixing import cut_mix, mix_up

OF_SAMPLES: Final[tuple[str, ...]] = ("rotation", "upside_down", "cutout", "grid_mask")
OF_BATCHES: Final[tuple[str, ...]] = ("mixup", "cutmix")
ROTATION_DEG: Final = 15.0
SHARE: Final = 0.5
"""Of the samples (upside_down, cutout, grid_mask) or batches (mixup, cutmix) that are changed."""


def change_window(
    image: np.ndarray, planes: np.ndarray, augment: Collection[str], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn, flip or hide a sample.

    Args:
        image: uint8 (P, P, 3) RGB.
        planes: bool (C, P, P), which move with it.
        augment: names of OF_SAMPLES; others are passed over.
        rng: source of chance; not touched where there is nothing to do.

    Returns:
        uint8 (P, P, 3) RGB, bool (C, P, P), and bool (P, P), True where the image was hidden.
    """
    if not set(augment) & set(OF_SAMPLES):
        return image, planes, np.zeros(image.shape[:2], bool)
    changes = SampleChanges(
        colour_strength=0.0,
        mirror_share=0.0,
        upside_down_share=SHARE * ("upside_down" in augment),
        rotation_deg=ROTATION_DEG * ("rotation" in augment),
        cutout_share=SHARE * ("cutout" in augment),
        grid_mask_share=SHARE * ("grid_mask" in augment),
    )
    return change_sample(image, planes, changes, rng)


def mix_batch(
    x: torch.Tensor, labels: torch.Tensor, maps: torch.Tensor, augment: Collection[str], rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mix the samples of a batch by mixup or cutmix, by either where both are wanted.

    Args:
        x: float32 (N, 3, H, W), normalised.
        labels: float32 (N, K), [0, 1].
        maps: float32 (N, C, h, w), [0, 1], H and W whole multiples of h and w; a map coarser than x is the mean of what
            its cells hold.
        augment: names of OF_BATCHES; others are passed over.
        rng: source of chance; not touched where there is nothing to do.

    Returns:
        x, labels and maps; the same tensors where nothing was mixed.
    """
    wanted = [name for name in OF_BATCHES if name in augment]
    if not wanted or rng.random() >= SHARE:
        return x, labels, maps
    if wanted[int(rng.integers(len(wanted)))] == "mixup":
        x, labels, mixed = mix_up(x, labels, maps, rng)
    else:
        cell_hw = (x.shape[-2] // maps.shape[-2], x.shape[-1] // maps.shape[-1])
        fine = maps.repeat_interleave(cell_hw[0], dim=-2).repeat_interleave(cell_hw[1], dim=-1)
        x, labels, fine = cut_mix(x, labels, fine, rng)
        mixed = torch.nn.functional.avg_pool2d(fine, cell_hw)
    return x.contiguous(memory_format=torch.channels_last), labels, mixed
