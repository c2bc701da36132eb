"""The generator: a mapping network, style mixing and a synthesis network."""

import torch
from torch import nn

from models.gan.mapping import Mapping
from models.gan.synthesis import Noise, Synthesis


def draw_crossovers(count: int, n_blocks: int, *, probability: float, generator: torch.Generator) -> torch.Tensor:
    """Draw at which block each sample's styles change over to another's.

    Args:
        count: samples, N.
        n_blocks: of the synthesis network.
        probability: that a sample is mixed at all; 0.9 in StyleGAN.
        generator: drawn from alike whatever the probability.

    Returns:
        int64 (N,), on the generator's device: 1 … n_blocks − 1, all as likely, or n_blocks: not mixed.

    Source: Karras et al. 2019, arXiv 1812.04948, section 3.1.
    """
    device = generator.device
    drawn = torch.randint(1, n_blocks, (count,), generator=generator, device=device)
    is_mixed = torch.rand(count, generator=generator, device=device) < probability
    return torch.where(is_mixed, drawn, n_blocks)


def mix_styles(ws: torch.Tensor, other_ws: torch.Tensor, crossovers: torch.Tensor) -> torch.Tensor:
    """Take the rows before the crossover from ws, the others from other_ws.

    Args:
        ws: (N, B, 64).
        other_ws: (N, B, 64).
        crossovers: int64 (N,), 0 … B.

    Returns:
        (N, B, 64).
    """
    rows = torch.arange(ws.shape[1], device=ws.device)
    is_own = rows < crossovers.to(ws.device)[:, None]  # (N, B)
    return torch.where(is_own[:, :, None], ws, other_ws)


class Generator(nn.Module):
    """z to images.

    Shapes (N samples, B blocks, S = canvas):
        z       float32 (N, 512), N(0, 1)
        ws      float32 (N, B, 64)
        images  float32 (N, 3 | 4, S, S), as models.gan.images defines them

    Source: Karras et al. 2020, arXiv 1912.04958.
    """

    def __init__(self, mapping: Mapping, synthesis: Synthesis) -> None:
        """Join two networks.

        Args:
            mapping: gives one row a block.
            synthesis: takes one row a block.

        Raises:
            ValueError: they are of different numbers of blocks.
        """
        super().__init__()
        if mapping.n_blocks != synthesis.n_blocks:
            raise ValueError(f"mapping: expected {synthesis.n_blocks} blocks, found {mapping.n_blocks}")
        self.mapping = mapping
        self.synthesis = synthesis

    def forward(
        self,
        z: torch.Tensor,
        *,
        noise: Noise = "const",
        other_z: torch.Tensor | None = None,
        crossovers: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Generate images for training, with the styles that made them.

        Args:
            z: see the class.
            noise: a generator to draw fresh noise from, "const" or "none".
            other_z: (N, 512), what samples are mixed with; None: not mixed.
            crossovers: (N,), as draw_crossovers gives them; needed with other_z.

        Returns:
            images and ws; ws carry the graph that path_length_penalty needs.

        Raises:
            ValueError: one of other_z and crossovers without the other.
        """
        if (other_z is None) != (crossovers is None):
            raise ValueError("crossovers: expected together with other_z, found one without the other")
        ws = self.mapping(z)
        if other_z is not None and crossovers is not None:
            ws = mix_styles(ws, self.mapping(other_z), crossovers)
        return self.synthesis(ws, noise), ws

    @torch.no_grad()
    def generate(self, z: torch.Tensor, *, psi: float = 1.0, noise: Noise = "const") -> torch.Tensor:
        """Generate images to keep, without gradients.

        Args:
            z: see the class.
            psi: truncation: 1 as trained, 0 the mean image.
            noise: as in forward.

        Returns:
            images.
        """
        return self.synthesis(self.mapping.truncate(self.mapping(z), psi), noise)
