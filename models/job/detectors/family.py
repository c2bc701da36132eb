"""What the step detector asks of a family of networks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from models.evaluation.detection.matching import PredictedBoxes
from models.job.dataset import JobData, JobPhoto
from models.job.detectors.options import DetectorOptions

Predict = Callable[[Sequence[JobPhoto]], list[PredictedBoxes]]
"""Photos to what is seen on each, in their order: by falling score, in the photo's frame, class ids from 0."""


@dataclass(frozen=True)
class ArmTraining:
    """One training.

    Attributes:
        data: the job's photos, of which train is learned from.
        augmented: folder of the step augmented, whose photos are learned from too; None: the baseline.
        options: how.
        start: weights that another detector step of the family wrote, to start from; None: options.weights, or chance.
    """

    data: JobData
    augmented: Path | None
    options: DetectorOptions
    start: Path | None


class DetectorFamily(Protocol):
    """Networks that are trained and asked in the same way.

    Attributes:
        resumes: a training goes on from what an interrupted one left in its scratch folder; else it starts anew.
    """

    resumes: bool

    def knows(self, cfg: str) -> bool:
        """Is there a detector of this name?"""
        ...

    def check_out(self, out: Path) -> None:
        """Refuse a place where this family cannot work.

        Raises:
            DataError: says why.
        """
        ...

    def train(self, training: ArmTraining, scratch: Path, target: Path) -> None:
        """Train a detector.

        Args:
            training: what, on which photos.
            scratch: a folder for what is thrown away afterwards.
            target: file that the weights are written to.

        Raises:
            DataError: a photo, or weights to start from, cannot be used.
            TrainingError: the training cannot start or go on.
            TrainingStopped: a signal ended it, where the family resumes; the same call goes on.
        """
        ...

    def load(self, weights: Path, options: DetectorOptions) -> Predict:
        """Open what train wrote.

        Args:
            weights: train's target.
            options: of that training.
        """
        ...
