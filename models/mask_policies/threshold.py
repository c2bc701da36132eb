"""threshold: a pixel belongs to the class if its own prob says so; for broad damage such as dents."""

import numpy as np

from models.structures import check_array, check_image


class ThresholdPolicy:
    """Compares every pixel with one number; the image is not looked at."""

    def __init__(self, score_threshold: float = 0.5) -> None:
        """Keep the operating point.

        Args:
            score_threshold: [0, 1]; a prob equal to it counts as damage.

        Raises:
            ValueError: outside [0, 1].
        """
        if not 0.0 <= score_threshold <= 1.0:
            raise ValueError(f"score_threshold: expected a number in [0, 1], found {score_threshold}")
        self.score_threshold = score_threshold

    def refine(self, probs: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Turn probs into masks.

        Args:
            probs: float32 (K, H, W), [0, 1], crop frame.
            image: uint8 (H, W, 3) RGB, crop frame; only its size is used.

        Returns:
            bool (K, H, W), crop frame; True where probs >= score_threshold.

        Raises:
            ContractError: wrong shape or dtype, NaN, values outside [0, 1].
        """
        check_image("image", image)
        check_array("probs", probs, (None, *image.shape[:2]), np.float32, value_range=(0.0, 1.0))
        return probs >= np.float32(self.score_threshold)
