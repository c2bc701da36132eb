"""SR-RCNN and plain Mask R-CNN as the job's detectors: the weights after the last iteration are kept.

In:   the job's photos. Out: weights that models.training.sr_rcnn.trained opens; boxes.
Must not know: arms, measures.
"""

import contextlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from models.data.photos import DataError, load_image
from models.evaluation.detection.matching import PredictedBoxes
from models.job.detectors.family import ArmTraining, Predict
from models.job.detectors.options import LOWEST_SCORE, MAX_DETECTIONS, NMS_IOU, DetectorOptions
from models.job.detectors.outlined_photos import collect_photos
from models.job.detectors.sr_rcnn_options import CFGS, choose_run
from models.training.checkpoint import write_atomically
from models.training.loop import choose_device
from models.training.options import CHECKPOINT_NAME
from models.training.processes import Processes
from models.training.sr_rcnn.loop import train_detector
from models.training.sr_rcnn.photos import DetectionData
from models.training.sr_rcnn.run import digest_weights
from models.training.sr_rcnn.state import DetectorState, Recipe, build_state, load_state_content
from models.training.sr_rcnn.trained import load_detector
from models.training.stopping import StopRequest, watch_signals


class SrRcnnFamily:
    """The networks of models.sr_rcnn; an SR-RCNN super-resolves every RoI, as in the thesis."""

    resumes = True

    def knows(self, cfg: str) -> bool:
        """Is there a detector of this name?"""
        return cfg in CFGS

    def check_out(self, out: Path) -> None:
        """Any place will do."""

    def train(self, training: ArmTraining, scratch: Path, target: Path) -> None:
        """Train, from the checkpoint in scratch where there is one.

        Args:
            training: what, on which photos.
            scratch: holds the run folder.
            target: file that the weights are written to: no optimizers, nothing of the clock, so that a training that
                was interrupted ends with the same bytes.

        Raises:
            DataError: a photo cannot be read, a device that is none, or a start of other classes.
            TrainingError: the weights do not fit, there is no such GPU, or the training cannot go on.
            TrainingStopped: a signal; the same call goes on.
        """
        options, data = training.options, training.data
        processes = Processes(0, 1, _choose_device(options.device))
        start = None if training.start is None else _load_start(training.start, data.class_names)
        photos = DetectionData(data.class_names, collect_photos(data, training.augmented), (), ())
        run = choose_run(
            options,
            photos=len(photos.train),
            class_count=len(data.class_names),
            weights_sha256=digest_weights(options.weights),
            norm=None if start is None else start["options"]["detector"]["norm"],
        )
        recipe = Recipe(CFGS[options.cfg][0], options.seed, data.class_names, run.iterations, photos.digest, run)
        run_dir, request = scratch / "run", StopRequest(None)
        if start is not None and not (run_dir / CHECKPOINT_NAME).is_file():
            _begin(start, recipe, processes, run_dir)
        with watch_signals(request), contextlib.redirect_stdout(sys.stderr):  # stdout is for what the step tells
            state = train_detector(
                photos, recipe, run_dir, processes=processes, request=request, encoder_weights=options.weights
            )
        _write_weights(state, recipe, target)

    def load(self, weights: Path, options: DetectorOptions) -> Predict:
        """Open what train wrote.

        Args:
            weights: train's target.
            options: of that training.
        """
        device = _choose_device(options.device)
        network = load_detector(weights, device=str(device)).network
        heads = network.roi_heads
        heads.mask_roi_pool = None  # boxes alone are judged, and masks of hundreds of them would fill the memory
        heads.score_thresh, heads.nms_thresh, heads.detections_per_img = LOWEST_SCORE, NMS_IOU, MAX_DETECTIONS
        return lambda photos: [_find_boxes(network, load_image(photo.path), device) for photo in photos]


def _choose_device(name: str) -> torch.device:
    if name == "cpu":
        return torch.device(name)
    if not name.isdecimal():
        raise DataError(f"device: expected cpu or the number of a GPU, found {name!r}")
    return torch.device(choose_device("cuda", "f32").type, int(name))


def _load_start(path: Path, class_names: Sequence[str]) -> dict[str, Any]:
    """Read the weights of another detector step."""
    saved = load_state_content(path)
    found = saved["options"]["class_names"]
    if list(found) != list(class_names):
        raise DataError(f"start: expected a detector of {', '.join(class_names)}, found one of {', '.join(found)}")
    return saved


def _begin(start: Mapping[str, Any], recipe: Recipe, processes: Processes, run_dir: Path) -> None:
    """Write a checkpoint of no steps with the weights to start from."""
    state = build_state(recipe, processes, None)
    state.network.load_state_dict(start["network"])
    run_dir.mkdir(parents=True, exist_ok=True)
    state.save(run_dir / CHECKPOINT_NAME, recipe)


def _write_weights(state: DetectorState, recipe: Recipe, path: Path) -> None:
    write_atomically(
        path,
        {
            "network": {name: value.cpu() for name, value in state.network.state_dict().items()},
            "optimizers": {},
            "state": {"step": state.step, "seconds": 0.0},
            "options": recipe.deciding(),
        },
    )


@torch.inference_mode()
def _find_boxes(network: nn.Module, image: np.ndarray, device: torch.device) -> PredictedBoxes:
    """Detect on one photo, uint8 (H, W, 3) RGB."""
    pixels = torch.from_numpy(image).to(device).permute(2, 0, 1).float() / 255
    (found,) = network([pixels])
    return PredictedBoxes(
        found["boxes"].cpu().numpy().astype(np.float64),
        found["scores"].cpu().numpy().astype(np.float64),
        found["labels"].cpu().numpy() - 1,
    )
