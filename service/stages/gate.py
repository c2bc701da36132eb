"""gate: a light look at the whole crop; undamaged photos end here.

In:   crops, each uint8 (h, w, 3) RGB, crop frame. Out: damage scores, float32 (N,), [0, 1].
Must not know: which network scores.
"""

from collections.abc import Sequence

import numpy as np

from models.gate.predictor import Gate
from models.structures import check_array


def score_crops(crops: Sequence[np.ndarray], gate: Gate) -> np.ndarray:
    """Score how surely each crop shows damage.

    Args:
        crops: each uint8 (h, w, 3) RGB, crop frame.
        gate: the global damage classifier.

    Returns:
        float32 (N,), [0, 1]; 1 = damaged.

    Raises:
        ContractError: the network returned NaN or anything outside [0, 1].
    """
    scores = gate.predict_scores(crops)
    check_array("scores", scores, (len(crops),), np.float32, value_range=(0, 1))
    return scores
