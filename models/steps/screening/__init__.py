"""screening: generated images that are broken are found and left out.

In:   images, uint8 (N, H, W, 3) RGB. Out: verdicts, bool (N,), True = broken, by rules on histograms, by the critic's
      scores, or learned; and both error rates of any of them on labelled images.
Must not know: files, the GAN, what happens to those kept.

Source: SEEDS B.
"""

from models.steps.screening.broken import BREAKAGES, make_broken
from models.steps.screening.features import FEATURES, describe
from models.steps.screening.histograms import REFERENCE_PX2, Counting, find_content, histogram
from models.steps.screening.judgement import Judgement, Rate, Screen, judge, judge_verdicts, wilson_rate
from models.steps.screening.learned import GOOD, LearnedScreen, fit_logistic
from models.steps.screening.rules import (
    CriticScreen,
    MultiColourVerdict,
    SingleColourVerdict,
    screen_multi_colour,
    screen_single_colour,
)

__all__ = [
    "BREAKAGES",
    "FEATURES",
    "GOOD",
    "REFERENCE_PX2",
    "Counting",
    "CriticScreen",
    "Judgement",
    "LearnedScreen",
    "MultiColourVerdict",
    "Rate",
    "Screen",
    "SingleColourVerdict",
    "describe",
    "find_content",
    "fit_logistic",
    "histogram",
    "judge",
    "judge_verdicts",
    "make_broken",
    "screen_multi_colour",
    "screen_single_colour",
    "wilson_rate",
]
