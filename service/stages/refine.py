"""refine: probs become masks, each class by its own mask policy.

In:   probs, float32 (3, h, w), [0, 1], and the crop, uint8 (h, w, 3) RGB. Out: masks, bool (3, h, w), crop frame.
Must not know: which network made the probs.
"""

from collections.abc import Sequence

import numpy as np

from models.mask_policies import MaskPolicy
from models.structures import DAMAGE_CLASSES, check_array


def refine_masks(probs: np.ndarray, crop: np.ndarray, policies: Sequence[MaskPolicy]) -> np.ndarray:
    """Turn one crop's probs into masks.

    Classes that share a policy object are refined in one call, so that what the policy works out of the picture is
    worked out once.

    Args:
        probs: float32 (3, h, w), [0, 1], crop frame.
        crop: uint8 (h, w, 3) RGB, crop frame.
        policies: one a class, in the order of DAMAGE_CLASSES.

    Returns:
        bool (3, h, w), crop frame; True = damaged.

    Raises:
        ContractError: wrong shape, dtype or range.
    """
    check_array("probs", probs, (len(DAMAGE_CLASSES), *crop.shape[:2]), np.float32, value_range=(0, 1))
    masks = np.zeros(probs.shape, bool)
    for policy in dict.fromkeys(policies):
        channels = [channel for channel, own in enumerate(policies) if own is policy]
        masks[channels] = policy.refine(probs[channels], crop)
    return masks
