"""Worlds without any difference between the arms: the rule promotes in at most 5 % of them.

A share of W worlds is allowed three standard deviations of a binomial of 5 % above it.
"""

import numpy as np
import pytest

from models.evaluation.proof.arms import ARMS, BASELINE
from models.evaluation.proof.comparison import ArmOnTest, JudgingRule, compare_arms, judge_values
from models.evaluation.proof.null import promotion_rate_when_shuffled
from models.evaluation.proof.ratio import ChosenRatio
from tests.models.evaluation.proof.worlds import make_matches

RULE = JudgingRule(("person",), max_class_loss=1.0)
RATIO = ChosenRatio(0.2, ())


def allowed(worlds):
    return 0.05 + 3 * np.sqrt(0.05 * 0.95 / worlds)


def world(rng, *, seeds, photos, seed_noise, photo_noise, replicates=200, offsets=None):
    """By arm (S, 1 + B, 1): each photo is scored by its luck with this arm and seed, plus the luck of the training."""
    offsets = np.zeros(len(ARMS)) if offsets is None else offsets
    draws = rng.multinomial(photos, np.full(photos, 1 / photos), size=replicates)
    weights = np.concatenate([np.ones((1, photos)), draws]) / photos
    photo_luck = rng.normal(0, photo_noise, (len(ARMS), photos))  # a photo may suit an arm, whatever the seed
    values = {}
    for index, arm in enumerate(ARMS):
        training = rng.normal(offsets[index], seed_noise, (seeds, 1))
        scores = 0.5 + training + photo_luck[index] + rng.normal(0, photo_noise, (seeds, photos))
        values[arm] = (scores @ weights.T)[:, :, None]
    return values


@pytest.mark.parametrize("seed_spread", ["own", "pooled"])
@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize(
    ("seed_noise", "photo_noise"), [(0.05, 0.001), (0.0, 0.3), (0.03, 0.3)], ids=["training", "photos", "both"]
)
def test_equal_arms_are_hardly_ever_promoted(seeds, seed_noise, photo_noise, seed_spread):
    rng, worlds = np.random.default_rng(seeds), 150
    rule = JudgingRule(("person",), max_class_loss=1.0, seed_spread=seed_spread)
    promoted = 0
    for _ in range(worlds):
        values = world(rng, seeds=seeds, photos=40, seed_noise=seed_noise, photo_noise=photo_noise)
        promoted += judge_values(values, rule, rng).decision.promoted_arm is not None
    assert promoted / worlds <= allowed(worlds)


def test_equal_detectors_are_hardly_ever_promoted():
    rng, worlds = np.random.default_rng(1), 80
    promoted = 0
    for _ in range(worlds):
        suits = rng.normal(0, 0.2, 20)  # some photos are easy for all
        arms = [
            ArmOnTest(
                arm,
                None if arm == BASELINE else RATIO,
                tuple(
                    make_matches(rng, photos=20, quality=0.6 + rng.normal(0, 0.05), photo_effect=suits)
                    for _ in range(3)
                ),
            )
            for arm in ARMS[:4]
        ]
        found = compare_arms(arms, [str(i) for i in range(20)], RULE, rng, replicates=200)
        promoted += found.decision.promoted_arm is not None
    assert promoted / worlds <= allowed(worlds)


def test_shuffled_labels_are_hardly_ever_promoted_even_where_an_arm_is_better():
    rng = np.random.default_rng(2)
    offsets = np.array([0.0, 0.0, 0.0, 0.0, 0.3, 0.0])
    values = world(rng, seeds=5, photos=60, seed_noise=0.01, photo_noise=0.1, offsets=offsets)
    assert judge_values(values, RULE, rng).decision.promoted_arm == ARMS[4]
    assert promotion_rate_when_shuffled(values, RULE, rng, shuffles=300) <= allowed(300)


def test_classes_veto_does_not_help_to_pass():
    # Each arm is one seed's winner in turn: shuffling can hand one arm all the wins.
    rng = np.random.default_rng(3)
    wins = np.array([[0.4, 0.0], [0.4, 0.0]])
    noise = rng.normal(0, 1e-3, 51)
    values = {arm: 0.5 + wins[:, i][:, None, None] + (noise * (i + 1))[None, :, None] for i, arm in enumerate(ARMS[:2])}
    values = {arm: np.concatenate([v, 0.9 - v], axis=2) for arm, v in values.items()}  # what one class wins, one loses
    rule = JudgingRule(("person", "forklift"), primary_class="person")
    promoted = promotion_rate_when_shuffled(values, rule, rng, shuffles=200)
    assert promoted == pytest.approx(0.25, abs=0.1)  # both wins on the second arm: one deal in four, and no veto


def test_no_shuffle_is_refused():
    with pytest.raises(ValueError, match="shuffles"):
        promotion_rate_when_shuffled({}, RULE, np.random.default_rng(0), shuffles=0)
