"""The one rule by which an arm replaces the incumbent, and its reasons in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.evaluation.proof.arms import BASELINE
from models.evaluation.proof.gain import PairedGain
from models.evaluation.proof.holm import holm, holm_counts

ALPHA: Final = 0.05
MAX_CLASS_LOSS: Final = 0.005
"""Half a point of average precision."""
_ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class ArmVerdict:
    """What the rule says of one arm.

    Attributes:
        arm: its name.
        gain: of the primary metric over the baseline.
        p_adjusted: by Holm, over all arms.
        interval_adjusted: of the gain, at the level that Holm leaves to this arm; None where there is none.
        is_proven: p_adjusted is small enough and the interval lies above 0.
        class_losses: classes that lose more than allowed, with their change, below 0.
        reason: one sentence.
    """

    arm: str
    gain: PairedGain
    p_adjusted: float
    interval_adjusted: tuple[float, float] | None
    is_proven: bool
    class_losses: dict[str, float]
    reason: str

    @property
    def is_promotable(self) -> bool:
        """Proven, and no class pays for it."""
        return self.is_proven and not self.class_losses


@dataclass(frozen=True)
class Decision:
    """Which detector serves from now on.

    Attributes:
        promoted_arm: None: the incumbent stays.
        verdicts: of every arm, in the given order.
        reasons: sentences for a person: the decision first, then an arm each.
    """

    promoted_arm: str | None
    verdicts: tuple[ArmVerdict, ...]
    reasons: tuple[str, ...]


def decide(
    primary: Mapping[str, PairedGain],
    per_class: Mapping[str, Mapping[str, float]],
    *,
    metric_name: str = "ap_50",
    alpha: float = ALPHA,
    max_class_loss: float = MAX_CLASS_LOSS,
) -> Decision:
    """Promote the arm with the greatest gain among those proven that cost no class too much; else keep the incumbent.

    Args:
        primary: gain of every arm over the baseline, the baseline left out; of equal gains the first arm is promoted,
            so simple arms come first.
        per_class: of every arm, change of each class's metric, mean over seeds; NaN for a class that the test has no
            annotated box of, which is left out.
        metric_name: for the sentences.
        alpha: chance of a false promotion that is accepted, over all arms.
        max_class_loss: what a class may lose, 0.01 being a point; this much exactly is allowed.

    Raises:
        ValueError: no arm, or an arm in one argument only.
    """
    if not primary or set(primary) != set(per_class):
        raise ValueError(f"per_class: expected the arms {sorted(primary)}, at least one, found {sorted(per_class)}")
    p_values = {arm: gain.p_value for arm, gain in primary.items()}
    adjusted, counts = holm(p_values), holm_counts(p_values)
    verdicts = []
    for arm, gain in primary.items():
        interval = gain.interval(1 - alpha / counts[arm])
        is_proven = interval is not None and interval[0] > 0 and gain.value > 0 and adjusted[arm] <= alpha
        losses = {
            name: change for name, change in per_class[arm].items() if change < -max_class_loss - _ROUNDING
        }  # NaN is below nothing
        reason = _explain(arm, gain, adjusted[arm], is_proven, losses, metric_name, max_class_loss)
        verdicts.append(ArmVerdict(arm, gain, adjusted[arm], interval, is_proven, losses, reason))
    promotable = [v for v in verdicts if v.is_promotable]
    if promotable:
        chosen = max(promotable, key=lambda v: v.gain.value)
        headline = f"Promoted {chosen.arm}: {_points(chosen.gain.value)} of {metric_name} over the {BASELINE}, proven."
    elif any(v.is_proven for v in verdicts):
        headline = "Kept the incumbent: every arm whose gain is proven costs a class more than is allowed."
    else:
        headline = f"Kept the incumbent: no arm's gain of {metric_name} is proven."
    return Decision(
        chosen.arm if promotable else None, tuple(verdicts), (headline, *(verdict.reason for verdict in verdicts))
    )


def _explain(
    arm: str,
    gain: PairedGain,
    p_adjusted: float,
    is_proven: bool,
    losses: Mapping[str, float],
    metric_name: str,
    max_class_loss: float,
) -> str:
    sentence = f"{arm}: {_points(gain.value)} of {metric_name}"
    if gain.seeds < 2:
        sentence += " with one seed, which does not show how much training alone varies: not proven"
    elif gain.low is None or gain.high is None:
        sentence += " on photos that all say the same, which does not show how much photos vary: not proven"
    else:
        interval = f"95 % interval {100 * gain.low:+.2f} to {100 * gain.high:+.2f}"
        verdict = "proven" if is_proven else "not proven"
        sentence += f" ({interval}, Holm p {p_adjusted:.3g}, {gain.seeds} seeds): {verdict}"
    for name, change in losses.items():
        sentence += f"; {name} changes by {_points(change)}, at most -{100 * max_class_loss:.2g} is allowed"
    return sentence + "."


def _points(change: float) -> str:
    return f"{100 * change:+.2f} points" if np.isfinite(change) else "an unknown number of points"
