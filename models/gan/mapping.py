"""Mapping networks: z becomes w, one row of 64 values for each block of the synthesis network.

Shapes (N samples, B synthesis blocks):
    z   float32 (N, 512), N(0, 1)
    w   float32 (N, B * 64), the style vector; 512 values at a canvas of 512 pixels
    ws  float32 (N, B, 64), w cut into rows, coarsest block first

Both networks run in float32, under autocast too, and learn a hundred times slower than the rest: Karras et al. 2019,
arXiv 1812.04948, appendix C.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Final

import torch
from torch import nn
from torch.nn import functional as F

from models.gan.layers import EqualLinear, activate
from models.structures import ContractError

Z_DIM: Final = 512
ROW_DIM: Final = 64
LR_MULTIPLIER: Final = 0.01
TOKENS: Final = 256
TOKEN_DIM: Final = 16
HIDDEN_DIM: Final = 64
DEPTH: Final = 4
EMBEDDING_STD: Final = 0.1
"""Small beside the tokens' 1: every block adds an embedding, and w must vary with z, not with the position alone."""
SUM_GAIN: Final = math.sqrt(0.5)
MEAN_DECAY: Final = 0.995
"""Of the running mean of w, a batch: Karras et al. 2019, arXiv 1812.04948, section 2 (the truncation's centre)."""


def count_blocks(canvas_px: int) -> int:
    """Count the synthesis blocks of a canvas: one a resolution from 4 to canvas_px, so 4 at 32 and 8 at 512.

    Raises:
        ValueError: canvas_px is no power of two from 8 to 1024.
    """
    if canvas_px not in (8, 16, 32, 64, 128, 256, 512, 1024):
        raise ValueError(f"canvas_px: expected a power of two from 8 to 1024, found {canvas_px!r}")
    return canvas_px.bit_length() - 2


class Mapping(nn.Module):
    """What both mapping networks share: z normalised, w in rows, its running mean and the truncation."""

    def __init__(self, n_blocks: int) -> None:
        super().__init__()
        self.n_blocks = n_blocks
        self.register_buffer("ws_mean", torch.zeros(n_blocks, ROW_DIM))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        if z.ndim != 2 or z.shape[1] != Z_DIM:
            raise ContractError(f"z: expected shape (any, {Z_DIM}), found {tuple(z.shape)}")
        with torch.autocast(z.device.type, enabled=False):
            return self.map(normalise_second_moment(z)).unflatten(1, (self.n_blocks, ROW_DIM))  # (N, B, 64)

    def map(self, z: torch.Tensor) -> torch.Tensor:
        """Map normalised z (N, 512) to w (N, B * 64)."""
        raise NotImplementedError

    @torch.no_grad()
    def track_mean(self, ws: torch.Tensor, *, decay: float = MEAN_DECAY) -> None:
        """Move the running mean a step towards a batch's.

        Args:
            ws: (N, B, 64), of this network; rows of mixed styles serve as well.
            decay: of what the mean was.
        """
        self.ws_mean.lerp_(ws.detach().mean(0).to(self.ws_mean), 1 - decay)

    def truncate(self, ws: torch.Tensor, psi: float) -> torch.Tensor:
        """Pull ws (N, B, 64) towards the running mean: psi 1 leaves them, 0 gives the mean.

        Source: Karras et al. 2019, arXiv 1812.04948, appendix B: w' = mean + psi (w − mean).
        """
        return ws if psi == 1 else self.ws_mean + psi * (ws - self.ws_mean)


class TokenMlp(nn.Module):
    """The same 16 → 64 → 16 dense layers for every token, leaky ReLU between: (N, 256, 16) to the same."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = EqualLinear(TOKEN_DIM, HIDDEN_DIM, lr_multiplier=LR_MULTIPLIER)
        self.out = EqualLinear(HIDDEN_DIM, TOKEN_DIM, lr_multiplier=LR_MULTIPLIER)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(activate(self.hidden(x)))


class TransformerBlock(nn.Module):
    """p = x + E, a = attention(p), h = MLP1(a + p), y = MLP2(h + p).

    Shapes (N samples, 256 tokens of 16 values):
        x, p, a, h, y  float32 (N, 256, 16)
        E              float32 (256, 16), the block's learned positional embedding

    Source: Back & Kim, GAN-based image data augmentation for object detection in industrial environments.
    Here: "positional embedding(x)" adds E to x. Attention has one head and learned projections of p to queries, keys
    and values (softmax(q kᵀ / √16) v): of p alone, a token's largest product is with itself and it would see little
    else; is_projected=False is that literal reading. Both sums are scaled by √½, a constant that the dense layer after
    them absorbs, so that four blocks do not blow the tokens up.
    """

    def __init__(self, *, is_projected: bool = True) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(TOKENS, TOKEN_DIM) / LR_MULTIPLIER)
        self.to_query, self.to_key, self.to_value = (_build_projection(is_projected) for _ in range(3))
        self.mlp1 = TokenMlp()
        self.mlp2 = TokenMlp()

    def attend(self, p: torch.Tensor) -> torch.Tensor:
        """Dot-product attention among the tokens, one head, scale 1/√16.

        Source: Vaswani et al. 2017, arXiv 1706.03762, eq. 1.
        """
        return F.scaled_dot_product_attention(self.to_query(p), self.to_key(p), self.to_value(p))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        p = x + self.embedding * (LR_MULTIPLIER * EMBEDDING_STD)
        h = self.mlp1((self.attend(p) + p) * SUM_GAIN)
        return self.mlp2((h + p) * SUM_GAIN)


class TransformerMapping(Mapping):
    """z as 256 tokens of 16 values through four transformer blocks.

    Shapes (N samples, B synthesis blocks):
        z       float32 (N, 512), scaled to unit second moment
        tokens  float32 (N, 256, 16), by one dense layer of 4096
        return  float32 (N, B, 64), by one dense layer over the 4096 values of the last tokens

    Source: Back & Kim, GAN-based image data augmentation for object detection in industrial environments.
    """

    def __init__(self, n_blocks: int, *, is_projected: bool = True) -> None:
        super().__init__(n_blocks)
        self.entry = EqualLinear(Z_DIM, TOKENS * TOKEN_DIM, lr_multiplier=LR_MULTIPLIER)
        self.blocks = nn.Sequential(*(TransformerBlock(is_projected=is_projected) for _ in range(DEPTH)))
        self.exit = EqualLinear(TOKENS * TOKEN_DIM, n_blocks * ROW_DIM, lr_multiplier=LR_MULTIPLIER)

    def map(self, z: torch.Tensor) -> torch.Tensor:
        tokens = self.entry(z).unflatten(1, (TOKENS, TOKEN_DIM))  # (N, 256, 16)
        return self.exit(self.blocks(tokens).flatten(1))  # (N, B * 64)


class MlpMapping(Mapping):
    """StyleGAN2's eight dense layers, every one followed by a leaky ReLU; shapes as TransformerMapping.

    Source: Karras et al. 2020, arXiv 1912.04958.
    Here: w has 64 values a block and is cut into rows, where StyleGAN2 gives the whole of w to every layer.
    """

    def __init__(self, n_blocks: int) -> None:
        super().__init__(n_blocks)
        dims = [Z_DIM] * 8 + [n_blocks * ROW_DIM]
        self.layers = nn.ModuleList(EqualLinear(i, o, lr_multiplier=LR_MULTIPLIER) for i, o in pairwise(dims))

    def map(self, z: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            z = activate(layer(z))
        return z


def normalise_second_moment(z: torch.Tensor) -> torch.Tensor:
    """Scale every row of z (N, 512) to a mean square of 1."""
    return z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def _build_projection(is_projected: bool) -> nn.Module:
    return EqualLinear(TOKEN_DIM, TOKEN_DIM, bias=None, lr_multiplier=LR_MULTIPLIER) if is_projected else nn.Identity()


MAPPINGS: Final[dict[str, Callable[[int], Mapping]]] = {
    "transformer": TransformerMapping,
    "transformer_unprojected": lambda n_blocks: TransformerMapping(n_blocks, is_projected=False),
    "mlp": MlpMapping,
}


def build_mapping(name: str, n_blocks: int) -> Mapping:
    """Build an untrained mapping network.

    Args:
        name: transformer, transformer_unprojected (attention without projections) or mlp.
        n_blocks: of the synthesis network; see count_blocks.

    Raises:
        ValueError: unknown name.
    """
    if name not in MAPPINGS:
        raise ValueError(f"mapping: expected one of {', '.join(MAPPINGS)}, found {name!r}")
    return MAPPINGS[name](n_blocks)
