"""Resampling by the low-pass filter [1, 3, 3, 1], as StyleGAN2 does everywhere it changes the resolution.

Shapes (N samples, C channels, H x W pixels): x float (N, C, H, W); the dtype stays, under autocast too, so that images
that are float32 are filtered in float32. Outside the image everything is 0.

Source: Zhang 2019, arXiv 1904.11486 (blur before sampling); Karras et al. 2020, arXiv 1912.04958, appendix B.
"""

import torch
from torch import nn
from torch.nn import functional as F

TAPS = (1.0, 3.0, 3.0, 1.0)


class _Fir(nn.Module):
    """The filter as a depthwise kernel; its taps sum to the gain."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        taps = torch.tensor(TAPS)
        kernel = torch.outer(taps, taps)
        self.register_buffer("kernel", (gain * kernel / kernel.sum())[None, None], persistent=False)

    def expand(self, x: torch.Tensor) -> torch.Tensor:
        return self.kernel.to(x.dtype).expand(x.shape[1], 1, -1, -1)  # (C, 1, 4, 4)


class Blur(_Fir):
    """Filter without resampling: (N, C, H, W) to (N, C, H + 2 padding − 3, W + 2 padding − 3)."""

    def __init__(self, *, padding: int, gain: float = 1.0) -> None:
        super().__init__(gain)
        self.padding = padding

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return F.conv2d(x, self.expand(x), padding=self.padding, groups=x.shape[1])


class Upsample(_Fir):
    """Zeros between the pixels, then the filter with gain 4: (N, C, H, W) to (N, C, 2H, 2W)."""

    def __init__(self) -> None:
        super().__init__(gain=4.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return F.conv_transpose2d(x, self.expand(x), stride=2, padding=1, groups=x.shape[1])


class Downsample(_Fir):
    """The filter, then every second pixel: (N, C, H, W) to (N, C, H/2, W/2)."""

    def __init__(self) -> None:
        super().__init__(gain=1.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return F.conv2d(x, self.expand(x), stride=2, padding=1, groups=x.shape[1])
