"""Gate: crops in, one damage score each out.

In:   crops, uint8 (H, W, 3) RGB, any sizes. Out: float32 (N,), 1 = damaged.
Must not know: the threshold that ends the path, photos, files, torch.
"""

from collections.abc import Sequence

import numpy as np

from models.runtime import Runtime
from models.store import ModelCard
from models.structures import ContractError, Letterbox, check_array, check_image, normalise_batch


class Gate:
    """A global damage classifier over a runtime."""

    def __init__(self, runtime: Runtime, card: ModelCard) -> None:
        """Pair a network with its card.

        Raises:
            ContractError: the network's input is not the card's.
        """
        if runtime.input_hw != card.input_hw:
            raise ContractError(f"runtime.input_hw: the card says {card.input_hw}, found {runtime.input_hw}")
        self._runtime, self.card = runtime, card

    def predict_scores(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        """Score crops.

        Args:
            crops: each uint8 (H, W, 3) RGB, any sizes.

        Returns:
            float32 (N,), [0, 1], 1 = damaged.

        Raises:
            ContractError: not such images, or NaN out of the network.
        """
        if not crops:
            return np.zeros(0, np.float32)
        inputs = []
        for index, crop in enumerate(crops):
            check_image(f"crops[{index}]", crop)
            inputs.append(Letterbox(crop.shape[:2], self.card.input_hw).apply(crop))
        scores = self._runtime.run(normalise_batch(inputs, self.card.normalisation_mean, self.card.normalisation_std))
        check_array("gate scores", scores, (len(crops), 1), np.float32, value_range=(0.0, 1.0))
        return scores[:, 0]
