"""What the training of one of the job's detectors is told, whatever its family; and how every family is asked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.structures import check_limits

NMS_IOU: Final = 0.6
"""Source: SEEDS A11."""
LOWEST_SCORE: Final = 0.001
MAX_DETECTIONS: Final = 300


@dataclass(frozen=True)
class DetectorOptions:
    """How a detector is trained; arms differ in their photos alone.

    Attributes:
        cfg: ultralytics' name of an architecture, such as yolov5su.yaml, or a file; or one of this project's own, such
            as sr-rcnn or mask-rcnn.
        weights: state to start from, of the backbone alone where the cfg is one of this project's; None: random
            weights.
        epochs: passes over the arm's photos.
        batch_size: photos an iteration.
        input_px: longer side of the input, a multiple of 32.
        seed: of weights, order and augmentation; arms share seeds.
        device: cpu, or a number of a GPU.
    """

    cfg: str = "yolov5su.yaml"
    weights: Path | None = None
    epochs: int = 30
    batch_size: int = 16
    input_px: int = 416
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: names the option, what was expected and what was found.
        """
        limits = {
            "epochs": (self.epochs >= 1, "1 or more"),
            "seed": (self.seed >= 0, "0 or more"),
            "batch_size": (self.batch_size >= 1, "1 or more"),
            "input_px": (self.input_px >= 32 and self.input_px % 32 == 0, "a multiple of 32"),
        }
        check_limits(self, limits)
