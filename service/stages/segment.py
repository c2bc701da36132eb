"""segment: where each class of damage is.

In:   crops, each uint8 (h, w, 3) RGB, crop frame. Out: probs, each float32 (3, h, w), [0, 1]: scratch, dent, spacing.
Must not know: which networks these are, what becomes of the probs.
"""

from collections.abc import Sequence

import numpy as np

from models.segmenter.predictor import Segmenter
from models.sr_rcnn.predictor import Finder
from models.structures import DAMAGE_CLASSES, ContractError, check_array


def segment_crops(
    crops: Sequence[np.ndarray], segmenter: Segmenter | None, finder: Finder | None = None
) -> list[np.ndarray]:
    """Map every class on every crop; where both networks are given, the larger of their probs counts.

    Args:
        crops: each uint8 (h, w, 3) RGB, crop frame.
        segmenter: the U-Net, or None.
        finder: the detector, or None; one of the two there must be.

    Returns:
        A map a crop, float32 (3, h, w), [0, 1], crop frame.

    Raises:
        ContractError: a network returned NaN or anything outside [0, 1], or there is none.
    """
    maps = []
    if segmenter is not None:
        maps.append(_check_maps(crops, segmenter.predict_probs(crops)))
    if finder is not None:
        maps.append(_check_maps(crops, finder.find_damages(crops)))
    if not maps:
        raise ContractError("segment_crops: expected a segmenter, a finder or both, found none")
    return maps[0] if len(maps) == 1 else [np.maximum(*own) for own in zip(*maps, strict=True)]


def _check_maps(crops: Sequence[np.ndarray], maps: list[np.ndarray]) -> list[np.ndarray]:
    for crop, probs in zip(crops, maps, strict=True):
        check_array("probs", probs, (len(DAMAGE_CLASSES), *crop.shape[:2]), np.float32, value_range=(0, 1))
    return maps
