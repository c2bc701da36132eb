"""Puts a generator and its discriminator together."""

from typing import NamedTuple

import numpy as np
import torch

from models.gan.discriminator import Discriminator
from models.gan.generator import Generator
from models.gan.mapping import build_mapping, count_blocks
from models.gan.synthesis import Synthesis


class Gan(NamedTuple):
    """The two networks of a GAN."""

    generator: Generator
    discriminator: Discriminator


def build_gan(
    canvas_px: int,
    *,
    mapping: str = "transformer",
    is_rgba: bool = False,
    channel_base: int = 32768,
    channel_max: int = 512,
    seed: int = 0,
) -> Gan:
    """Build untrained networks, on the CPU; the same arguments give the same weights.

    Args:
        canvas_px: side of the images, a power of two from 8 to 1024.
        mapping: transformer, transformer_unprojected or mlp.
        is_rgba: images have a learned alpha.
        channel_base: channels of a resolution are channel_base / resolution …
        channel_max: … and this at most; the defaults are the paper's configuration F.
        seed: of the weights, 0 or more; torch's global generator is left as it was.

    Raises:
        ValueError: names the argument that does not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_spread(seed))
        options = {"is_rgba": is_rgba, "channel_base": channel_base, "channel_max": channel_max}
        generator = Generator(build_mapping(mapping, count_blocks(canvas_px)), Synthesis(canvas_px, **options))
        return Gan(generator, Discriminator(canvas_px, **options))


def _spread(seed: int) -> int:
    """A seed that callers do not use: z drawn with the weights' own seed would repeat the first weights' values."""
    return int(np.random.SeedSequence([seed, *b"gan"]).generate_state(1, np.uint64)[0])
