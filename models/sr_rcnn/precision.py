"""Parts of Mask R-CNN whose outputs are float32 under autocast too.

Boxes are computed in the dtype of what predicts them, and anchors in that of the features: in bfloat16 a coordinate of
800 pixels is off by up to two.
"""

import torch
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor
from torchvision.models.detection.rpn import RPNHead


def widen(x: torch.Tensor) -> torch.Tensor:
    """As float32 where x is of a narrower float; float32 and float64 stay."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


class Float32Fpn(BackboneWithFPN):
    """A backbone with its feature pyramid: (N, 3, H, W) to {level: float32 (N, C, h, w)}."""

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {name: widen(level) for name, level in super().forward(x).items()}


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
