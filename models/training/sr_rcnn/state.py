"""What a step changes: a detector, its optimizers, and their checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from models.sr_rcnn.build import build_mask_rcnn, build_sr_rcnn
from models.sr_rcnn.detector import SrRcnn
from models.sr_rcnn.options import MASK_RCNN, SR_RCNN, DetectorOptions, LossOptions, SuperResolutionOptions
from models.training.checkpoint import describe_kept, find_not_finite, first_line, load_tensors, write_atomically
from models.training.encoder_weights import initialise_encoder
from models.training.errors import TrainingError
from models.training.processes import Processes
from models.training.sr_rcnn.options import RunOptions

MOMENTUM: Final = 0.9
KEYS: Final = frozenset({"network", "optimizers", "state", "options"})


@dataclass(frozen=True)
class Recipe:
    """One training of one detector.

    Attributes:
        name: mask-rcnn or sr-rcnn.
        seed: of weights, batches and sampling.
        class_names: class_id 1 is the first.
        iterations: steps of the detector; the gate's come after them.
        data_digest: of the annotations.
        run: the comparison it belongs to.
    """

    name: str
    seed: int
    class_names: tuple[str, ...]
    iterations: int
    data_digest: str
    run: RunOptions

    @property
    def steps(self) -> int:
        """Steps in all."""
        return self.iterations + (self.run.gate_iterations if self.name == SR_RCNN else 0)

    def deciding(self) -> dict[str, Any]:
        """What a resumed training must share."""
        own = {name: getattr(self, name) for name in ("name", "seed", "class_names", "iterations", "data_digest")}
        apart = {"iterations", "seeds", "timed_photos"}  # of the comparison, not of one training
        return {**{name: value for name, value in self.run.deciding().items() if name not in apart}, **own}


@dataclass
class DetectorState:
    """What a step changes.

    Attributes:
        network: an SrRcnn or torchvision's MaskRCNN, trained in place.
        optimizers: detector; of an SrRcnn generator and gate too.
        step: steps done.
        seconds: wall-clock time of the steps, over every session.
    """

    network: nn.Module
    optimizers: dict[str, torch.optim.Optimizer]
    step: int = 0
    seconds: float = 0.0

    def save(self, path: Path, recipe: Recipe) -> None:
        """Replace the checkpoint at path.

        Raises:
            TrainingError: a weight is not finite, or the disk takes no more; the old checkpoint is untouched.
        """
        if name := find_not_finite(self.network):
            raise TrainingError(f"step {self.step}: {name} is not finite; {describe_kept(path)}")
        write_atomically(
            path,
            {
                "network": self.network.state_dict(),
                "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
                "state": {"step": self.step, "seconds": self.seconds},
                "options": recipe.deciding(),
            },
        )

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Continue from the content of a checkpoint.

        Raises:
            TrainingError: it is of another network.
        """
        try:
            self.network.load_state_dict(saved["network"])
            for name, optimizer in self.optimizers.items():
                optimizer.load_state_dict(saved["optimizers"][name])
        except (RuntimeError, ValueError, KeyError) as error:
            raise TrainingError(f"checkpoint: of another network: {first_line(error)}") from error
        self.step, self.seconds = saved["state"]["step"], saved["state"]["seconds"]


def build_network(name: str, options: Mapping[str, Any], *, seed: int = 0) -> nn.Module:
    """Build a detector from what a recipe decides: "detector", "super_resolution" and "losses"."""
    detector = DetectorOptions(**options["detector"])
    if name == MASK_RCNN:
        return build_mask_rcnn(detector, seed=seed)
    return build_sr_rcnn(
        detector, SuperResolutionOptions(**options["super_resolution"]), LossOptions(**options["losses"]), seed=seed
    )


def build_state(
    recipe: Recipe, processes: Processes, encoder_weights: Path | None, *, base: Path | None = None
) -> DetectorState:
    """Network and optimizers before the first step; both detectors of a seed start from the same weights.

    Args:
        recipe: the training.
        processes: this one among those that train together.
        encoder_weights: of the backbone; None: chance.
        base: checkpoint of a plain Mask R-CNN of the same options, for all that the detector shares with it.

    Raises:
        FileNotFoundError: there are no such weights.
        TrainingError: the weights are damaged or of another backbone.
    """
    options = recipe.run
    network = build_network(recipe.name, recipe.deciding(), seed=recipe.seed)
    network.transform.min_size = (*options.jitter_sizes_px, options.detector.min_size_px)  # the last one at inference
    if encoder_weights is not None:
        initialise_encoder(network.backbone.body, encoder_weights)
    if base is not None:
        unlike = network.load_state_dict(load_state_content(base)["network"], strict=False)
        if unlike.unexpected_keys:  # what is missing is SR-RCNN's own
            raise TrainingError(f"{base}: no Mask R-CNN of these options")
    if processes.count > 1 and processes.device.type == "cuda":
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    network = network.to(processes.device)
    network.backbone.to(memory_format=torch.channels_last)  # a third faster on the CPU
    is_sr = isinstance(network, SrRcnn)
    learners = network.parameters_of_discriminator() if is_sr else [p for p in network.parameters() if p.requires_grad]
    optimizers: dict[str, torch.optim.Optimizer] = {
        "detector": torch.optim.SGD(
            learners,
            options.learning_rate * processes.count,
            momentum=MOMENTUM,
            weight_decay=options.weight_decay,
        )
    }
    if is_sr:
        optimizers["generator"] = torch.optim.AdamW(network.parameters_of_generator(), options.generator_rate)
        optimizers["gate"] = torch.optim.AdamW(network.parameters_of_gate(), options.gate_rate)
    return DetectorState(network, optimizers)


def load_state_content(path: Path) -> dict[str, Any]:
    """Read a checkpoint.

    Raises:
        FileNotFoundError: there is none.
        TrainingError: damaged, or of something else.
    """
    saved = load_tensors(path)
    if KEYS - saved.keys():
        raise TrainingError(f"{path}: no checkpoint of a detector: expected {', '.join(sorted(KEYS))}")
    return saved


def refuse_other_options(saved: Mapping[str, Any], recipe: Recipe) -> None:
    """Refuse to go on with a training that other options began.

    Raises:
        TrainingError: names the first that differs.
    """
    for name, value in recipe.deciding().items():
        if saved["options"].get(name) != value:
            found = saved["options"].get(name)
            raise TrainingError(f"{name}: a resumed run keeps its options: started with {found}, found {value}")
