"""An arm of the tiny scenes, trained without the step around it."""

from pathlib import Path

from models.job.dataset import JobData
from models.job.detectors.choice import choose_family
from models.job.detectors.family import ArmTraining
from models.job.detectors.options import DetectorOptions


def train_alone(data: JobData, folder: Path, options: DetectorOptions, **given) -> Path:
    """Train on the photos alone in a scratch folder; returns the file of the weights beside it."""
    scratch = folder / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    training = ArmTraining(data, given.get("augmented"), options, given.get("start"))
    choose_family(options.cfg).train(training, scratch, folder / "weights.pt")
    return folder / "weights.pt"
