"""Judges trained detectors on the photos kept apart: COCO's averages of each variant, each with its resamples.

In:   checkpoints and photos. Out: measures.npz beside each checkpoint; a file that is there is taken as it is.
Must not know: how detectors are trained, reports.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from torch import nn

from models.evaluation.bootstrap import Resampler
from models.evaluation.coco import (
    IOU_TYPES,
    CocoAnnotations,
    CocoDetections,
    encode_masks,
    evaluate_coco,
    resample_measures,
)
from models.sr_rcnn.detector import SrRcnn
from models.sr_rcnn.options import MASK_RCNN, SR_RCNN
from models.training.errors import TrainingStopped
from models.training.sr_rcnn.batches import build_sample
from models.training.sr_rcnn.inference import FoundObjects, find_objects, find_objects_in_modes
from models.training.sr_rcnn.photos import DetectionPhoto
from models.training.sr_rcnn.trained import load_detector
from models.training.stopping import StopRequest

MEASURES_NAME: Final = "measures.npz"
REPLICATES: Final = 500
VARIANTS: Final = {
    MASK_RCNN: {MASK_RCNN: None},
    SR_RCNN: {
        SR_RCNN: "always",
        f"{SR_RCNN}-without-generator": "never",
        f"{SR_RCNN}-size-gate": "gated",
        f"{SR_RCNN}-small": "small",
    },
}
"""What each detector is judged as: names, and the mode of SR-RCNN."""

Measures = Mapping[str, Mapping[str, Mapping[str, np.ndarray]]]
"""By variant, by box or mask, by name of COCO's measures: float64 (1 + B,), the photos as they are and B resamples."""


def measure_detector(
    run_dir: Path, photos: Sequence[DetectionPhoto], class_count: int, *, device: str, request: StopRequest
) -> Measures:
    """Judge a detector, unless its folder says how it was judged.

    Args:
        run_dir: its run folder, training done.
        photos: to judge by.
        class_count: of class_ids from 1.
        device: cpu or cuda.
        request: asks to end.

    Raises:
        DataError: a photo cannot be read.
        TrainingStopped: the request; the same command judges anew.
    """
    path = run_dir / MEASURES_NAME
    if not path.is_file():
        weights = Resampler([photo.scene for photo in photos], replicates=REPLICATES).weights
        preds, gts = _detect(load_detector(run_dir, device=device).network, photos, device, request)
        columns = {
            f"{variant}|{kind}|{name}": values
            for variant, found in preds.items()
            for kind in IOU_TYPES
            for name, values in resample_measures(evaluate_coco(found, gts, class_count, kind=kind), weights).items()
        }
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez_compressed(file, **columns)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    measures: dict[str, dict[str, dict[str, np.ndarray]]] = {}
    with np.load(path) as saved:
        for key in saved.files:
            variant, kind, name = key.split("|")
            measures.setdefault(variant, {}).setdefault(kind, {})[name] = saved[key]
    return measures


def _detect(
    detector: nn.Module, photos: Sequence[DetectionPhoto], device: str, request: StopRequest
) -> tuple[dict[str, list[CocoDetections]], list[CocoAnnotations]]:
    variants = VARIANTS[SR_RCNN if isinstance(detector, SrRcnn) else MASK_RCNN]
    preds: dict[str, list[CocoDetections]] = {name: [] for name in variants}
    gts: list[CocoAnnotations] = []
    for index, photo in enumerate(photos):
        if reason := request.reason:
            raise TrainingStopped(reason, index, len(photos), again="the same command")
        image, target = build_sample(photo)
        image = image.to(device)
        if isinstance(detector, SrRcnn):
            found = find_objects_in_modes(detector, image, list(variants.values()))
        else:
            found = [find_objects(detector, image)]
        for name, objects in zip(variants, found, strict=True):
            preds[name].append(_code(objects))
        masks = encode_masks(target["masks"].numpy().astype(bool))
        gts.append(CocoAnnotations(photo.size_hw, target["labels"].numpy(), target["boxes"].numpy(), masks))
    return preds, gts


def _code(found: FoundObjects) -> CocoDetections:
    return CocoDetections(found.class_ids, found.scores, found.boxes_xyxy_photo, encode_masks(found.masks))
