"""What a trained detector finds on one photo, SR-RCNN in any of its modes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from models.sr_rcnn.detector import SrRcnn
from models.sr_rcnn.options import Mode

MASK_THRESHOLD = 0.5


@dataclass(frozen=True)
class FoundObjects:
    """n objects on one photo, by falling score.

    Attributes:
        boxes_xyxy_photo: float32 (n, 4).
        class_ids: int64 (n,), from 1.
        scores: float32 (n,), [0, 1].
        masks: bool (n, H, W), photo frame.
    """

    boxes_xyxy_photo: np.ndarray
    class_ids: np.ndarray
    scores: np.ndarray
    masks: np.ndarray


@torch.inference_mode()
def find_objects(detector: nn.Module, image: torch.Tensor) -> FoundObjects:
    """Detect objects.

    Args:
        detector: a MaskRCNN or an SrRcnn in its mode, in evaluation mode.
        image: float32 (3, H, W) RGB in [0, 1], on the detector's device.
    """
    return _convert(detector([image])[0])


@torch.inference_mode()
def find_objects_in_modes(detector: SrRcnn, image: torch.Tensor, modes: Sequence[Mode]) -> list[FoundObjects]:
    """Detect objects in several modes; backbone and proposals, which all share, are computed once.

    Args:
        detector: in evaluation mode; keeps its mode.
        image: as find_objects.
        modes: of super-resolution.
    """
    batch, _ = detector.transform([image])
    features = detector.backbone(batch.tensors)
    proposals, _ = detector.rpn(batch, features)
    mode, found = detector.mode, []
    for chosen in modes:
        detector.mode = chosen
        objects, _ = detector.roi_heads(features, proposals, batch.image_sizes)
        found.append(_convert(detector.transform.postprocess(objects, batch.image_sizes, [tuple(image.shape[-2:])])[0]))
    detector.mode = mode
    return found


def _convert(found: dict[str, torch.Tensor]) -> FoundObjects:
    return FoundObjects(
        found["boxes"].float().cpu().numpy(),
        found["labels"].cpu().numpy(),
        found["scores"].float().cpu().numpy(),
        (found["masks"][:, 0] >= MASK_THRESHOLD).cpu().numpy(),
    )
