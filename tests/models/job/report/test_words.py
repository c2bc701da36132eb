import pytest

pytest.importorskip("torch", reason="the job needs vehicle-damage[train]")

from models.job.report.words import explain_decision


def decide(*, promoted=None, p_adjusted=0.4, **gain):
    """A report of two arms, the second with a gain."""
    nothing = {"value": -0.01, "low": -0.02, "high": 0.0, "p_value": 0.2, "seeds": 3}
    return {
        "class_name": "person",
        "decision": {"promoted_arm": promoted, "metric": "ap_50 of person", "test_photos": 84},
        "detector": {"seeds": list(range(gain.get("seeds", 3)))},
        "arms": {
            "baseline": {"gain": None, "p_adjusted": None},
            "repeat": {"gain": nothing, "p_adjusted": 1.0},
            "gan_screened": {"gain": {"p_value": 0.1, "seeds": 3, **gain}, "p_adjusted": p_adjusted},
        },
    }


@pytest.mark.parametrize(
    ("report", "evidence"),
    [
        (decide(value=0.009, low=-0.004, high=0.021), "-0.40 to +2.10 points: it holds 0, so that"),
        (decide(value=-0.002, low=-0.004, high=-0.001), "-0.40 to -0.10 points: below 0."),
        (decide(value=0.02, low=0.001, high=0.04, p_adjusted=0.08), "p = 0.08. The rule asks for more than that"),
        (decide(value=0.03, low=None, high=None, seeds=1), "one detector was trained per arm. One detector"),
        (decide(value=0.0, low=None, high=None), "Every draw of the test photos says the same"),
    ],
)  # fmt: skip
def test_kept_incumbent_says_what_the_interval_means(report, evidence):
    meaning, told = explain_decision(report)
    assert meaning.startswith("The detector in service stays")
    assert "The arm with the greatest gain, GAN, screened, changed ap_50 of person by" in told
    assert evidence in told


def test_promoted_arm_is_named_though_another_gains_more():
    report = decide(promoted="gan_screened", value=0.02, low=0.01, high=0.03, p_adjusted=0.001)
    report["arms"]["repeat"]["gain"] = {"value": 0.5, "low": None, "high": None, "p_value": 1, "seeds": 1}
    meaning, told = explain_decision(report)
    assert "(GAN, screened) replaces the one in service" in meaning
    assert "by +2.00 points on 84 test photos" in told
    assert told.endswith("+1.00 to +3.00 points, above 0; adjusted for the number of arms, p = 0.001.")
