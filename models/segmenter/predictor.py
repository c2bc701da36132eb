"""Segmenter: crops in, damage probabilities per pixel and class out.

In:   crops, uint8 (H, W, 3) RGB, any sizes. Out: float32 (3, H, W) each, scratch, dent, spacing, the crop's frame.
Must not know: mask policies, photos, files, torch.
"""

from collections.abc import Sequence

import numpy as np

from models.runtime import Runtime
from models.store import ModelCard
from models.structures import DAMAGE_CLASSES, ContractError, Letterbox, check_array, check_image, normalise_batch


class Segmenter:
    """A segmentation network with sigmoid maps over a runtime."""

    def __init__(self, runtime: Runtime, card: ModelCard) -> None:
        """Pair a network with its card.

        Raises:
            ContractError: the network's input or its classes are not the card's.
        """
        if runtime.input_hw != card.input_hw:
            raise ContractError(f"runtime.input_hw: the card says {card.input_hw}, found {runtime.input_hw}")
        if card.classes != DAMAGE_CLASSES:
            raise ContractError(f"card.classes: expected {DAMAGE_CLASSES}, found {card.classes}")
        self._runtime, self.card = runtime, card

    @property
    def input_hw(self) -> tuple[int, int]:
        """Height and width of the network's input, pixels: more pixels than these in a crop are lost."""
        return self.card.input_hw

    def predict_probs(self, crops: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Estimate where each class of damage is.

        Args:
            crops: each uint8 (H, W, 3) RGB, any sizes.

        Returns:
            One float32 (3, H, W) a crop, [0, 1], the crop's own frame.

        Raises:
            ContractError: not such images, or NaN out of the network.
        """
        if not crops:
            return []
        letterboxes = []
        for index, crop in enumerate(crops):
            check_image(f"crops[{index}]", crop)
            letterboxes.append(Letterbox(crop.shape[:2], self.card.input_hw))
        inputs = [letterbox.apply(crop) for letterbox, crop in zip(letterboxes, crops, strict=True)]
        probs_input = self._runtime.run(
            normalise_batch(inputs, self.card.normalisation_mean, self.card.normalisation_std)
        )
        expected = (len(crops), len(DAMAGE_CLASSES), *self.card.input_hw)
        check_array("segmenter probs", probs_input, expected, np.float32, value_range=(0.0, 1.0))
        return [
            # Interpolation may overshoot [0, 1] by a rounding error.
            np.clip(letterbox.undo_maps(maps), 0.0, 1.0)
            for letterbox, maps in zip(letterboxes, probs_input, strict=True)
        ]
