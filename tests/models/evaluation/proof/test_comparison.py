import numpy as np
import pytest

from models.evaluation.proof.arms import BASELINE, GAN_SCREENED, REAL_CROP_PASTE, REPEAT
from models.evaluation.proof.comparison import ArmOnTest, JudgingRule, compare_arms, judge_values
from models.evaluation.proof.gain import paired_bootstrap
from models.evaluation.proof.ratio import ChosenRatio
from models.structures import ContractError
from tests.models.evaluation.proof.worlds import ap_of_copies, make_matches

PHOTOS = 60
GROUPS = [str(i) for i in range(PHOTOS)]
RULE = JudgingRule(("person", "forklift"))
RATIO = ChosenRatio(0.2, ())


def make_arm(name, rng, *, quality, seeds=4):
    matches = tuple(make_matches(rng, photos=PHOTOS, quality=quality, class_count=2) for _ in range(seeds))
    return ArmOnTest(name, None if name == BASELINE else RATIO, matches)


def make_arms(seed=0, **qualities):
    rng = np.random.default_rng(seed)
    return [make_arm(name, rng, quality=quality) for name, quality in qualities.items()]


def test_large_true_gain_is_promoted_and_measured_against_the_controls():
    arms = make_arms(baseline=0.5, repeat=0.5, real_crop_paste=0.5, gan_screened=0.85)
    found = compare_arms(arms, GROUPS, RULE, np.random.default_rng(1), replicates=400)
    assert found.decision.promoted_arm == GAN_SCREENED
    assert list(found.gains) == [REPEAT, REAL_CROP_PASTE, GAN_SCREENED]
    assert found.over_controls.keys() == {GAN_SCREENED}
    assert found.over_controls[GAN_SCREENED][REAL_CROP_PASTE].low > 0


def test_numbers_are_those_of_two_arms_alone():
    arms = make_arms(baseline=0.5, repeat=0.6)
    found = compare_arms(arms, GROUPS, RULE, np.random.default_rng(2), replicates=50)
    alone = paired_bootstrap(
        arms[1].matches_by_seed, arms[0].matches_by_seed, GROUPS, np.random.default_rng(2), replicates=50
    )
    assert found.gains[REPEAT] == alone
    changes = [
        np.mean(
            [
                ap_of_copies(a, range(PHOTOS), c) - ap_of_copies(b, range(PHOTOS), c)
                for a, b in zip(arms[1].matches_by_seed, arms[0].matches_by_seed, strict=True)
            ]
        )
        for c in range(2)
    ]
    assert list(found.per_class[REPEAT].values()) == pytest.approx(changes)


def test_primary_metric_may_be_one_class():
    arms = make_arms(baseline=0.5, gan_screened=(0.5, 0.9))
    rule = JudgingRule(("person", "forklift"), primary_class="forklift")
    found = compare_arms(arms, GROUPS, rule, np.random.default_rng(3), replicates=50)
    assert found.gains[GAN_SCREENED].value == pytest.approx(found.per_class[GAN_SCREENED]["forklift"])
    assert "points of ap_50 of forklift" in found.decision.reasons[1]


def test_loss_of_the_other_class_keeps_the_incumbent():
    arms = make_arms(baseline=0.5, gan_screened=(0.3, 0.95))
    rule = JudgingRule(("person", "forklift"), primary_class="forklift")
    found = compare_arms(arms, GROUPS, rule, np.random.default_rng(4), replicates=400)
    assert found.decision.verdicts[0].is_proven
    assert found.decision.promoted_arm is None
    assert found.decision.verdicts[0].class_losses.keys() == {"person"}


def test_same_seed_gives_the_same_answer():
    arms = make_arms(baseline=0.5, repeat=0.6)
    one, two = (compare_arms(arms, GROUPS, RULE, np.random.default_rng(5), replicates=40) for _ in range(2))
    assert one == two


def test_pooled_spread_of_seeds_sees_more_with_few_of_them():
    rng = np.random.default_rng(6)
    values = {name: 0.5 + rng.normal(0, 0.01, (3, 1, 1)) + rng.normal(0, 1e-4, (1, 401, 2)) for name in "abcde"}
    values = {BASELINE: values.pop("a"), **values}
    own, pooled = (
        judge_values(values, JudgingRule(("x", "y"), seed_spread=spread), np.random.default_rng(7)).gains
        for spread in ("own", "pooled")
    )
    widths = [np.mean([g.high - g.low for g in gains.values()]) for gains in (own, pooled)]
    assert widths[1] < 0.8 * widths[0]


def test_test_is_opened_once_an_arm():
    arms = make_arms(baseline=0.5, repeat=0.6)
    for wrong in ([*arms, arms[1]], arms[1:], arms[:1]):
        with pytest.raises(ContractError, match="arms: expected baseline and others, each once"):
            compare_arms(wrong, GROUPS, RULE, np.random.default_rng(8))


def test_arm_enters_the_test_with_a_ratio_chosen_on_val():
    with pytest.raises(ContractError, match="repeat: expected a ratio chosen on val"):
        ArmOnTest(REPEAT, None, ())
    with pytest.raises(ContractError, match="baseline: expected no ratio"):
        ArmOnTest(BASELINE, RATIO, ())


def test_arms_that_cannot_be_compared_are_refused():
    rng = np.random.default_rng(9)
    arms = make_arms(baseline=0.5, repeat=0.6)
    fewer = make_arm(GAN_SCREENED, rng, quality=0.5, seeds=2)
    with pytest.raises(ContractError, match="gan_screened: expected 4 seeds, found 2"):
        compare_arms([*arms, fewer], GROUPS, RULE, rng)
    matches = tuple(make_matches(rng, photos=PHOTOS, gt=1, class_count=2) for _ in range(4))
    with pytest.raises(ContractError, match="gan_screened: expected the baseline's photos"):
        compare_arms([*arms, ArmOnTest(GAN_SCREENED, RATIO, matches)], GROUPS, RULE, rng)
    with pytest.raises(ContractError, match="class_names: expected 2 names"):
        compare_arms(arms, GROUPS, JudgingRule(("person",)), rng)


def test_rule_names_a_wrong_option():
    with pytest.raises(ValueError, match="primary_class"):
        JudgingRule(("person",), primary_class="car")
    with pytest.raises(ValueError, match="seed_spread"):
        JudgingRule(("person",), seed_spread="none")
