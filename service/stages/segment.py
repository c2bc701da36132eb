"""segment: where each class of damage is.

In:   crops, each uint8 (h, w, 3) RGB, crop frame. Out: probs, each float32 (3, h, w), [0, 1]: scratch, dent, spacing.
Must not know: which networks these are, what becomes of the probs.
"""

from collections.abc import Sequence

import numpy as np

from models.damage_mapper import DamageMapper
from models.structures import DAMAGE_CLASSES, check_array


def segment_crops(crops: Sequence[np.ndarray], mapper: DamageMapper) -> list[np.ndarray]:
    """Map every class on every crop.

    Args:
        crops: each uint8 (h, w, 3) RGB, crop frame.
        mapper: the networks.

    Returns:
        A map a crop, float32 (3, h, w), [0, 1], crop frame.

    Raises:
        ContractError: a network returned NaN or anything outside [0, 1].
    """
    maps = mapper.predict_probs(crops)
    for crop, probs in zip(crops, maps, strict=True):
        check_array("probs", probs, (len(DAMAGE_CLASSES), *crop.shape[:2]), np.float32, value_range=(0, 1))
    return maps
