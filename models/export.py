"""From a training run to a version in a store: torch network → OpenVINO IR → card, checked against torch.

Must not know: photos, thresholds' choice (the caller hands card fields in).
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import nncf
import numpy as np
import openvino
import torch
from torch import nn

from models.data.photos import SPLITS, digest_photos, load_photos
from models.gate.network import DamageGate, GateForExport
from models.localizer.network import LocalizerForExport, build_localizer
from models.predictors import BIN_NAME, XML_NAME
from models.runtime.openvino_runtime import OpenVinoRuntime
from models.segmenter.network import SegmenterForExport, UNetSegmenter
from models.store import ModelCard, ModelStore, sha256_hex
from models.structures import DAMAGE_CLASSES, Letterbox, normalise_batch
from models.training import gate, localizer, segmenter
from models.training.loop import load_averaged
from models.training.options import TrainingOptions

FORMATS: Final[tuple[str, ...]] = ("openvino-fp16", "openvino-int8")
"""fp16 weights; int8 weights per channel (computed in floating point)."""


@dataclass(frozen=True)
class NetworkSpec:
    """What of a network the run does not say."""

    architecture: str
    input_hw: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    classes: tuple[str, ...]
    thresholds: Mapping[str, float]
    weights_format: str


SPECS: Final[dict[str, NetworkSpec]] = {
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


def build_for_export(network: str, trained: nn.Module | None = None) -> nn.Module:
    """Wrap a trained network (None: a freshly built one) so that probabilities come out.

    Raises:
        ValueError: unknown network.
    """
    if network == "localizer":
        return LocalizerForExport(trained or build_localizer()).eval()
    if network == "gate":
        return GateForExport(trained or DamageGate()).eval()
    if network == "segmenter":
        return SegmenterForExport(trained or UNetSegmenter()).eval()
    raise ValueError(f"network: expected one of {', '.join(SPECS)}, found {network!r}")


def load_run(network: str, run_dir: Path) -> nn.Module:
    """Load the averaged weights of a run, wrapped for export.

    Raises:
        FileNotFoundError: the run has no checkpoint.
    """
    wrapped = build_for_export(network)
    load_averaged(wrapped.network, run_dir)
    return wrapped


def convert_network(wrapped: nn.Module, input_hw: tuple[int, int], weights_format: str) -> dict[str, bytes]:
    """Convert a wrapped network to OpenVINO IR: any batch size, fixed H x W.

    Args:
        wrapped: float32 (N, 3, H, W) to one tensor.
        input_hw: H and W.
        weights_format: "openvino-fp16" or "openvino-int8".

    Returns:
        File name to bytes.

    Raises:
        ValueError: unknown format.
    """
    if weights_format not in FORMATS:
        raise ValueError(f"weights_format: expected one of {', '.join(FORMATS)}, found {weights_format!r}")
    wrapped = wrapped.to(memory_format=torch.contiguous_format).eval()
    example = torch.zeros(2, 3, *input_hw)
    with torch.no_grad():
        wrapped(example)  # a detection head builds its grid on first use
        ir = openvino.convert_model(wrapped, example_input=example, input=[-1, 3, *input_hw])
    if weights_format == "openvino-int8":
        ir = nncf.compress_weights(ir, mode=nncf.CompressWeightsMode.INT8_ASYM)
    with tempfile.TemporaryDirectory() as folder:
        xml_path = Path(folder) / XML_NAME
        openvino.save_model(ir, str(xml_path), compress_to_fp16=True)
        return {XML_NAME: xml_path.read_bytes(), BIN_NAME: (Path(folder) / BIN_NAME).read_bytes()}


def measure_parity(wrapped: nn.Module, files: Mapping[str, bytes], batch: np.ndarray) -> dict[str, float]:
    """Compare an exported network with its torch original, both in f32.

    Args:
        wrapped: the original.
        files: the IR.
        batch: float32 (N, 3, H, W).

    Returns:
        Largest and mean absolute difference of scores, and of boxes in input pixels where there are any.
    """
    exported = OpenVinoRuntime(files[XML_NAME], files[BIN_NAME], precision="f32").run(batch)
    with torch.no_grad():
        original = wrapped(torch.from_numpy(batch)).float().numpy()
    difference = np.abs(exported - original)
    if isinstance(wrapped, LocalizerForExport):
        likely = original[:, 4:].max(axis=1) > 0.25  # (N, A): boxes of empty cells are never read
        boxes = difference[:, :4].max(axis=1)[likely]
        return {
            "export_score_max_difference": float(difference[:, 4:].max()),
            "export_box_max_difference_px": float(boxes.max()) if boxes.size else 0.0,
        }
    return {
        "export_score_max_difference": float(difference.max()),
        "export_score_mean_difference": float(difference.mean()),
    }


def build_card(network: str, version: str, files: Mapping[str, bytes], **fields: Any) -> ModelCard:
    """Write a version's card; fields override what the network's spec says (thresholds, metrics, dataset …)."""
    spec = SPECS[network]
    defaults: dict[str, Any] = {
        "architecture": spec.architecture,
        "input_hw": spec.input_hw,
        "normalisation_mean": spec.mean,
        "normalisation_std": spec.std,
        "classes": spec.classes,
        "thresholds": dict(spec.thresholds),
        "weights_format": spec.weights_format,
        "dataset": {},
        "metrics": {},
    }
    digests = {name: sha256_hex(body) for name, body in files.items()}
    return ModelCard(network=network, version=version, files=digests, **{**defaults, **fields})


def export_version(
    store: ModelStore,
    network: str,
    version: str,
    wrapped: nn.Module,
    *,
    parity_images: Sequence[np.ndarray] = (),
    **card_fields: Any,
) -> ModelCard:
    """Convert a network and add it to a store as a candidate.

    Args:
        store: gets the version.
        network: localizer, gate or segmenter.
        version: its name.
        wrapped: the trained network with its probabilities inside.
        parity_images: uint8 (H, W, 3) RGB each; the card's metrics say how far export and torch differ on them.
        **card_fields: what the card says instead of the network's spec.

    Raises:
        ConflictError: the version exists already.
    """
    spec = SPECS[network]
    input_hw = card_fields.get("input_hw", spec.input_hw)
    weights_format = card_fields.get("weights_format", spec.weights_format)
    files = convert_network(wrapped, input_hw, weights_format)
    if len(parity_images):
        inputs = [Letterbox(image.shape[:2], input_hw).apply(image) for image in parity_images]
        parity = measure_parity(wrapped, files, normalise_batch(inputs, spec.mean, spec.std))
        card_fields["metrics"] = {**card_fields.get("metrics", {}), **parity, "export_parity_photos": len(inputs)}
    card = build_card(network, version, files, **card_fields)
    store.add(card, files)
    return card


def describe_dataset(options: TrainingOptions) -> dict[str, Any]:
    """What a run was trained on, for its card: digest, photos per folder and split, the run's options."""
    photos = load_photos(options.data)
    folders = sorted({photo.folder for photo in photos})
    return {
        "digest": digest_photos(photos),
        "photos": {
            folder: {split: sum(p.folder == folder and p.split == split for p in photos) for split in SPLITS}
            for folder in folders
        },
        "split_rule": "as annotated; a real folder without val gives a quarter, by sha256 of the group's name",
        "training": {
            "preset": options.preset,
            "seed": options.seed,
            "batch_size": options.batch_size,
            "rendered_share": options.rendered_share,
            "max_minutes": options.max_minutes,
            "encoder_weights": options.encoder_weights.name if options.encoder_weights else None,
            "teacher": options.teacher.name if options.teacher else None,
        },
    }
