"""The discriminator: is an image real?"""

import math
from itertools import pairwise

import torch
from torch import nn

from models.gan.fir import Blur, Downsample
from models.gan.layers import BiasedActivation, EqualConv2d, EqualLinear, activate, widen
from models.gan.mapping import count_blocks
from models.gan.synthesis import count_channels
from models.structures import ContractError

GROUP_SIZE = 4


class DiscriminatorBlock(nn.Module):
    """Two convolutions beside a skip, to half the size: (N, I, H, W) to (N, O, H/2, W/2).

    Source: Karras et al. 2020, arXiv 1912.04958, figure 7c (residual): the sum is scaled by √½.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv0 = EqualConv2d(in_channels, in_channels, 3, padding=1)
        self.activation0 = BiasedActivation(in_channels)
        self.blur = Blur(padding=2)
        self.conv1 = EqualConv2d(in_channels, out_channels, 3, stride=2)
        self.activation1 = BiasedActivation(out_channels)
        self.downsample = Downsample()
        self.skip = EqualConv2d(in_channels, out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.activation0(self.conv0(x))
        y = self.activation1(self.conv1(self.blur(y)))  # blurred to H + 1, then every second
        return (y + self.skip(self.downsample(x))) * math.sqrt(0.5)


def append_minibatch_std(x: torch.Tensor, group_size: int = GROUP_SIZE) -> torch.Tensor:
    """Append a channel that says how much the images of a group differ.

    Args:
        x: float (N, C, H, W); neighbours in the batch form the groups.
        group_size: images a group; the largest divisor of N up to it is taken. A group of 1 gives 0.

    Returns:
        float (N, C + 1, H, W), of x's dtype; the channel is one number a group: the mean over C, H and W of the
        standard deviation over the group.

    Source: Karras et al. 2018, arXiv 1710.10196, section 3.
    """
    size = max(n for n in range(1, group_size + 1) if len(x) % n == 0)
    groups = widen(x).unflatten(0, (-1, size))  # (N / size, size, C, H, W)
    std = (groups.var(1, correction=0) + 1e-8).sqrt().mean((1, 2, 3)) - 1e-4  # so that a group of equals has 0
    channel = std.repeat_interleave(size).to(x.dtype)[:, None, None, None]
    return torch.cat([x, channel.expand(-1, 1, *x.shape[2:])], 1)


class Discriminator(nn.Module):
    """Residual discriminator of StyleGAN2.

    Shapes (N images, S = canvas_px, C = channels at 4 x 4):
        images    float32 (N, 3 | 4, S, S), as models.gan.images defines them
        features  float32 (N, C), before the last layer
        return    float32 (N,), logits: above 0 = real

    Source: Karras et al. 2020, arXiv 1912.04958.
    """

    def __init__(
        self, canvas_px: int, *, is_rgba: bool = False, channel_base: int = 32768, channel_max: int = 512
    ) -> None:
        """Draw the weights from torch's global generator; arguments as Synthesis.

        Raises:
            ValueError: canvas_px or channel_base does not fit.
        """
        super().__init__()
        sizes_px = [4 << index for index in reversed(range(count_blocks(canvas_px)))]  # canvas … 4
        channels = [count_channels(px, channel_base=channel_base, channel_max=channel_max) for px in sizes_px]
        self.canvas_px = canvas_px
        self.image_channels = 4 if is_rgba else 3
        self.from_rgb = EqualConv2d(self.image_channels, channels[0], 1)
        self.activation = BiasedActivation(channels[0])
        self.blocks = nn.Sequential(
            *(DiscriminatorBlock(i, o) for i, o in pairwise(channels)),
        )
        self.last_conv = EqualConv2d(channels[-1] + 1, channels[-1], 3, padding=1)
        self.last_activation = BiasedActivation(channels[-1])
        self.dense = EqualLinear(channels[-1] * 4 * 4, channels[-1])
        self.head = EqualLinear(channels[-1], 1)

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        """Describe images by what the last layer sees of them, (N, C)."""
        expected = (self.image_channels, self.canvas_px, self.canvas_px)
        if tuple(images.shape[1:]) != expected:
            raise ContractError(f"images: expected shape (any, {expected}), found {tuple(images.shape)}")
        x = self.blocks(self.activation(self.from_rgb(images)))  # (N, C, 4, 4)
        x = self.last_activation(self.last_conv(append_minibatch_std(x)))
        return widen(activate(self.dense(x.flatten(1))))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return widen(self.head(self.forward_features(images))).squeeze(1)
