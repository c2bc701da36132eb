"""The segmenter's network: U-Net or DeepLabv3+ over an EfficientNet encoder, one sigmoid map a class."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import segmentation_models_pytorch as smp
import torch
from torch import nn

from models.structures import DAMAGE_CLASSES

ENCODER = "tu-tf_efficientnet_lite0"
DECODER_CHANNELS = (128, 64, 48, 32, 16)
DEEPLAB_CHANNELS = (128,)


class _Segmenter(nn.Module):
    """What both architectures share: smp's encoder, decoder and head, in a part that names the weights."""

    PART: str

    @property
    def encoder(self) -> nn.Module:
        """The part that starts from ImageNet weights."""
        return getattr(self, self.PART).encoder

    def encode(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Features at strides 1 to 32, (N, C, h, w) each."""
        return self.encoder(x)

    def decode(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Logits (N, 3, H, W) from features."""
        part = getattr(self, self.PART)
        return part.segmentation_head(part.decoder(features))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return getattr(self, self.PART)(x)


class UNetSegmenter(_Segmenter):
    """U-Net, with an EfficientNet-Lite0 encoder unless told otherwise.

    Shapes (N images, H x W pixels, both multiples of 32):
        x       float32 (N, 3, H, W), normalised
        return  float32 (N, 3, H, W), logits of scratch, dent, spacing

    Source: Ronneberger et al. 2015, arXiv 1505.04597; encoder Tan & Le 2019, arXiv 1905.11946.
    Here: smp's U-Net with a decoder half as wide, for the CPU.
    """

    PART = "unet"

    def __init__(self, encoder: str = ENCODER, decoder_channels: Sequence[int] = DECODER_CHANNELS) -> None:
        super().__init__()
        self.unet = _build(smp.Unet, encoder, decoder_channels=tuple(decoder_channels))


class DeepLabSegmenter(_Segmenter):
    """DeepLabv3+, shapes as UNetSegmenter; its features have stride 16 at most.

    Source: Chen et al. 2018, arXiv 1802.02611.
    """

    PART = "deeplab"

    def __init__(self, encoder: str = ENCODER, decoder_channels: Sequence[int] = DEEPLAB_CHANNELS) -> None:
        super().__init__()
        if len(decoder_channels) != 1:
            raise ValueError(f"decoder_channels: DeepLabv3+ has one width, found {tuple(decoder_channels)}")
        self.deeplab = _build(smp.DeepLabV3Plus, encoder, decoder_channels=decoder_channels[0])


ARCHITECTURES: Final[dict[str, Callable[..., _Segmenter]]] = {
    "unet": UNetSegmenter,
    "deeplabv3plus": DeepLabSegmenter,
}


def build_segmenter(
    architecture: str = "unet", encoder: str = ENCODER, decoder_channels: Sequence[int] | None = None
) -> UNetSegmenter | DeepLabSegmenter:
    """Build an untrained segmenter; nothing is fetched.

    Args:
        architecture: unet or deeplabv3plus.
        encoder: smp's name: efficientnet-b0 … b7, timm-efficientnet-…, tu-… for any of timm's.
        decoder_channels: five widths for unet, one for deeplabv3plus; None: the architecture's own.

    Raises:
        ValueError: unknown architecture or encoder, or widths that do not fit.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"architecture: expected one of {', '.join(ARCHITECTURES)}, found {architecture!r}")
    build = ARCHITECTURES[architecture]
    return build(encoder) if decoder_channels is None else build(encoder, decoder_channels)


def _build(network: Callable[..., nn.Module], encoder: str, **options: Any) -> nn.Module:
    try:
        built = network(encoder, encoder_weights=None, classes=len(DAMAGE_CLASSES), **options)
    except (KeyError, RuntimeError) as error:  # smp's words for its own names, timm's for tu-…
        raise ValueError(f"encoder: expected a name that smp or timm knows, found {encoder!r}") from error
    nn.init.constant_(built.segmentation_head[0].bias, -4.0)  # damage is rare among pixels
    return built


class SegmenterForExport(nn.Module):
    """The segmenter with its sigmoid inside: float32 (N, 3, H, W) to probs (N, 3, H, W) in [0, 1]."""

    def __init__(self, network: UNetSegmenter | DeepLabSegmenter) -> None:
        super().__init__()
        self.network = network.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.network(x))
