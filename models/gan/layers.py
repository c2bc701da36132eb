"""Layers with an equalised learning rate, and the activation they share.

Source: Karras et al. 2018, arXiv 1710.10196, section 4.1: weights are N(0, 1) and scaled when used, so that an
optimiser that normalises its steps moves every weight by the same share of its size.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

SLOPE = 0.2
GAIN = math.sqrt(2)
"""Of the activation: half the values are damped to almost nothing, the second moment stays 1."""
FP16_BOUND = 256.0
"""Activations in half precision stay within it: Karras et al. 2020, arXiv 2006.06676, implementation details."""


class EqualLinear(nn.Module):
    """Dense layer with an equalised learning rate.

    Shapes (N samples, I/O in/out features):
        x       float (N, …, I)
        return  float (N, …, O), unit second moment for unit-second-moment x
    """

    def __init__(
        self, in_features: int, out_features: int, *, bias: float | None = 0.0, lr_multiplier: float = 1.0
    ) -> None:
        """Draw the weights from torch's global generator.

        Args:
            in_features: I.
            out_features: O.
            bias: its first value; None: no bias.
            lr_multiplier: of the optimiser's learning rate, for this layer; its map at the start does not depend on it.
        """
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = None if bias is None else nn.Parameter(torch.full((out_features,), bias / lr_multiplier))
        self.weight_gain = lr_multiplier / math.sqrt(in_features)
        self.bias_gain = lr_multiplier

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bias = None if self.bias is None else self.bias * self.bias_gain
        if x.numel() < self.weight.numel():  # the gain goes to the smaller factor
            return F.linear(x * self.weight_gain, self.weight, bias)
        return F.linear(x, self.weight * self.weight_gain, bias)


class EqualConv2d(nn.Module):
    """Convolution with an equalised learning rate; its bias belongs to the activation after it.

    Shapes (N samples, I/O in/out channels, H x W pixels):
        x       float (N, I, H, W)
        return  float (N, O, H', W'), unit variance for white unit-variance x
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, padding: int = 0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.gain = 1 / math.sqrt(in_channels * kernel_size**2)
        self.stride = stride
        self.padding = padding

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, self.weight * self.gain, stride=self.stride, padding=self.padding)


class BiasedActivation(nn.Module):
    """Per-channel bias, leaky ReLU of slope 0.2, gain √2; (N, C, H, W) to the same shape and dtype."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return activate(x + self.bias.to(x.dtype)[:, None, None])


def activate(x: torch.Tensor) -> torch.Tensor:
    """Leaky ReLU of slope 0.2 and gain √2; in half precision bounded, so that nothing becomes infinite."""
    x = F.leaky_relu(x, SLOPE) * GAIN
    return x.clamp(-FP16_BOUND, FP16_BOUND) if x.dtype == torch.float16 else x


def widen(x: torch.Tensor) -> torch.Tensor:
    """As float32 where x is of a narrower float; float32 and float64 stay."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
