"""The synthesis network: rows of styles become an image, resolution by resolution."""

from typing import Literal

import torch
from torch import nn

from models.gan.fir import Upsample
from models.gan.images import compose_rgba
from models.gan.layers import BiasedActivation, widen
from models.gan.mapping import ROW_DIM, count_blocks
from models.gan.modulation import ModulatedConv2d
from models.structures import ContractError

Noise = torch.Generator | Literal["const", "none"]
"""A generator draws fresh noise; "const" is the network's own, the same for every image; "none" is none."""


def count_channels(size_px: int, *, channel_base: int, channel_max: int) -> int:
    """Count the channels at a resolution: channel_base / size_px, channel_max at most.

    Raises:
        ValueError: not even one is left.
    """
    channels = min(channel_base // size_px, channel_max)
    if channels < 1:
        raise ValueError(f"channel_base: expected {size_px} or more for {size_px} pixels, found {channel_base}")
    return channels


class StyledConv(nn.Module):
    """Modulated 3 x 3 convolution, noise with a learned strength, bias, leaky ReLU.

    Shapes (N samples, I/O in/out channels, D = 64):
        x       float (N, I, H, W)
        w       float32 (N, D)
        return  float (N, O, size_px, size_px)

    Source: Karras et al. 2020, arXiv 1912.04958, figure 2c.
    """

    def __init__(self, in_channels: int, out_channels: int, size_px: int, *, is_upsampling: bool = False) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(in_channels, out_channels, 3, style_dim=ROW_DIM, is_upsampling=is_upsampling)
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("const_noise", torch.randn(size_px, size_px))
        self.activation = BiasedActivation(out_channels)

    def forward(self, x: torch.Tensor, w: torch.Tensor, noise: Noise) -> torch.Tensor:
        x = self.conv(x, w)
        if noise != "none":
            x = x + (self._draw(x, noise) * self.noise_strength).to(x.dtype)
        return self.activation(x)

    def _draw(self, x: torch.Tensor, noise: Noise) -> torch.Tensor:
        if not isinstance(noise, torch.Generator):
            return self.const_noise  # (H, W)
        drawn = torch.randn(len(x), 1, *x.shape[2:], generator=noise, device=noise.device)  # (N, 1, H, W)
        return drawn.to(x.device)


class SynthesisBlock(nn.Module):
    """One resolution; all its layers share one row of styles, each through its own dense layer.

    Shapes (N samples, I/O in/out channels, C image channels, S = size_px):
        x       float (N, I, S/2, S/2); None at 4 x 4, which starts from a learned constant and has one convolution
        raw     float32 (N, C, S/2, S/2), the image so far; None at 4 x 4
        w       float32 (N, 64), the block's row
        return  x (N, O, S, S), raw (N, C, S, S)

    Source: Karras et al. 2020, arXiv 1912.04958, figures 2c and 7b (skip architecture).
    """

    def __init__(self, in_channels: int | None, out_channels: int, size_px: int, image_channels: int) -> None:
        super().__init__()
        if in_channels is None:
            self.const = nn.Parameter(torch.randn(out_channels, size_px, size_px))
        else:
            self.conv0 = StyledConv(in_channels, out_channels, size_px, is_upsampling=True)
            self.upsample = Upsample()
        self.conv1 = StyledConv(out_channels, out_channels, size_px)
        self.to_rgb = ModulatedConv2d(out_channels, image_channels, 1, style_dim=ROW_DIM, is_demodulated=False)
        self.rgb_bias = nn.Parameter(torch.zeros(image_channels))

    def forward(
        self, x: torch.Tensor | None, raw: torch.Tensor | None, w: torch.Tensor, noise: Noise
    ) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.const.expand(len(w), -1, -1, -1) if x is None else self.conv0(x, w, noise)
        x = self.conv1(x, w, noise)
        own = widen(self.to_rgb(x, w)) + self.rgb_bias[:, None, None]
        return x, own if raw is None else self.upsample(raw) + own


class Synthesis(nn.Module):
    """Blocks from 4 x 4 to the canvas; their images are summed.

    Shapes (N samples, B blocks, S = canvas_px):
        ws      float32 (N, B, 64)
        return  float32 (N, 3 | 4, S, S), images as models.gan.images defines them

    Source: Karras et al. 2020, arXiv 1912.04958.
    """

    def __init__(
        self, canvas_px: int, *, is_rgba: bool = False, channel_base: int = 32768, channel_max: int = 512
    ) -> None:
        """Draw the weights from torch's global generator.

        Args:
            canvas_px: side of the image, a power of two from 8 to 1024.
            is_rgba: the fourth channel is a learned alpha.
            channel_base: channels of a resolution are channel_base / resolution …
            channel_max: … and this at most; the defaults are the paper's configuration F.

        Raises:
            ValueError: canvas_px or channel_base does not fit.
        """
        super().__init__()
        self.canvas_px = canvas_px
        self.is_rgba = is_rgba
        self.n_blocks = count_blocks(canvas_px)
        self.blocks = nn.ModuleList()
        in_channels = None
        for size_px in (4 << index for index in range(self.n_blocks)):
            out_channels = count_channels(size_px, channel_base=channel_base, channel_max=channel_max)
            self.blocks.append(SynthesisBlock(in_channels, out_channels, size_px, 4 if is_rgba else 3))
            in_channels = out_channels

    def forward(self, ws: torch.Tensor, noise: Noise = "const") -> torch.Tensor:
        if tuple(ws.shape[1:]) != (self.n_blocks, ROW_DIM):
            raise ContractError(f"ws: expected shape (any, {self.n_blocks}, {ROW_DIM}), found {tuple(ws.shape)}")
        x = raw = None
        for block, w in zip(self.blocks, ws.unbind(1), strict=True):
            x, raw = block(x, raw, w, noise)
        return compose_rgba(raw) if self.is_rgba else raw
