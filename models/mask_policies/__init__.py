"""Mask policies: from the probs of one class to its mask, given the crop they belong to.

In:   probs, float32 (K, H, W), [0, 1], crop frame: K maps of the same crop; image, uint8 (H, W, 3) RGB, crop frame.
Out:  masks, bool (K, H, W), crop frame.
Must not know: which network made the probs, which class a map is of.
"""

import inspect
from typing import Final, Protocol

import numpy as np

from models.mask_policies.crf import DenseCrfPolicy
from models.mask_policies.threshold import ThresholdPolicy

__all__ = ["MASK_POLICIES", "DenseCrfPolicy", "MaskPolicy", "ThresholdPolicy", "build_mask_policy"]


class MaskPolicy(Protocol):
    """Decides which pixels of a crop belong to a class."""

    def refine(self, probs: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Turn probs into masks; each map is decided on its own, none of the arguments is modified.

        Args:
            probs: float32 (K, H, W), [0, 1], crop frame; K maps of the same crop, K may be 0.
            image: uint8 (H, W, 3) RGB, crop frame, at least one pixel.

        Returns:
            bool (K, H, W), crop frame; True = the class is there.

        Raises:
            ContractError: wrong shape or dtype, NaN, values outside [0, 1].
        """
        ...


MASK_POLICIES: Final[dict[str, type[MaskPolicy]]] = {"threshold": ThresholdPolicy, "crf": DenseCrfPolicy}
"""The name a model card uses → the policy."""


def build_mask_policy(name: str, **parameters: float | int | None) -> MaskPolicy:
    """Build the policy that a model card names.

    Args:
        name: a key of MASK_POLICIES.
        **parameters: arguments of that policy's constructor; the others keep their defaults.

    Raises:
        ValueError: unknown name, unknown parameter or a value out of bounds; says what is expected.
    """
    if name not in MASK_POLICIES:
        raise ValueError(f"mask policy: expected one of {', '.join(MASK_POLICIES)}, found {name!r}")
    policy = MASK_POLICIES[name]
    expected = list(inspect.signature(policy).parameters)
    unknown = sorted(set(parameters) - set(expected))
    if unknown:
        raise ValueError(f"mask policy {name}: expected parameters {', '.join(expected)}, found {', '.join(unknown)}")
    return policy(**parameters)
