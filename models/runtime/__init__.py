"""An exported model as a function: arrays in, arrays out.

Must not know: what the arrays mean, photos, thresholds.
"""

from typing import Protocol

import numpy as np


class Runtime(Protocol):
    """What every runtime does; one contract suite runs over all of them."""

    @property
    def input_hw(self) -> tuple[int, int]:
        """Height and width of the network's input, pixels."""
        ...

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Run the network once.

        Args:
            batch: float32 (N, 3, H, W) of input_hw, N >= 1, normalised as the model's card says.

        Returns:
            float32 (N, …), the network's only output.
        """
        ...
