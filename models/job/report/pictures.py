"""The pictures of a job's report: sheets as the steps drew them, and what is drawn for the report alone.

In:   the steps of a finished job. Out: pixels with captions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from models.data.photos import load_image
from models.job.crops import load_crops
from models.job.generation import draw_sheet
from models.job.report.examples import Example, choose_examples
from models.job.report.folders import JobSteps
from models.job.report.neighbours import draw_neighbours
from models.job.report.pasted import PastedPhoto, draw_pasted
from models.job.report.picture import Picture
from models.job.report.words import MAPPING_NAMES

SHEET_SIDE: Final = 8
"""Rows and columns of the sheet of real crops, as the GAN's sheets of samples have."""


@dataclass(frozen=True)
class Pictures:
    """All pictures of a report, in the order in which they are shown.

    Attributes:
        samples: the last sheet of each GAN, then real crops.
        neighbours: generated instances over the train crops that are nearest to them.
        examples: "rejected" and "kept" instances.
        rejected: by rule, the first that it rejected; a rule that rejected none is missing.
        cutouts: of generated and of real canvases, by each extraction.
        pasted: arm to photos.
    """

    samples: tuple[Picture, ...]
    neighbours: Picture
    examples: Mapping[str, tuple[Example, ...]]
    rejected: Mapping[str, Picture]
    cutouts: tuple[Picture, ...]
    pasted: Mapping[str, tuple[PastedPhoto, ...]]


def collect_pictures(steps: JobSteps) -> Pictures:
    """Read and draw what the report shows.

    Raises:
        DataError: an image is missing.
    """
    by_name = steps.by_name
    samples = []
    for mapping, step in steps.gans.items():
        last = max((step.folder / "samples").glob("*.png"))
        samples.append(
            Picture(load_image(last), f"{MAPPING_NAMES.get(mapping, mapping)}, after {int(last.stem):,} images")
        )
    canvases = load_crops(by_name["crops"].folder).canvases["train"]
    chosen = np.unique(np.linspace(0, len(canvases) - 1, SHEET_SIDE**2).astype(int))
    samples.append(Picture(draw_sheet(canvases[chosen], SHEET_SIDE), f"real crops, {len(chosen)} of {len(canvases)}"))
    cutouts = [
        Picture(load_image(step.folder / f"{source}.png"), f"{source}, by {_tell_mode(step.options['mode'])}")
        for step in steps.extractions.values()
        for source in ("generated", "real")
    ]
    screening = by_name["screening"].folder
    return Pictures(
        tuple(samples),
        draw_neighbours(by_name["instances"].folder, screening, by_name["crops"].folder),
        choose_examples(by_name["instances"].folder, screening, by_name["screening"].options["rule"]),
        {rule: picture for rule in by_name["screening"].result["errors"] if (picture := _rejected(screening, rule))},
        tuple(cutouts),
        draw_pasted(by_name["dataset"].folder, {arm: step.folder for arm, step in steps.augmented.items()}),
    )


def _rejected(screening: Path, rule: str) -> Picture | None:
    path = screening / f"rejected_{rule}.png"
    return Picture(load_image(path), f"the first that {rule} rejects") if path.is_file() else None


def _tell_mode(mode: str) -> str:
    return {"box": "Otsu's box", "mask": "Otsu's mask", "alpha": "its own alpha"}[mode]
