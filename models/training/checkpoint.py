"""The checkpoint of a run: everything that the next step depends on, replaced in one move or not at all."""

import copy
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from models.training.errors import TrainingError
from models.training.options import CHECKPOINT_NAME

KEYS: Final[frozenset[str]] = frozenset({"network", "averaged", "optimizer", "state"})


@dataclass
class TrainingState:
    """What a step changes.

    Attributes:
        network: trained in place.
        averaged: a copy whose weights follow the network's.
        optimizer: of the network.
        scaler: of fp16 gradients; disabled in other precisions.
        peaks: highest learning rate of each of the optimizer's groups.
        step: steps done.
    """

    network: nn.Module
    averaged: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    peaks: list[float]
    step: int = 0

    def save(self, path: Path, *, steps: int) -> None:
        """Replace the checkpoint at path.

        Args:
            path: the last one stays as it is until the new one is complete on disk.
            steps: of the whole run.

        Raises:
            TrainingError: a weight is not finite, or the disk takes no more; the old checkpoint is untouched.
        """
        for part in (self.network, self.averaged):
            if name := find_not_finite(part):
                raise TrainingError(f"step {self.step}: {name} is not finite; {describe_kept(path)}")
        content = {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "state": {"step": self.step, "progress": self.step / steps},
            "scaler": self.scaler.state_dict(),
            "chance": {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()},
        }
        write_atomically(path, content)

    def restore(self, saved: dict[str, Any]) -> None:
        """Continue from the content of a checkpoint.

        Raises:
            TrainingError: it is of another network.
        """
        try:
            self.network.load_state_dict(saved["network"])
            self.averaged.load_state_dict(saved["averaged"])
            self.optimizer.load_state_dict(saved["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise TrainingError(f"checkpoint: of another network: {first_line(error)}") from error
        self.step = saved["state"]["step"]
        if saved.get("scaler"):
            self.scaler.load_state_dict(saved["scaler"])
        if chance := saved.get("chance"):
            torch.set_rng_state(chance["cpu"])
            if len(chance["cuda"]) == torch.cuda.device_count():
                torch.cuda.set_rng_state_all(chance["cuda"])


def write_atomically(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint beside its place, then move it there.

    Raises:
        TrainingError: the disk is full or refuses; nothing is left of the new one.
    """
    partial = path.with_suffix(".partial")
    try:
        with partial.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except (OSError, RuntimeError) as error:  # torch's writer hides what the file raised behind an error of its own
        cause = error.__context__ if isinstance(error.__context__, OSError) else error
        raise TrainingError(f"{path}: not saved: {first_line(cause)}; {describe_kept(path)}") from error
    finally:
        partial.unlink(missing_ok=True)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read the checkpoint of a run to the CPU.

    Args:
        path: the file, or the run folder that holds it.

    Raises:
        FileNotFoundError: there is none.
        TrainingError: damaged, or no checkpoint of a run.
    """
    path = path / CHECKPOINT_NAME if path.is_dir() else path
    saved = load_tensors(path)
    if KEYS - saved.keys():
        raise TrainingError(f"{path}: no checkpoint of a run: expected {', '.join(sorted(KEYS))}")
    return saved


def load_tensors(path: Path) -> dict[str, Any]:
    """Read what torch.save wrote of a dict, to the CPU; tensors and plain values only, no code.

    Raises:
        FileNotFoundError: there is no file.
        TrainingError: damaged, or no dict.
    """
    with path.open("rb") as file:
        try:
            saved = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # bytes that mean nothing can end in an error of any kind
            raise TrainingError(f"{path}: damaged, or written by another program: {first_line(error)}") from error
    if not isinstance(saved, dict):
        raise TrainingError(f"{path}: expected tensors by name, found {type(saved).__name__}")
    return saved


def load_initial_weights(network: nn.Module, path: Path) -> None:
    """Start a network from another run's averaged weights.

    Raises:
        FileNotFoundError: there is no checkpoint.
        TrainingError: it is damaged or of another network.
    """
    try:
        network.load_state_dict(load_checkpoint(path)["averaged"])
    except RuntimeError as error:
        raise TrainingError(f"initial_weights: {path} is of another network: {first_line(error)}") from error


def copy_for_average(network: nn.Module) -> nn.Module:
    """Copy a network for its averaged weights: evaluation mode, no gradients."""
    averaged = copy.deepcopy(network).eval()
    for parameter in averaged.parameters():
        parameter.requires_grad_(False)
    return averaged


def move_average(averaged: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the average a step towards the network; counters are copied."""
    with torch.no_grad():
        for mean, value in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
            if mean.dtype.is_floating_point:
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)


def find_not_finite(network: nn.Module) -> str | None:
    """Name a weight that holds NaN or infinity; None: all are finite."""
    for name, value in network.state_dict().items():
        if value.dtype.is_floating_point and not bool(torch.isfinite(value).all()):
            return name
    return None


def describe_kept(path: Path) -> str:
    """Say what is left to resume from."""
    return f"the last checkpoint is kept: {path}" if path.exists() else "there is no checkpoint yet"


def first_line(error: BaseException) -> str:
    """The first line of what an error says; its kind where it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]) if lines else type(error).__name__
