"""From a run folder to a candidate in a store, its card saying how far export and torch differ.

Must not know: thresholds' choice (the caller hands card fields in).
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from torch import nn

from models.data.formats.dataset import SPLIT_NAMES
from models.data.photos import AnnotatedPhoto, digest_photos, load_image, load_photos
from models.export.formats import convert_network
from models.export.found_parity import compare_found
from models.export.parity import compare_answers, measure_parity
from models.export.specs import SPECS, NetworkSpec, build_card
from models.networks import build_for_export
from models.predictors import SAFETENSORS_NAME, XML_NAME, RuntimeOptions, load_runtime
from models.store import ModelCard, ModelStore, ModelVersion
from models.structures import CropWindow, Letterbox, normalise_batch
from models.training.loop import load_averaged
from models.training.options import TrainingOptions, choose_network_options, load_options

PARITY_PHOTOS: Final = 8
MARGIN_RATIO: Final = 0.05


def load_run(network: str, run_dir: Path) -> nn.Module:
    """Load the averaged weights of a run, wrapped for export, built as the run's options say.

    Raises:
        FileNotFoundError: the run has no options or no checkpoint.
        ValueError: the run trained another network, or its checkpoint does not fit its options.
    """
    options = load_options(run_dir)
    if options.network != network:
        raise ValueError(f"network: {run_dir} trained {options.network}, found {network!r}")
    wrapped = build_for_export(network, network_options=choose_network_options(options))
    try:
        load_averaged(wrapped.network, run_dir)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{run_dir}: the checkpoint does not fit the run's options: {reason}") from error
    return wrapped


def view_photos(network: str, photos: Sequence[AnnotatedPhoto], count: int) -> list[np.ndarray]:
    """Choose photos evenly and cut them as serving shows them to a network: the car where it is annotated.

    Args:
        network: the localizer sees whole photos.
        photos: at least one.
        count: how many at most.

    Returns:
        uint8 (H, W, 3) RGB each.
    """
    indices = np.unique(np.linspace(0, len(photos) - 1, min(count, len(photos))).round().astype(int))
    images = []
    for photo in (photos[index] for index in indices):
        image = load_image(photo.path)
        if network != "localizer" and photo.car_box_xyxy is not None:
            box_xyxy = np.array(photo.car_box_xyxy)
            image = CropWindow.around(box_xyxy, image.shape[:2], margin_ratio=MARGIN_RATIO).cut(image)
        images.append(np.ascontiguousarray(image))
    return images


def prepare_inputs(
    network: str, images: Sequence[np.ndarray], input_hw: tuple[int, int], *, spec: NetworkSpec | None = None
) -> list[np.ndarray]:
    """Letterbox and normalise images as serving does; float32 (1, 3, H, W) each."""
    spec = spec or SPECS[network]
    letterboxed = (Letterbox(image.shape[:2], input_hw).apply(image) for image in images)
    return [normalise_batch([image], spec.mean, spec.std) for image in letterboxed]


def export_version(
    store: ModelStore,
    network: str,
    version: str,
    wrapped: nn.Module,
    *,
    spec: NetworkSpec | None = None,
    parity_images: Sequence[np.ndarray] = (),
    calibration_images: Sequence[np.ndarray] = (),
    **card_fields: Any,
) -> ModelCard:
    """Convert a network and add it to a store as a candidate.

    Args:
        store: gets the version.
        network: localizer, gate, segmenter or finder.
        version: its name.
        wrapped: the trained network with its probabilities inside.
        spec: None: of SPECS.
        parity_images: uint8 (H, W, 3) RGB each; the card's metrics say how far each runtime and torch in f32 differ on
            them: export_… for OpenVINO, export_torch_… for safetensors.
        calibration_images: the same, for openvino-int8-quantized.
        **card_fields: what the card says instead of the network's spec; network_options must rebuild `wrapped`.

    Raises:
        ConflictError: the version exists already.
        ValueError: an unknown or impossible format, or nothing to calibrate with.
    """
    own = spec or SPECS[network]
    input_hw = card_fields.get("input_hw", own.input_hw)
    weights_format = card_fields.get("weights_format", own.weights_format)
    calibration = prepare_inputs(network, calibration_images, input_hw, spec=own)
    files = convert_network(wrapped, input_hw, weights_format, calibration=calibration)
    card = build_card(network, version, files, spec=spec, **card_fields)
    metrics = dict(card.metrics)
    if len(parity_images):
        batch = np.concatenate(prepare_inputs(network, parity_images, input_hw, spec=own))
        compare = partial(compare_found, class_names=card.classes) if network == "finder" else compare_answers
        runtimes = (("openvino", XML_NAME, "export_"), ("torch", SAFETENSORS_NAME, "export_torch_"))
        for runtime, needed, prefix in runtimes:
            if needed not in files:
                continue
            opened = load_runtime(ModelVersion(card, files, ""), RuntimeOptions(runtime=runtime))
            parity = measure_parity(wrapped, opened, batch, thresholds=card.thresholds, compare=compare)
            metrics |= {f"{prefix}{name}": value for name, value in parity.items()}
        metrics["export_parity_photos"] = len(parity_images)
    if len(calibration):
        metrics["export_calibration_photos"] = len(calibration)
    card = card.model_copy(update={"metrics": metrics})
    store.add(card, files)
    return card


def describe_dataset(options: TrainingOptions) -> dict[str, Any]:
    """What a run was trained on, for its card: digest, photos per folder and split, the run's options."""
    photos = load_photos(options.data)
    folders = sorted({photo.folder for photo in photos})
    return {
        "digest": digest_photos(photos),
        "photos": {
            folder: {split: sum(p.folder == folder and p.split == split for p in photos) for split in SPLIT_NAMES}
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
