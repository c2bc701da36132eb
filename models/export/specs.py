"""What a network's card says by default.

Must not know: weights, photos.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from models.store import ModelCard, sha256_hex
from models.structures import DAMAGE_CLASSES
from models.training import gate, localizer, segmenter


@dataclass(frozen=True)
class NetworkSpec:
    """What of a network the run does not say.

    Attributes:
        architecture: of the default network.
        input_hw: input size it serves with, pixels.
        mean: normalisation per RGB channel, on the 0 to 1 scale.
        std: the same.
        classes: what the output channels mean.
        thresholds: stand-ins until `calibrate` chooses.
        weights_format: the default.
    """

    architecture: str
    input_hw: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    classes: tuple[str, ...]
    thresholds: Mapping[str, float]
    weights_format: str


SPECS: Final[dict[str, NetworkSpec]] = {  # of the finder its run says it all
    "localizer": NetworkSpec(
        "YOLOv3-tiny (ultralytics yolov3-tinyu: anchor-free head, distribution focal loss)",
        localizer.INPUT_HW, localizer.MEAN, localizer.STD, ("vehicle",),
        {"score_threshold": 0.25, "iou_threshold": 0.5, "min_box_ratio": 0.03}, "openvino-int8",
    ),
    "gate": NetworkSpec(
        "EfficientNet-Lite0, evidence per 16 px cell, log-sum-exp pooling",
        gate.INPUT_HW, gate.MEAN, gate.STD, ("damaged",), {"score_threshold": 0.5}, "openvino-fp16",
    ),
    "segmenter": NetworkSpec(
        "U-Net (smp), EfficientNet-Lite0 encoder, decoder 128-64-48-32-16",
        segmenter.INPUT_HW, segmenter.MEAN, segmenter.STD, DAMAGE_CLASSES,
        {f"{name}_score_threshold": 0.5 for name in DAMAGE_CLASSES}, "openvino-fp16",
    ),
}  # fmt: skip


def describe_architecture(network: str, network_options: Mapping[str, Any]) -> str:
    """Name a network in words; the default's own words where nothing was chosen."""
    chosen = ", ".join(f"{name} {value}" for name, value in network_options.items())
    return f"{network}: {chosen}" if chosen else SPECS[network].architecture


def build_card(
    network: str, version: str, files: Mapping[str, bytes], *, spec: NetworkSpec | None = None, **fields: Any
) -> ModelCard:
    """Write a version's card; fields override what the spec says (thresholds, metrics, dataset …).

    Args:
        network: its name.
        version: its name.
        files: file name to bytes.
        spec: None: of SPECS.
        fields: of ModelCard.
    """
    own = spec or SPECS[network]
    options = fields.get("network_options", {})
    defaults: dict[str, Any] = {
        "architecture": own.architecture if spec else describe_architecture(network, options),
        "input_hw": own.input_hw,
        "normalisation_mean": own.mean,
        "normalisation_std": own.std,
        "classes": own.classes,
        "thresholds": dict(own.thresholds),
        "weights_format": own.weights_format,
        "dataset": {},
        "metrics": {},
    }
    digests = {name: sha256_hex(body) for name, body in files.items()}
    return ModelCard(network=network, version=version, files=digests, **{**defaults, **fields})
