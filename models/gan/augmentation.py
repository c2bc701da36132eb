"""Differentiable augmentation of what the discriminator sees, real and generated alike.

Images are float (N, 3 | 4, H, W), as models.gan.images defines them; colour is changed in R, G and B alone. Every
transformation happens to a sample with its own chance: probability 1 is DiffAugment, below 1 it is what the adaptive
strength of models.gan.adaptive steers. Gradients of any order pass.

Source: Zhao et al. 2020, arXiv 2006.10738; a probability for each: Karras et al. 2020, arXiv 2006.06676, section 2.2.
Here: what a translation uncovers is the canvas, black and transparent, as around every instance.
"""

from collections.abc import Callable, Sequence
from typing import Final

import torch

TRANSLATION_SHARE: Final = 1 / 8
CUTOUT_SHARE: Final = 1 / 2
CANVAS: Final = -1.0
HOLE: Final = 0.0


def augment_images(
    images: torch.Tensor,
    generator: torch.Generator,
    *,
    probability: float = 1.0,
    policies: Sequence[str] = ("colour", "translation", "cutout"),
) -> torch.Tensor:
    """Augment a batch.

    Args:
        images: see the module.
        generator: all chance; drawn from alike whatever the probability and the values of the images.
        probability: of each transformation (brightness, saturation, contrast, translation, cutout), a sample.
        policies: names among colour, translation and cutout, applied in this order.

    Returns:
        float (N, 3 | 4, H, W), a new tensor of images' dtype.

    Raises:
        ValueError: unknown policy, or probability outside [0, 1].
    """
    if not 0 <= probability <= 1:
        raise ValueError(f"probability: expected a number in [0, 1], found {probability}")
    for name in policies:
        if name not in POLICIES:
            raise ValueError(f"policies: expected names among {', '.join(POLICIES)}, found {name!r}")
        images = POLICIES[name](images, generator, probability)
    return images


def _change_colour(images: torch.Tensor, generator: torch.Generator, probability: float) -> torch.Tensor:
    """Brightness by −½ … ½, then saturation by 0 … 2 about the pixel's grey, then contrast by ½ … 1½ about the mean."""
    brightness, saturation, contrast = (_draw_unit(images, generator) for _ in range(3))
    is_bright, is_saturated, is_contrasted = (_draw_choice(images, generator, probability) for _ in range(3))
    rgb = images[:, :3]
    rgb = rgb + torch.where(is_bright, brightness - 0.5, 0.0)
    grey = rgb.mean(1, keepdim=True)
    rgb = grey + (rgb - grey) * torch.where(is_saturated, 2 * saturation, 1.0)
    mean = rgb.mean((1, 2, 3), keepdim=True)
    rgb = mean + (rgb - mean) * torch.where(is_contrasted, contrast + 0.5, 1.0)
    return torch.cat([rgb, images[:, 3:]], 1)


def _translate(images: torch.Tensor, generator: torch.Generator, probability: float) -> torch.Tensor:
    """Move by whole pixels, up to an eighth of the canvas each way."""
    count, _, height, width = images.shape
    down = _draw_integers(count, round(height * TRANSLATION_SHARE), generator)
    right = _draw_integers(count, round(width * TRANSLATION_SHARE), generator)
    is_moved = _draw_choice(images, generator, probability).flatten()
    rows = _count_up(height, images) - torch.where(is_moved, down.to(images.device), 0)[:, None]  # (N, H), sources
    columns = _count_up(width, images) - torch.where(is_moved, right.to(images.device), 0)[:, None]  # (N, W)
    is_inside = _is_within(rows, height)[:, :, None] & _is_within(columns, width)[:, None, :]  # (N, H, W)
    samples = torch.arange(count, device=images.device)[:, None, None]
    sources = samples, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None, :]
    moved = images.permute(0, 2, 3, 1)[sources].permute(0, 3, 1, 2)  # (N, C, H, W)
    return torch.where(is_inside[:, None], moved, CANVAS)


def _cut_out(images: torch.Tensor, generator: torch.Generator, probability: float) -> torch.Tensor:
    """Fill a rectangle of half the canvas' sides, its middle anywhere, with the middle of the value range."""
    height, width = images.shape[2:]
    middle_y, middle_x = (_draw_unit(images, generator) for _ in range(2))  # (N, 1, 1, 1)
    is_cut = _draw_choice(images, generator, probability)
    is_row = _is_covered(height, middle_y, images)[:, :, :, None]  # (N, 1, H, 1)
    is_column = _is_covered(width, middle_x, images)[:, :, None, :]  # (N, 1, 1, W)
    return torch.where(is_cut & is_row & is_column, HOLE, images)


POLICIES: Final[dict[str, Callable[[torch.Tensor, torch.Generator, float], torch.Tensor]]] = {
    "colour": _change_colour,
    "translation": _translate,
    "cutout": _cut_out,
}


def _draw_unit(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Uniform in [0, 1), one a sample, (N, 1, 1, 1)."""
    return torch.rand(len(images), 1, 1, 1, generator=generator, device=generator.device).to(images)


def _draw_choice(images: torch.Tensor, generator: torch.Generator, probability: float) -> torch.Tensor:
    """True for the samples to be changed, bool (N, 1, 1, 1)."""
    drawn = torch.rand(len(images), 1, 1, 1, generator=generator, device=generator.device)
    return (drawn < probability).to(images.device)


def _draw_integers(count: int, furthest: int, generator: torch.Generator) -> torch.Tensor:
    """−furthest … furthest, all as likely, int64 (N,)."""
    return torch.randint(-furthest, furthest + 1, (count,), generator=generator, device=generator.device)


def _count_up(size: int, images: torch.Tensor) -> torch.Tensor:
    return torch.arange(size, device=images.device)[None]  # (1, size)


def _is_within(places: torch.Tensor, size: int) -> torch.Tensor:
    return (places >= 0) & (places < size)


def _is_covered(size: int, middle: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Whether a place lies in the hole around the middle, a share of size: bool (N, 1, size)."""
    length = round(size * CUTOUT_SHARE)
    first = (middle * (size + 1)).long().clamp(max=size).flatten(1)[:, :, None] - length // 2  # (N, 1, 1)
    places = _count_up(size, images)
    return (places >= first) & (places < first + length)
