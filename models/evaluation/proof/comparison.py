"""All arms on the test: gains over the baseline, gains over the controls, the decision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.evaluation.bootstrap import Resampler
from models.evaluation.detection.matching import DetectionMatches
from models.evaluation.proof.arms import BASELINE, CONTROLS
from models.evaluation.proof.decision import ALPHA, MAX_CLASS_LOSS, Decision, decide
from models.evaluation.proof.gain import REPLICATES, PairedGain, paired_gain, pooled_seed_error
from models.evaluation.proof.ratio import ChosenRatio
from models.evaluation.proof.resampling import mean_over_classes, resample_ap
from models.structures import ContractError


@dataclass(frozen=True)
class ArmOnTest:
    """What one arm's detectors found on the test, which is opened once.

    Attributes:
        arm: its name.
        ratio: chosen on val; None for the baseline, which has none.
        matches_by_seed: one entry a seed, in the same order for all arms.
    """

    arm: str
    ratio: ChosenRatio | None
    matches_by_seed: tuple[DetectionMatches, ...]

    def __post_init__(self) -> None:
        if (self.ratio is None) != (self.arm == BASELINE):
            expected = "no ratio" if self.arm == BASELINE else "a ratio chosen on val"
            raise ContractError(f"ratio: {self.arm}: expected {expected}, found {self.ratio}")


@dataclass(frozen=True)
class JudgingRule:
    """All that the decision depends on beside the numbers; fixed before the test is opened.

    Attributes:
        class_names: of class_id 0, 1, …
        primary_class: whose average precision is the primary metric; None: the mean over classes.
        alpha: accepted chance of a false promotion.
        max_class_loss: what a class may lose.
        seed_spread: "own": each arm's noise of training from its own gains; "pooled": from all arms, which takes it as
            equal in all of them and sees more with few seeds.
    """

    class_names: tuple[str, ...]
    primary_class: str | None = None
    alpha: float = ALPHA
    max_class_loss: float = MAX_CLASS_LOSS
    seed_spread: Literal["own", "pooled"] = "own"

    def __post_init__(self) -> None:
        if self.primary_class is not None and self.primary_class not in self.class_names:
            raise ValueError(f"primary_class: expected one of {list(self.class_names)}, found {self.primary_class!r}")
        if self.seed_spread not in ("own", "pooled"):
            raise ValueError(f"seed_spread: expected own or pooled, found {self.seed_spread!r}")

    @property
    def metric_name(self) -> str:
        """The primary metric, for reports."""
        return "ap_50" if self.primary_class is None else f"ap_50 of {self.primary_class}"

    def primary_of(self, values: np.ndarray) -> np.ndarray:
        """Choose the primary metric among those of classes, float64 (…, C) to (…,)."""
        if self.primary_class is None:
            return mean_over_classes(values)
        return values[..., self.class_names.index(self.primary_class)]


@dataclass(frozen=True)
class Comparison:
    """The proof, or its absence.

    Attributes:
        gains: of the primary metric over the baseline, by arm.
        per_class: change of each class's ap_50 over the baseline, by arm; NaN without annotated boxes.
        over_controls: gains of every other arm over each control, by arm and control: what is left of a gain once
            repeating, or pasting real crops, is taken off. For reading; the decision does not use them.
        decision: by the rule.
    """

    gains: dict[str, PairedGain]
    per_class: dict[str, dict[str, float]]
    over_controls: dict[str, dict[str, PairedGain]]
    decision: Decision


def compare_arms(
    arms: Sequence[ArmOnTest],
    groups: Sequence[str],
    rule: JudgingRule,
    rng: np.random.Generator,
    *,
    replicates: int = REPLICATES,
) -> Comparison:
    """Judge all arms on the test.

    Args:
        arms: the baseline and at least one other, each once, with equal seeds, on the same photos.
        groups: of each photo; photos of one group (a scene, a car) are drawn together.
        rule: fixed beforehand.
        rng: draws.
        replicates: draws of photos.

    Raises:
        ContractError: an arm twice, no baseline, other seeds, photos or classes.
    """
    return judge_values(resample_arms(arms, groups, rule, rng, replicates=replicates), rule, rng)


def resample_arms(
    arms: Sequence[ArmOnTest],
    groups: Sequence[str],
    rule: JudgingRule,
    rng: np.random.Generator,
    *,
    replicates: int = REPLICATES,
) -> dict[str, np.ndarray]:
    """Compute each class's ap_50 of each arm and seed on the same draws of photos.

    Args:
        arms: as compare_arms.
        groups: as compare_arms.
        rule: names the classes.
        rng: draws.
        replicates: draws of photos.

    Returns:
        By arm, in the given order, float64 (S, 1 + B, C).

    Raises:
        ContractError: as compare_arms.
    """
    names = [arm.arm for arm in arms]
    if len(set(names)) != len(names) or BASELINE not in names or len(names) < 2:
        raise ContractError(f"arms: expected {BASELINE} and others, each once, found {names}")
    reference = next(arm for arm in arms if arm.arm == BASELINE).matches_by_seed
    for arm in arms:
        if not arm.matches_by_seed or len(arm.matches_by_seed) != len(reference):
            raise ContractError(f"{arm.arm}: expected {len(reference)} seeds, found {len(arm.matches_by_seed)}")
        if not np.array_equal(arm.matches_by_seed[0].gt_counts, reference[0].gt_counts):
            raise ContractError(f"{arm.arm}: expected the {BASELINE}'s photos, found other annotations")
    class_count = reference[0].gt_counts.shape[1]
    if class_count != len(rule.class_names):
        raise ContractError(f"class_names: expected {class_count} names, found {list(rule.class_names)}")
    resampler = Resampler(groups, replicates=replicates, seed=int(rng.integers(2**32)))
    return {arm.arm: resample_ap(arm.matches_by_seed, resampler) for arm in arms}


def judge_values(values: Mapping[str, np.ndarray], rule: JudgingRule, rng: np.random.Generator) -> Comparison:
    """Judge arms whose measures are resampled already.

    Args:
        values: as resample_arms returns them.
        rule: fixed beforehand.
        rng: draws the part of the seeds.
    """
    primary = {arm: rule.primary_of(v) for arm, v in values.items()}  # (S, 1 + B) each
    others = [arm for arm in values if arm != BASELINE]
    seed_error = None
    if rule.seed_spread == "pooled" and len(primary[BASELINE]) > 1:
        seed_error = pooled_seed_error(np.stack([v[:, 0] for v in primary.values()]))

    def compare(arm: str, other: str) -> PairedGain:
        return paired_gain(primary[arm], primary[other], rng, seed_error=seed_error)

    gains = {arm: compare(arm, BASELINE) for arm in others}
    per_class = {
        arm: dict(zip(rule.class_names, (values[arm] - values[BASELINE])[:, 0].mean(axis=0).tolist(), strict=True))
        for arm in others
    }
    return Comparison(
        gains,
        per_class,
        {
            arm: {control: compare(arm, control) for control in CONTROLS if control in values}
            for arm in others
            if arm not in CONTROLS
        },
        decide(
            gains,
            per_class,
            metric_name=rule.metric_name,
            alpha=rule.alpha,
            max_class_loss=rule.max_class_loss,
        ),
    )
