"""One small network for each kind of answer, seeded, its scores spread over [0, 1]."""

import numpy as np
import torch
from torch import nn

INPUT_HW = (32, 48)


def _layers(out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU6(),
        nn.Conv2d(16, 16, 3, padding=1, groups=16),
        nn.BatchNorm2d(16),
        nn.SiLU(),
        nn.Conv2d(16, 16, 3, stride=2, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, out_channels, 1),
    )


class Scores(nn.Module):
    """float32 (N, 3, H, W) to scores (N, 1), a log-sum-exp over cells, as the gate."""

    def __init__(self):
        super().__init__()
        self.layers = _layers(1)
        self.spread = nn.BatchNorm1d(1)

    def forward(self, x):
        cells = 2 * self.layers(x).float().flatten(1)
        return torch.sigmoid(self.spread(torch.logsumexp(cells, dim=1, keepdim=True)))


class Boxes(nn.Module):
    """float32 (N, 3, H, W) to (N, 5, A), boxes cxcywh of one cell each and a score, as the localizer."""

    def __init__(self):
        super().__init__()
        self.layers = _layers(5)
        ys, xs = torch.meshgrid(torch.arange(INPUT_HW[0] // 2), torch.arange(INPUT_HW[1] // 2), indexing="ij")
        self.register_buffer("grid", torch.stack([xs, ys]).flatten(1)[None].float())

    def forward(self, x):
        rows = self.layers(x).float().flatten(2)  # (N, 5, A)
        centres = 2 * (self.grid + rows[:, :2].sigmoid())
        return torch.cat([centres, 8 + 8 * rows[:, 2:4].sigmoid(), (2 * rows[:, 4:]).sigmoid()], dim=1)


class Maps(nn.Module):
    """float32 (N, 3, H, W) to probs (N, 3, H, W), as the segmenter."""

    def __init__(self):
        super().__init__()
        self.layers = _layers(3)

    def forward(self, x):
        return torch.sigmoid(2 * nn.functional.interpolate(self.layers(x).float(), scale_factor=2, mode="nearest"))


def draw_batch(photos: int, size_hw: tuple[int, int] = INPUT_HW, seed: int = 0) -> np.ndarray:
    """Blocks of colour under noise, some photos faint and some strong; float32 (N, 3, H, W)."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(photos, 3, size_hw[0] // 8, size_hw[1] // 8))
    photo = coarse.repeat(8, 2).repeat(8, 3) + rng.normal(size=(photos, 3, *size_hw)) / 2
    return (photo * rng.uniform(0.3, 1.5, (photos, 1, 1, 1))).astype(np.float32)


def settle(network: nn.Module, size_hw: tuple[int, int] = INPUT_HW) -> nn.Module:
    """Give every batch norm the statistics of its inputs: without them a fresh network answers the same to all."""
    network.train()
    with torch.no_grad():
        for seed in range(3):
            for layer in network.modules():
                if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                    layer.momentum = 0.7
            network(torch.from_numpy(draw_batch(8, size_hw, seed=100 + seed)))
    return network.eval()


def build_small(kind: str) -> nn.Module:
    """One of "scores", "boxes", "maps"."""
    torch.manual_seed({"scores": 1, "boxes": 2, "maps": 3}[kind])
    return settle({"scores": Scores, "boxes": Boxes, "maps": Maps}[kind]())
