"""The decision in words that a fleet manager and an ML engineer both understand; names as people say them."""

from collections.abc import Mapping
from typing import Any, Final

from models.evaluation.proof.arms import (
    BASELINE,
    GAN_SCREENED,
    GAN_UNSCREENED,
    REAL_CROP_PASTE,
    REPEAT,
    RGBA_BLEND,
)

ARM_NAMES: Final = {
    BASELINE: "baseline",
    REPEAT: "repeat",
    REAL_CROP_PASTE: "real crops pasted",
    GAN_UNSCREENED: "GAN, unscreened",
    GAN_SCREENED: "GAN, screened",
    RGBA_BLEND: "GAN with alpha, blended",
}
ARM_MEANINGS: Final = {
    BASELINE: "the photos alone: the detector in service",
    REPEAT: "as many photos as the others, nothing pasted: is it only more of the same?",
    REAL_CROP_PASTE: "real instances at the same places: is it only the pasting?",
    GAN_UNSCREENED: "generated instances, broken ones among them",
    GAN_SCREENED: "generated instances that the screening kept",
    RGBA_BLEND: "generated with their own transparency, screened, blended in",
}
MAPPING_NAMES: Final = {"transformer": "transformer mapping", "mlp": "MLP mapping"}


def name_arm(arm: str) -> str:
    """The arm as people say it."""
    return ARM_NAMES.get(arm, arm)


def tell_points(change: float | None) -> str:
    """A change of a share, in points with its sign."""
    return "·" if change is None else f"{100 * change:+.2f}"


def choose_headline_arm(report: Mapping[str, Any]) -> str:
    """The arm that the decision is about: the promoted one, else the one with the greatest gain."""
    promoted = report["decision"]["promoted_arm"]
    gains = {arm: told["gain"]["value"] for arm, told in report["arms"].items() if told["gain"]}
    return promoted or max(gains, key=lambda arm: gains[arm])


def explain_decision(report: Mapping[str, Any]) -> list[str]:
    """Say what was decided, what it means and why: a few sentences a paragraph, no markup.

    Args:
        report: as collect_numbers returns it.
    """
    decision, arm = report["decision"], choose_headline_arm(report)
    gain, class_name = report["arms"][arm]["gain"], report["class_name"]
    photos, seeds = decision["test_photos"], len(report["detector"]["seeds"])
    trained = f"{seeds} detectors were trained" if seeds > 1 else "one detector was trained"
    if decision["promoted_arm"]:
        meaning = (
            f"The detector trained with added photos ({name_arm(arm)}) replaces the one in service: it finds "
            f"{class_name} measurably better, and no class loses more than the rule allows."
        )
    else:
        meaning = (
            f"The detector in service stays: no way of adding photos was shown to make it better at finding "
            f"{class_name} without a loss elsewhere, and a change that is not proven is not made."
        )
    what = "The promoted arm" if decision["promoted_arm"] else "The arm with the greatest gain"
    evidence = (
        f"{what}, {name_arm(arm)}, changed {decision['metric']} by {tell_points(gain['value'])} points on {photos} "
        f"test photos on which nothing had been chosen; {trained} per arm. {_weigh(report, arm)}"
    )
    return [meaning, evidence]


def _weigh(report: Mapping[str, Any], arm: str) -> str:
    """What the interval of an arm's gain says."""
    gain, p_adjusted = report["arms"][arm]["gain"], report["arms"][arm]["p_adjusted"]
    if gain["low"] is None and gain["seeds"] < 2:
        return "One detector does not show how much training alone varies, so that there is no interval and no proof."
    if gain["low"] is None:
        return "Every draw of the test photos says the same, so that there is no interval and no proof."
    interval = f"The 95 % interval is {tell_points(gain['low'])} to {tell_points(gain['high'])} points"
    if gain["low"] <= 0 <= gain["high"]:
        return f"{interval}: it holds 0, so that this much can be luck."
    if gain["high"] < 0:
        return f"{interval}: below 0."
    told = f"{interval}, above 0; adjusted for the number of arms, p = {p_adjusted:.3g}."
    if report["decision"]["promoted_arm"]:
        return told
    return f"{told} The rule asks for more than that, as the reasons say."
