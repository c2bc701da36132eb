"""The gate's network: a light encoder, damage evidence per cell, one logit an image."""

import math

import timm
import torch
from torch import nn
from torch.nn import functional as F

ENCODER = "tf_efficientnet_lite0"


class DamageGate(nn.Module):
    """Global damage classifier: an image is damaged if some cell is.

    Shapes (N images, H x W pixels, h x w = H/16 x W/16 cells):
        x            float32 (N, 3, H, W), normalised
        cell_logits  float32 (N, 1, h, w), evidence of damage per cell
        logits       float32 (N, 1), smooth maximum of the cells

    Source: log-sum-exp pooling, Pinheiro & Collobert 2015, arXiv 1411.6228, eq. 6.
    Here: the sharpness r is fixed, and cells are supervised too where masks are known.
    """

    SHARPNESS = 4.0

    def __init__(self) -> None:
        super().__init__()
        self.encoder = timm.create_model(ENCODER, pretrained=False, features_only=True, out_indices=(2, 3, 4))
        fine, middle, coarse = self.encoder.feature_info.channels()
        self.fine = nn.Sequential(nn.Conv2d(fine, 64, 3, stride=2, padding=1), nn.ReLU())
        self.middle = nn.Conv2d(middle, 64, 1)
        self.coarse = nn.Conv2d(coarse, 64, 1)
        self.mix = nn.Sequential(nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU())
        self.cell = nn.Conv2d(64, 1, 1)
        nn.init.constant_(self.cell.bias, -3.0)  # damage is rare among cells

    def forward_cells(self, x: torch.Tensor) -> torch.Tensor:
        """Evidence per cell, logits (N, 1, h, w)."""
        fine, middle, coarse = self.encoder(x)  # strides 8, 16, 32
        sums = self.fine(fine) + self.middle(middle)  # (N, 64, h, w)
        sums = sums + F.interpolate(self.coarse(coarse), size=sums.shape[-2:], mode="nearest")
        return self.cell(self.mix(sums))

    def pool(self, cell_logits: torch.Tensor) -> torch.Tensor:
        """Smooth maximum over the cells, logits (N, 1)."""
        flat = cell_logits.float().flatten(1) * self.SHARPNESS  # (N, h * w)
        pooled = torch.logsumexp(flat, dim=1, keepdim=True) - math.log(flat.shape[1])
        return pooled / self.SHARPNESS

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pool(self.forward_cells(x))


class GateForExport(nn.Module):
    """The gate with its sigmoid inside: float32 (N, 3, H, W) to scores (N, 1) in [0, 1]."""

    def __init__(self, network: DamageGate) -> None:
        super().__init__()
        self.network = network.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.network(x))
