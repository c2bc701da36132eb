"""DamageMapper: where damages are, by the segmenter, the finder or both.

In:   crops, uint8 (H, W, 3) RGB, any sizes. Out: float32 (3, H, W) each, scratch, dent, spacing, the crop's frame.
Must not know: mask policies, photos, files, torch.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from models.segmenter.predictor import Segmenter
from models.sr_rcnn.predictor import Finder

FINDER_USES: Final = ("off", "beside", "instead")
"""Off; beside: the finder adds small damages to what the segmenter sees; instead: the finder alone, every size."""


class DamageMapper:
    """One or two networks that map damages, asked as one."""

    def __init__(self, *networks: Segmenter | Finder) -> None:
        """Join networks.

        Args:
            networks: at least one.

        Raises:
            ValueError: none.
        """
        if not networks:
            raise ValueError("networks: expected a segmenter, a finder or both, found none")
        self._networks = networks
        heights, widths = zip(*(network.input_hw for network in networks), strict=True)
        self.input_hw: Final = max(heights), max(widths)
        """Height and width, pixels: more than these in a crop are lost to every network."""

    def predict_probs(self, crops: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Map every class on every crop; where both networks are given, the larger of their probs counts.

        Args:
            crops: each uint8 (H, W, 3) RGB, any sizes.

        Returns:
            One float32 (3, H, W) a crop, [0, 1], the crop's own frame.

        Raises:
            ContractError: not such images, or a network's answer that is none.
        """
        first, *others = (network.predict_probs(crops) for network in self._networks)
        for other in others:
            first = [np.maximum(*both) for both in zip(first, other, strict=True)]
        return first
