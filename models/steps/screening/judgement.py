"""Both error rates of a screen on labelled images, with their intervals.

Source: SEEDS B3 (which has no false-reject rate; here always both). Wilson 1927, Probable inference, the law of
succession, and statistical inference (score interval).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np

from models.structures import ContractError, check_array

Screen = Callable[[np.ndarray], np.ndarray]
"""Images, uint8 (N, H, W, 3), to bool (N,), True = rejected."""


@dataclass(frozen=True)
class Rate:
    """A share of images with its 95 % interval.

    Attributes:
        count: images that count.
        total: images that could.
        value: count / total; None where total is 0, as the edges are.
        low: lower edge.
        high: upper edge.
    """

    count: int
    total: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Judgement:
    """How a screen errs.

    Attributes:
        false_accept: broken images that it keeps, of the broken.
        false_reject: good images that it throws away, of the good.
        broken_among_kept: broken images among those that it keeps, of the kept: what the source reports.
    """

    false_accept: Rate
    false_reject: Rate
    broken_among_kept: Rate


def judge(screen: Screen, images: np.ndarray, is_broken: np.ndarray, *, batch_size: int = 256) -> Judgement:
    """Run a screen over labelled images and count its errors.

    Args:
        screen: rejects or keeps.
        images: uint8 (N, H, W, 3) RGB.
        is_broken: bool (N,), the truth.
        batch_size: images a call.

    Raises:
        ContractError: arrays of another shape or dtype, the screen's answer included.
    """
    check_array("images", images, (None, None, None, 3), np.uint8)
    check_array("is_broken", is_broken, (len(images),), np.bool_)
    is_rejected = np.zeros(len(images), bool)
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        answer = screen(batch)
        check_array("screen's answer", answer, (len(batch),), np.bool_)
        is_rejected[start : start + batch_size] = answer
    return judge_verdicts(is_rejected, is_broken)


def judge_verdicts(is_rejected: np.ndarray, is_broken: np.ndarray) -> Judgement:
    """Count the errors of verdicts, bool (N,), against the truth, bool (N,)."""
    check_array("is_rejected", is_rejected, (None,), np.bool_)
    check_array("is_broken", is_broken, is_rejected.shape, np.bool_)
    kept_broken = int((~is_rejected & is_broken).sum())
    return Judgement(
        wilson_rate(kept_broken, int(is_broken.sum())),
        wilson_rate(int((is_rejected & ~is_broken).sum()), int((~is_broken).sum())),
        wilson_rate(kept_broken, int((~is_rejected).sum())),
    )


def wilson_rate(count: int, total: int, *, confidence: float = 0.95) -> Rate:
    """Estimate a share.

    Args:
        count: 0 to total.
        total: 0 or more.
        confidence: of the interval, (0, 1).

    Raises:
        ContractError: count out of range.
    """
    if not 0 <= count <= total:
        raise ContractError(f"count: expected 0 to total = {total}, found {count}")
    if total == 0:
        return Rate(0, 0, None, None, None)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, factor = count / total, 1 + z * z / total
    centre = (share + z * z / (2 * total)) / factor
    spread = z / factor * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    # At the ends of the range the edges are the range's, up to rounding.
    low, high = 0.0 if count == 0 else centre - spread, 1.0 if count == total else centre + spread
    return Rate(count, total, share, low, high)
