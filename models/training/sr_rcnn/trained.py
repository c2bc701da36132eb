"""Opens a detector that was trained here: an image in, boxes, classes, scores and masks out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from models.sr_rcnn.detector import SrRcnn
from models.sr_rcnn.options import Mode
from models.structures import check_image
from models.training.options import CHECKPOINT_NAME
from models.training.sr_rcnn.inference import FoundObjects, find_objects
from models.training.sr_rcnn.state import build_network, load_state_content


@dataclass(frozen=True)
class TrainedDetector:
    """A detector, ready to be asked.

    Attributes:
        network: an SrRcnn or a MaskRCNN, in evaluation mode.
        class_names: class_id 1 is the first.
        seed: of its training.
        step: steps that it was trained for.
    """

    network: nn.Module
    class_names: tuple[str, ...]
    seed: int
    step: int

    def find(self, image: np.ndarray) -> FoundObjects:
        """Find objects.

        Args:
            image: uint8 (H, W, 3) RGB, the photo.

        Raises:
            ContractError: no such array.
        """
        check_image("image", image)
        device = next(self.network.parameters()).device
        pixels = torch.from_numpy(np.ascontiguousarray(image)).to(device).permute(2, 0, 1).float() / 255
        return find_objects(self.network, pixels)


def load_detector(path: Path, *, mode: Mode | None = None, device: str = "cpu") -> TrainedDetector:
    """Open a detector.

    Args:
        path: its folder, or the checkpoint in it.
        mode: which RoIs an SR-RCNN super-resolves: always, never, small or gated; None: as it was trained.
        device: cpu or cuda.

    Raises:
        FileNotFoundError: there is none.
        TrainingError: damaged, or no checkpoint of a detector.
        ValueError: unknown mode, or a mode for a plain Mask R-CNN.
    """
    saved = load_state_content(path / CHECKPOINT_NAME if path.is_dir() else path)
    options = saved["options"]
    network = build_network(options["name"], options)
    network.load_state_dict(saved["network"])
    if mode is not None:
        if not isinstance(network, SrRcnn):
            raise ValueError(f"mode: expected none, since {path} holds a plain Mask R-CNN, found {mode!r}")
        network.mode = mode
    class_names = tuple(options["class_names"])
    return TrainedDetector(network.to(device).eval(), class_names, options["seed"], saved["state"]["step"])
