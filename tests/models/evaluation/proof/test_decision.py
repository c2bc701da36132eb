import numpy as np
import pytest

from models.evaluation.proof.decision import decide
from models.evaluation.proof.gain import PairedGain


def gain(value, *, spread=0.004, seeds=3):
    """A gain whose draws are normal around it, by quantiles."""
    draws = value + spread * np.random.default_rng(0).normal(size=4000)
    p_value = 2 * (1 + min((draws <= 0).sum(), (draws >= 0).sum())) / 4001
    return PairedGain(value, *np.quantile(draws, [0.025, 0.975]), min(p_value, 1.0), seeds, draws)


def unchanged(*arms, **changes):
    return {arm: {"person": 0.0, "forklift": 0.0, **changes.get(arm, {})} for arm in arms}


def test_arm_with_a_proven_gain_is_promoted():
    decision = decide({"repeat": gain(0.001), "gan": gain(0.03)}, unchanged("repeat", "gan"))
    assert decision.promoted_arm == "gan"
    assert [v.is_proven for v in decision.verdicts] == [False, True]
    assert decision.reasons[0] == "Promoted gan: +3.00 points of ap_50 over the baseline, proven."
    assert decision.reasons[1].startswith("repeat: +0.10 points of ap_50 (95 % interval -0.6")
    assert decision.reasons[1].endswith("3 seeds): not proven.")


def test_of_several_proven_arms_the_greatest_gain_is_promoted():
    assert decide({"a": gain(0.03), "b": gain(0.05)}, unchanged("a", "b")).promoted_arm == "b"


def test_of_equal_gains_the_first_arm_is_promoted():
    assert decide({"simple": gain(0.03), "clever": gain(0.03)}, unchanged("simple", "clever")).promoted_arm == "simple"


def test_tie_with_the_baseline_keeps_the_incumbent():
    for tie in (gain(0.0), PairedGain(0.0, None, None, 1.0, 3, np.zeros(0))):
        decision = decide({"gan": tie}, unchanged("gan"))
        assert decision.promoted_arm is None
        assert decision.reasons[0] == "Kept the incumbent: no arm's gain of ap_50 is proven."


def test_proven_loss_keeps_the_incumbent():
    assert decide({"gan": gain(-0.05)}, unchanged("gan")).promoted_arm is None


@pytest.mark.parametrize(("change", "is_promoted"), [(-0.006, False), (-0.005, True), (-0.0051, False), (0.1, True)])
def test_class_that_loses_more_than_half_a_point_blocks(change, is_promoted):
    decision = decide({"gan": gain(0.03)}, unchanged("gan", gan={"forklift": change}))
    assert (decision.promoted_arm == "gan") == is_promoted
    if not is_promoted:
        assert decision.verdicts[0].class_losses == {"forklift": change}
        assert "costs a class more" in decision.reasons[0]
        assert f"forklift changes by {100 * change:+.2f} points, at most -0.5 is allowed" in decision.reasons[1]


def test_blocked_arm_leaves_the_place_to_the_next():
    decision = decide({"a": gain(0.03), "b": gain(0.05)}, unchanged("a", "b", b={"person": -0.02}))
    assert decision.promoted_arm == "a"


def test_class_without_truth_blocks_nothing():
    assert decide({"gan": gain(0.03)}, {"gan": {"person": 0.03, "face": float("nan")}}).promoted_arm == "gan"


def test_gain_proven_alone_is_not_among_many():
    lucky = gain(0.0105, spread=0.005)  # p about .036
    assert 0.02 < lucky.p_value < 0.05
    assert decide({"gan": lucky}, unchanged("gan")).promoted_arm == "gan"
    many = {"gan": lucky, "a": gain(0.0, spread=0.005), "b": gain(0.001, spread=0.005)}
    decision = decide(many, unchanged(*many))
    assert decision.promoted_arm is None
    assert decision.verdicts[0].p_adjusted == pytest.approx(3 * lucky.p_value)
    assert decision.verdicts[0].interval_adjusted[0] < 0 < decision.verdicts[0].gain.low


def test_arm_behind_one_that_failed_fails_too():
    # Alone at its step the second would pass; Holm stops at the first.
    first, second = gain(0.0108, spread=0.005), gain(0.0105, spread=0.005)
    assert 0.025 < first.p_value < second.p_value < 0.05
    decision = decide({"a": first, "b": second}, unchanged("a", "b"))
    assert decision.verdicts[1].interval_adjusted[0] > 0
    assert decision.promoted_arm is None


def test_one_seed_is_no_proof():
    decision = decide({"gan": PairedGain(0.2, None, None, 1.0, 1, np.zeros(0))}, unchanged("gan"))
    assert decision.promoted_arm is None
    assert "one seed" in decision.reasons[1]


def test_arms_must_be_the_same_in_both():
    for primary, per_class in (({}, {}), ({"gan": gain(0.1)}, unchanged("other"))):
        with pytest.raises(ValueError, match="per_class"):
            decide(primary, per_class)
