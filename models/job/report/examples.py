"""Examples of what the screening rejected and kept, each with the histograms that the rules look at."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from models.job.generation import over_black
from models.job.instances import load_instances
from models.job.report.picture import Picture
from models.job.screening import VERDICTS_NAME
from models.steps.screening import find_content, histogram

COUNT: Final = 8
"""Of each kind."""
EXAMPLE_WIDTH_PX: Final = 96


@dataclass(frozen=True, eq=False)
class Example:
    """One generated instance.

    Attributes:
        picture: as the rules see it, on black.
        histogram: int32 (3, 256), of its content.
    """

    picture: Picture
    histogram: np.ndarray


def choose_examples(instances: Path, screening: Path, rule: str) -> Mapping[str, tuple[Example, ...]]:
    """Choose the first instances that the deciding rule rejected and the first that it kept.

    Args:
        instances: the instances step's folder.
        screening: the screening step's.
        rule: the one that decides.

    Returns:
        "rejected" and "kept", COUNT of each at most.
    """
    with np.load(screening / VERDICTS_NAME) as saved:
        verdicts = {name: saved[name] for name in saved.files}
    images = load_instances(instances).images
    numbers = {"rejected": np.flatnonzero(verdicts[rule])[:COUNT], "kept": np.flatnonzero(~verdicts[rule])[:COUNT]}
    return {kind: _describe(over_black(images[own]), own, verdicts) for kind, own in numbers.items()}


def _describe(shown: np.ndarray, numbers: np.ndarray, verdicts: Mapping[str, np.ndarray]) -> tuple[Example, ...]:
    if not len(numbers):
        return ()
    histograms = histogram(shown, content_xyxy=find_content(shown))
    examples = []
    for image, counts, number in zip(shown, histograms, numbers, strict=True):
        by = ", ".join(name for name, is_broken in verdicts.items() if is_broken[number])
        caption = f"{number}: broken by {by}" if by else f"{number}: broken by no rule"
        examples.append(Example(Picture(image, caption, EXAMPLE_WIDTH_PX), counts))
    return tuple(examples)
