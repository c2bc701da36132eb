"""segment: where each class of damage is.

In:   crops, each uint8 (h, w, 3) RGB, crop frame. Out: probs, each float32 (3, h, w), [0, 1]: scratch, dent, spacing.
Must not know: which network segments, what becomes of the probs.
"""

from collections.abc import Sequence

import numpy as np

from models.segmenter.predictor import Segmenter
from models.structures import DAMAGE_CLASSES, check_array


def segment_crops(crops: Sequence[np.ndarray], segmenter: Segmenter) -> list[np.ndarray]:
    """Map every class on every crop.

    Args:
        crops: each uint8 (h, w, 3) RGB, crop frame.
        segmenter: the U-Net.

    Returns:
        A map a crop, float32 (3, h, w), [0, 1], crop frame.

    Raises:
        ContractError: the network returned NaN or anything outside [0, 1].
    """
    maps = segmenter.predict_probs(crops)
    for crop, probs in zip(crops, maps, strict=True):
        check_array("probs", probs, (len(DAMAGE_CLASSES), *crop.shape[:2]), np.float32, value_range=(0, 1))
    return maps
