"""How much of a RoI is super-resolved, by its size.

Shapes (N RoIs):
    boxes_xyxy_input  float32 (N, 4), input frame
    return            float32 (N,), 0: the original features, 1: the super-resolved ones
"""

import torch
from torch import nn

REFERENCE_PX = 64.0
OCTAVES = 3.0
"""log2 of 8 to 512 pixels against REFERENCE_PX lies within it, so the gate's inputs lie within ±1."""


class SizeGate(nn.Module):
    """A learned gate: sigmoid of a two-layer perceptron of log width and log height; 0.5 for every size at first.

    Source: the thesis leaves a learned gate as future work; its own, by proposal size, is gate_small.
    """

    def __init__(self, hidden_dim: int = 16) -> None:
        """Draw the weights from torch's global generator.

        Args:
            hidden_dim: of the perceptron.
        """
        super().__init__()
        self.hidden = nn.Linear(2, hidden_dim)
        self.out = nn.Linear(hidden_dim, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, boxes_xyxy_input: torch.Tensor) -> torch.Tensor:
        with torch.autocast(boxes_xyxy_input.device.type, enabled=False):
            sides = boxes_xyxy_input[:, 2:] - boxes_xyxy_input[:, :2]  # (N, 2)
            octaves = (sides.clamp(min=1) / REFERENCE_PX).log2() / OCTAVES
            return self.out(torch.tanh(self.hidden(octaves))).sigmoid().squeeze(1)  # (N, 1) to (N,)


def gate_small(boxes_xyxy_input: torch.Tensor, small_px: float) -> torch.Tensor:
    """Open, as bool (N,), for RoIs of an area under small_px²; COCO calls an object under 32² pixels small."""
    sides = boxes_xyxy_input[:, 2:] - boxes_xyxy_input[:, :2]
    return sides.prod(1) < small_px**2


def mix_features(original: torch.Tensor, super_resolved: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Mix features (N, C, S, S) by weights (N,); exactly the original at 0, exactly the super-resolved at 1."""
    weights = weights.to(original.dtype)[:, None, None, None]
    return torch.lerp(original, super_resolved.to(original.dtype), weights)
