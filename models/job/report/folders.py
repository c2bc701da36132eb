"""Where the steps of a finished job lie; a job that is not finished is refused by the name of the step."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from models.data.photos import DataError
from models.evaluation.proof.arms import BASELINE
from models.job.augmented import STEP as AUGMENTED
from models.job.crops import STEP as CROPS
from models.job.dataset import STEP as DATASET
from models.job.detector import STEP as DETECTOR
from models.job.evaluation import STEP as EVALUATION
from models.job.evaluation import find_trained, load_val_tables, name_start
from models.job.extraction import STEP as EXTRACTION
from models.job.instances import STEP as INSTANCES
from models.job.instances import TRAIN_STEP as GAN
from models.job.placement import STEP as PLACEMENT
from models.job.promotion import STEP as PROMOTION
from models.job.promotion import load_decision
from models.job.screening import STEP as SCREENING
from models.steps.step_folder import StepDone, load_step

STEPS: Final = (DATASET, CROPS, GAN, INSTANCES, SCREENING, EXTRACTION, PLACEMENT, EVALUATION, PROMOTION)
"""Steps done once a job, in folders of their own names."""
EXTRACTION_ALPHA: Final = "extraction_alpha"
"""Folder of the extraction by alpha, where the GAN learned it."""
START: Final = "start"
"""Name of the detector that those of the first seed start from, where there is one."""


@dataclass(frozen=True)
class JobSteps:
    """All that a finished job left.

    Attributes:
        by_name: name of its folder to step, those that a job may do without where they are there.
        gans: mapping network to training, the one that generates first.
        augmented: arm to the step of the ratio that val chose for it; the baseline has none.
        baseline: the detectors trained on the photos alone, by rising seed.
        val: what the evaluation tells of each detector, by its name.
        decision: promotion's.
    """

    by_name: Mapping[str, StepDone]
    gans: Mapping[str, StepDone]
    augmented: Mapping[str, StepDone]
    baseline: Mapping[str, StepDone]
    val: Mapping[str, Any]
    decision: Mapping[str, Any]

    @property
    def extractions(self) -> dict[str, StepDone]:
        """Folder to step."""
        return {name: self.by_name[name] for name in (EXTRACTION, EXTRACTION_ALPHA) if name in self.by_name}


def open_steps(job: Path) -> JobSteps:
    """Open every step of a job.

    Raises:
        DataError: the first that is not complete.
    """
    if not job.is_dir():
        raise DataError(f"report: no such folder: {job}")
    by_name = {name: _open(job / name, name, name) for name in STEPS}
    if (job / EXTRACTION_ALPHA).is_dir():
        by_name[EXTRACTION_ALPHA] = _open(job / EXTRACTION_ALPHA, EXTRACTION, EXTRACTION_ALPHA)
    others = (folder for folder in sorted(job.glob(f"{GAN}_*/")) if not folder.suffix)  # those with one are at work
    gans = [by_name[GAN], *(_open(folder, GAN, folder.name) for folder in others)]
    decision = load_decision(job / PROMOTION)
    augmented = {}
    for arm, told in decision["arms"].items():
        if arm != BASELINE:
            name = f"{AUGMENTED}/{arm}-{round(100 * told['ratio'])}"
            augmented[arm] = _open(job / name, AUGMENTED, name)
    trained = sorted((own for own in find_trained(job / "detectors") if own.arm == BASELINE), key=lambda own: own.seed)
    baseline = {own.name: _open(own.folder, DETECTOR, f"detectors/{own.name}") for own in trained}
    if not baseline:
        raise DataError(f"report: step {DETECTOR}: no {BASELINE} in {job / 'detectors'}")
    start = f"detectors/{name_start(trained[0].seed)}"
    if (job / start).is_dir():
        by_name[START] = _open(job / start, DETECTOR, start)
    val = load_val_tables(job / EVALUATION)
    if missing := sorted(baseline.keys() - val.keys()):
        raise DataError(f"report: step {EVALUATION}: it judged other detectors: {missing[0]} is not among them")
    return JobSteps(by_name, {gan.options["mapping"]: gan for gan in gans}, augmented, baseline, val, decision)


def _open(folder: Path, step: str, name: str) -> StepDone:
    try:
        return load_step(folder, step)
    except DataError as error:
        raise DataError(f"report: step {name}: {error}") from error
