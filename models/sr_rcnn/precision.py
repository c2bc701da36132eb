"""Parts of Mask R-CNN whose outputs are float32 under autocast too.

Boxes are computed in the dtype of what predicts them, and anchors in that of the features: in bfloat16 a coordinate of
800 pixels is off by up to two.
"""

from collections.abc import Callable

import torch
from torch import nn
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool


def widen(x: torch.Tensor) -> torch.Tensor:
    """As float32 where x is of a narrower float; float32 and float64 stay."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


class Float32Fpn(BackboneWithFPN):
    """A backbone with its feature pyramid: (N, 3, H, W) to {level: float32 (N, C, h, w)}."""

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {name: widen(level) for name, level in super().forward(x).items()}


class Float32TimmFpn(nn.Module):
    """Float32Fpn over a features_only network of timm's that gives strides 4 to 32.

    Source: Wu and He 2018, arXiv 1803.08494, section 4.2: group norm in the pyramid.
    Here: an EfficientNet's stages end in linear layers whose values are about ten times a ResNet's; the norm brings
    both to one scale, which the content loss is measured in.
    """

    def __init__(self, body: nn.Module, channels: int, norm: Callable[[int], nn.Module]) -> None:
        """Draw the pyramid's weights from torch's global generator.

        Args:
            body: (N, 3, H, W) to a list of four maps, finest first; its feature_info tells their channels.
            channels: of every level of the pyramid.
            norm: builds what follows each of the pyramid's convolutions.
        """
        super().__init__()
        self.body = body
        self.fpn = FeaturePyramidNetwork(body.feature_info.channels(), channels, LastLevelMaxPool(), norm_layer=norm)
        self.out_channels = channels

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        levels = {str(level): features for level, features in enumerate(self.body(x))}
        return {name: widen(level) for name, level in self.fpn(levels).items()}


class Float32RpnHead(RPNHead):
    """The proposal network's head: objectness and deltas of every level in float32."""

    def forward(self, x: list[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        logits, deltas = super().forward(x)
        return [widen(level) for level in logits], [widen(level) for level in deltas]


class Float32Predictor(FastRCNNPredictor):
    """Class logits and box deltas from the box head's values, all in float32."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(widen(x))


class Float32MaskPredictor(MaskRCNNPredictor):
    """Mask logits (N, K, 2 S, 2 S) from the mask head's values (N, C, S, S), in float32."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return widen(super().forward(x))
