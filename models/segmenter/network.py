"""The segmenter's network: U-Net over an EfficientNet encoder, one sigmoid map a class."""

import segmentation_models_pytorch as smp
import torch
from torch import nn

from models.structures import DAMAGE_CLASSES

ENCODER = "tu-tf_efficientnet_lite0"
DECODER_CHANNELS = (128, 64, 48, 32, 16)


class UNetSegmenter(nn.Module):
    """U-Net with an EfficientNet-Lite0 encoder.

    Shapes (N images, H x W pixels, both multiples of 32):
        x       float32 (N, 3, H, W), normalised
        return  float32 (N, 3, H, W), logits of scratch, dent, spacing

    Source: Ronneberger et al. 2015, arXiv 1505.04597; encoder Tan & Le 2019, arXiv 1905.11946.
    Here: smp's U-Net with a decoder half as wide, for the CPU.
    """

    def __init__(self) -> None:
        super().__init__()
        self.unet = smp.Unet(
            ENCODER, encoder_weights=None, classes=len(DAMAGE_CLASSES), decoder_channels=DECODER_CHANNELS
        )
        nn.init.constant_(self.unet.segmentation_head[0].bias, -4.0)  # damage is rare among pixels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.unet(x)


class SegmenterForExport(nn.Module):
    """The segmenter with its sigmoid inside: float32 (N, 3, H, W) to probs (N, 3, H, W) in [0, 1]."""

    def __init__(self, network: UNetSegmenter) -> None:
        super().__init__()
        self.network = network.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.network(x))
