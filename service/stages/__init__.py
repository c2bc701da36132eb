"""The stages, in the order a photo meets them: pure functions, arrays in, arrays out.

Must not know: messages, storage, settings, metrics.
"""

from typing import Final

STAGES: Final[tuple[str, ...]] = ("decode", "localize", "gate", "segment", "refine", "describe")
