"""What stands between RoIAlign and the box head at inference: pool, then super-resolve."""

import torch
from torch import nn
from torchvision.ops import MultiScaleRoIAlign

from models.sr_rcnn.generator import FeatureGenerator
from models.sr_rcnn.options import Mode, check_mode
from models.sr_rcnn.size_gate import SizeGate, gate_small, mix_features


class SuperResolvingRoiPool(nn.Module):
    """RoIHeads' box_roi_pool with the generator behind it; called as MultiScaleRoIAlign is.

    Shapes (N RoIs of all images, C channels, S x S cells):
        return  float32 (N, C, S, S)

    Attributes:
        pool: RoIAlign over the pyramid; no weights.
        generator: applied to features of the images themselves, as in the thesis, though it learned from their halves.
        gate: read in mode gated only.
        mode: always, never, small or gated; may be set between calls.
        small_px: of mode small.
    """

    def __init__(
        self, pool: MultiScaleRoIAlign, generator: FeatureGenerator, gate: SizeGate, *, mode: Mode, small_px: float
    ) -> None:
        super().__init__()
        check_mode(mode)
        self.pool = pool
        self.generator = generator
        self.gate = gate
        self.mode = mode
        self.small_px = small_px

    def forward(
        self, features: dict[str, torch.Tensor], boxes: list[torch.Tensor], image_shapes: list[tuple[int, int]]
    ) -> torch.Tensor:
        return self.super_resolve(self.pool(features, boxes, image_shapes), torch.cat(boxes))

    def super_resolve(self, hr: torch.Tensor, boxes_xyxy_input: torch.Tensor) -> torch.Tensor:
        """Super-resolve pooled features (N, C, S, S) of boxes (N, 4) as the mode says."""
        if self.mode == "never":
            return hr
        if self.mode == "always":
            return self.generator(hr)
        if self.mode == "gated":
            return mix_features(hr, self.generator(hr), self.gate(boxes_xyxy_input))
        chosen = gate_small(boxes_xyxy_input, self.small_px).nonzero().squeeze(1)  # small
        return hr.index_copy(0, chosen, self.generator(hr[chosen]).to(hr.dtype))
