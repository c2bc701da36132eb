"""The convolution that a style steers."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from models.gan.fir import Blur
from models.gan.layers import EqualLinear, widen

EPSILON = 1e-8


class ModulatedConv2d(nn.Module):
    """Convolution whose input channels are scaled per sample by a style.

    Shapes (N samples, I/O in/out channels, H x W pixels, D = style_dim):
        x       float (N, I, H, W)
        w       float32 (N, D), one row of the mapping network's output
        style   float32 (N, I), by a dense layer of w that starts at 1
        return  float (N, O, H, W), or (N, O, 2H, 2W); unit variance for white unit-variance x where demodulated

    Source: Karras et al. 2020, arXiv 1912.04958, eq. 1 (modulate), eq. 3 (demodulate).
    Here: styles scale x and demodulation scales the output: the same map without a grouped convolution. Demodulation
    cancels any factor on a sample's style and on a filter, so both are normalised first and nothing overflows in half
    precision (Karras et al. 2020, arXiv 2006.06676, implementation details); the factors are computed in float32.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        style_dim: int,
        is_demodulated: bool = True,
        is_upsampling: bool = False,
    ) -> None:
        """Draw the weights from torch's global generator.

        Args:
            in_channels: I.
            out_channels: O.
            kernel_size: odd; 3 where is_upsampling.
            style_dim: D.
            is_demodulated: False where the output's size should follow the style, as in toRGB.
            is_upsampling: the convolution of x with zeros between its pixels, then the low-pass filter.

        Raises:
            ValueError: kernel_size does not fit.
        """
        super().__init__()
        if kernel_size % 2 == 0 or (is_upsampling and kernel_size != 3):
            raise ValueError(f"kernel_size: expected an odd number, 3 to upsample, found {kernel_size}")
        self.affine = EqualLinear(style_dim, in_channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.gain = 1 / math.sqrt(in_channels * kernel_size**2)
        self.is_demodulated = is_demodulated
        self.blur = Blur(padding=1, gain=4.0) if is_upsampling else None

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            style = self.affine(widen(w))
            weight = self.weight * self.gain
            if self.is_demodulated:
                style = style / style.detach().abs().amax(1, keepdim=True).clamp(min=EPSILON)
                weight = weight / torch.linalg.vector_norm(weight.detach(), dim=(1, 2, 3), keepdim=True).clamp(
                    min=EPSILON
                )
                energy = style.square() @ weight.square().sum((2, 3)).T  # (N, O), the sum of eq. 3
                demodulation = (energy + EPSILON).rsqrt()
        y = self._convolve(x * style.to(x.dtype)[:, :, None, None], weight)
        return y * demodulation.to(y.dtype)[:, :, None, None] if self.is_demodulated else y

    def _convolve(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        if self.blur is None:
            return F.conv2d(x, weight.to(x.dtype), padding=weight.shape[-1] // 2)
        flipped = weight.to(x.dtype).transpose(0, 1).flip(2, 3)
        return self.blur(F.conv_transpose2d(x, flipped, stride=2))  # (N, O, 2H + 1, 2W + 1), then (N, O, 2H, 2W)
