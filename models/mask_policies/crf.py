"""crf: placeholder while being written."""

import numpy as np

from models.structures import check_array, check_image


class DenseCrfPolicy:
    def __init__(self, score_threshold: float = 0.5) -> None:
        self.score_threshold = score_threshold

    def refine(self, probs: np.ndarray, image: np.ndarray) -> np.ndarray:
        check_image("image", image)
        check_array("probs", probs, (None, *image.shape[:2]), np.float32, value_range=(0.0, 1.0))
        return probs >= np.float32(self.score_threshold)
