"""SGD's rate over a run."""

from models.training.sr_rcnn.options import DROP_SHARES

WARMUP_START = 0.001


def rate_factor(step: int, iterations: int, *, warmup_iterations: int = 0) -> float:
    """Share of the full rate at a step: a linear rise while warming up, a tenth from 16/26 and a hundredth from 22/26.

    Args:
        step: steps done, below iterations.
        iterations: of the whole run.
        warmup_iterations: 0: none.
    """
    drops = sum(step >= share * iterations for share in DROP_SHARES)
    warmth = 1.0 if step >= warmup_iterations else WARMUP_START + (1 - WARMUP_START) * step / warmup_iterations
    return warmth * 0.1**drops
