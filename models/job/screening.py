"""screening: every rule looks at the generated instances, and at real ones broken on purpose; one rule decides.

In:   the folders of crops, gan and instances. Out: kept.npy, int64 (K,), numbers of the instances kept; verdicts.npz,
      of every rule bool (N,), True = broken; learned.json; rejected_<rule>.png.
Must not know: photos, detectors.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.data.photos import DataError, write_image
from models.job.crops import load_crops
from models.job.generation import draw_sheet, lay_under, over_black
from models.job.instances import judge_pixels, load_instances
from models.steps.screening import (
    BREAKAGES,
    GOOD,
    Counting,
    CriticScreen,
    LearnedScreen,
    describe,
    find_content,
    histogram,
    judge_verdicts,
    make_broken,
    screen_multi_colour,
    screen_single_colour,
    wilson_rate,
)
from models.steps.step_folder import StepDone, check_made_of, load_step, run_step
from models.structures import check_limits
from models.training.gan.loop import load_networks

STEP: Final = "screening"
KEPT_NAME: Final = "kept.npy"
VERDICTS_NAME: Final = "verdicts.npz"
RULES: Final[tuple[str, ...]] = ("single_40", "single_20", "multi", "critic", "learned")
COUNTINGS: Final = ("reference", "literal")
SUMS: Final = ("all", "others")
MIN_VAL_CROPS: Final = 4
SHEET_COLUMNS: Final = 8
FIT_SHARE: Final = 0.7
"""Of the train crops: what the learned screen is fitted on; its threshold is set on the others."""


@dataclass(frozen=True)
class ScreeningOptions:
    """How instances are screened.

    Attributes:
        rule: the one that decides, one of RULES.
        critic_k: standard deviations about the mean of real scores that the critic's rule keeps.
        false_reject_rate: share of good crops that the learned screen aims to reject, on crops it was not fitted on.
        counting: of pixels: reference (as if the images were as large as those of the rules' source) or literal.
        sum_over: the channels whose peak makes an image white: all, or the others than the highest.
        seed: of the breakages.
    """

    rule: str = "learned"
    critic_k: float = 2.0
    false_reject_rate: float = 0.02
    counting: str = "reference"
    sum_over: str = "all"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: names the option, what was expected and what was found.
        """
        limits = {
            "rule": (self.rule in RULES, f"one of {', '.join(RULES)}"),
            "critic_k": (self.critic_k > 0, "above 0"),
            "seed": (self.seed >= 0, "0 or more"),
            "counting": (self.counting in COUNTINGS, f"one of {', '.join(COUNTINGS)}"),
            "sum_over": (self.sum_over in SUMS, f"one of {', '.join(SUMS)}"),
            "false_reject_rate": (0 <= self.false_reject_rate < 1, "0 to below 1"),
        }
        check_limits(self, limits)


def screen_instances(crops: Path, gan: Path, instances: Path, out: Path, options: ScreeningOptions) -> StepDone:
    """Do the step.

    Raises:
        DataError: the rule keeps nothing, an input is incomplete, or out holds other work.
    """

    def work(folder: Path, _scratch: Path) -> Mapping[str, Any]:
        check_made_of(instances, gan=gan, crops=crops)
        real, made = load_crops(crops), load_instances(instances)
        rng = np.random.default_rng([options.seed, 11])
        learned = _fit_learned(over_black(real.canvases["train"]), real.content_xyxy["train"], options, rng)
        discriminator = load_networks(gan)[0].discriminator
        good, content = real.canvases["val"], real.content_xyxy["val"]
        if len(good) < MIN_VAL_CROPS:
            raise DataError(f"crops: expected at least {MIN_VAL_CROPS} of val to measure with, found {len(good)}")
        is_fitted = np.arange(len(good)) % 2 == 0  # the discriminator knows train by heart: the critic gets half of val
        critic = CriticScreen.fit(judge_pixels(discriminator, good[is_fitted]), k=options.critic_k)

        def flag(images: np.ndarray) -> dict[str, np.ndarray]:
            logits = judge_pixels(discriminator, lay_under(images, good))
            return {**_flag_by_look(images, learned, options), "critic": critic.flag(logits)}

        errors = _measure_errors(flag, over_black(good), content, {"critic": ~is_fitted}, rng)
        shown = over_black(made.images)
        verdicts = {**_flag_by_look(shown, learned, options), "critic": critic.flag(made.critic_logits)}
        kept = np.flatnonzero(~verdicts[options.rule])
        if not len(kept):
            raise DataError(f"screening: {options.rule} keeps none of {len(shown)} instances: train the GAN longer")
        np.save(folder / KEPT_NAME, kept)
        np.savez(folder / VERDICTS_NAME, **verdicts)
        (folder / "learned.json").write_text(json.dumps(learned.to_dict(), indent=1) + "\n", encoding="utf-8")
        for name, is_broken in verdicts.items():
            rejected = shown[is_broken][: SHEET_COLUMNS * 2]
            if len(rejected):
                write_image(folder / f"rejected_{name}.png", draw_sheet(rejected, SHEET_COLUMNS))
        return {
            "rule": options.rule,
            "instances": len(shown),
            "kept": len(kept),
            "rejected": {name: asdict(wilson_rate(int(own.sum()), len(own))) for name, own in verdicts.items()},
            "errors": errors,
            "labelled": {"good": len(good), "broken_of_each_kind": len(good), "kinds": list(BREAKAGES)},
        }

    inputs = {"crops": crops, "gan": gan, "instances": instances}
    return run_step(out, STEP, asdict(options), inputs, work)


def load_kept(folder: Path) -> np.ndarray:
    """Numbers of the instances that the step kept, int64 (K,).

    Raises:
        DataError: the step is not complete.
    """
    load_step(folder, STEP)
    return np.load(folder / KEPT_NAME)


def _flag_by_look(images: np.ndarray, learned: LearnedScreen, options: ScreeningOptions) -> dict[str, np.ndarray]:
    """Verdicts of every rule but the critic's; histograms are of the content alone, the canvas has none to tell."""
    px2, counting = images.shape[1] * images.shape[2], Counting(options.counting)
    histograms = histogram(images, content_xyxy=find_content(images))
    return {
        "single_40": screen_single_colour(histograms, px2, count_threshold=40.0, counting=counting).is_broken,
        "single_20": screen_single_colour(histograms, px2, count_threshold=20.0, counting=counting).is_broken,
        "multi": screen_multi_colour(histograms, px2, sum_over=options.sum_over, counting=counting).is_broken,
        "learned": learned.screen(images),
    }


def _fit_learned(
    crops: np.ndarray, content_xyxy: np.ndarray, options: ScreeningOptions, rng: np.random.Generator
) -> LearnedScreen:
    """Fit on one part of the crops, whole and broken in every way; set the threshold on the others."""
    order = rng.permutation(len(crops))
    count = max(int(FIT_SHARE * len(crops)), 1)
    fitted, held = order[:count], order[count:]
    if not len(held):
        raise DataError(f"screening: expected at least two crops, found {len(crops)}")
    features, kinds = [describe(crops[fitted])], [GOOD] * count
    for kind in BREAKAGES:
        broken = make_broken(crops[fitted], kind, rng, content_xyxy=content_xyxy[fitted])
        features.append(describe(broken))
        kinds += [kind] * count
    learned = LearnedScreen.fit(np.concatenate(features), kinds)
    return learned.at_false_reject_rate(describe(crops[held]), options.false_reject_rate)


def _measure_errors(
    flag: Callable[[np.ndarray], Mapping[str, np.ndarray]],
    good: np.ndarray,
    content_xyxy: np.ndarray,
    judged: Mapping[str, np.ndarray],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Both error rates of every rule on real crops of val, whole and broken; and what it keeps of each kind.

    A rule that was fitted on some of them is judged on the others: bool (N,) by its name.
    """
    on_good = flag(good)
    on_broken = {kind: flag(make_broken(good, kind, rng, content_xyxy=content_xyxy)) for kind in BREAKAGES}
    errors: dict[str, Any] = {}
    for name in RULES:
        own = judged.get(name, np.ones(len(good), bool))
        by_kind = {kind: verdicts[name][own] for kind, verdicts in on_broken.items()}
        verdicts = np.concatenate([on_good[name][own], *by_kind.values()])
        errors[name] = {
            **asdict(judge_verdicts(verdicts, np.arange(len(verdicts)) >= own.sum())),
            "false_accept_by_kind": {kind: float((~own).mean()) for kind, own in by_kind.items()},
        }
    return errors
