"""The generator: RoI features of the half-size image become those of the image itself.

Shapes (N RoIs, C channels, S x S cells; 256 and 7 in the thesis):
    lr  float32 (N, C, S, S), RoI features of the half-size image
    sr  float32 (N, C, S, S), super-resolved; the shape does not change, what the cells know does
"""

import torch
from torch import nn
from torch.nn import functional as F

from models.structures import ContractError


class ResidualBlock(nn.Module):
    """x + BN(conv(ReLU(BN(conv(x))))), both convolutions 3x3; (N, C, S, S) to the same.

    Source: He et al. 2016, arXiv 1512.03385, section 3; the thesis.
    Here: nothing follows the sum unless relu_after_sum: pyramid features are signed, a ReLU would cut half of x away.
    """

    def __init__(
        self,
        channels: int,
        *,
        is_last: bool = False,
        relu_after_sum: bool = False,
        starts_as_identity: bool = True,
    ) -> None:
        """Draw the weights from torch's global generator.

        Args:
            channels: C.
            is_last: the second convolution is plain, with a bias, and no ReLU follows the sum.
            relu_after_sum: one does, unless is_last.
            starts_as_identity: what is added to x starts as zero.
        """
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=is_last)
        self.norm2 = nn.Identity() if is_last else nn.BatchNorm2d(channels)
        self.relu_after_sum = relu_after_sum and not is_last
        if starts_as_identity:
            for parameter in (self.conv2 if is_last else self.norm2).parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x + self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(y) if self.relu_after_sum else y


class FeatureGenerator(nn.Module):
    """lr to sr by residual blocks; the last one without BN and activation, to match the target's distribution.

    Source: the thesis. Here: the last block keeps its skip, so that the generator can start as the identity.
    """

    def __init__(
        self, channels: int = 256, n_blocks: int = 7, *, relu_after_sum: bool = False, starts_as_identity: bool = True
    ) -> None:
        """Draw the weights from torch's global generator.

        Args:
            channels: C.
            n_blocks: residual blocks.
            relu_after_sum: see ResidualBlock.
            starts_as_identity: see ResidualBlock.
        """
        super().__init__()
        self.channels = channels
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(
                    channels,
                    is_last=index == n_blocks - 1,
                    relu_after_sum=relu_after_sum,
                    starts_as_identity=starts_as_identity,
                )
                for index in range(n_blocks)
            )
        )

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        if lr.ndim != 4 or lr.shape[1] != self.channels:
            raise ContractError(f"lr: expected shape (any, {self.channels}, any, any), found {tuple(lr.shape)}")
        return self.blocks(lr)
