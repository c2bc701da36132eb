"""COCO's own evaluation of boxes and masks, by pycocotools, and its averages on resampled photos."""

from models.evaluation.coco.precision import (
    IOU_TYPES,
    MEASURES,
    CocoAnnotations,
    CocoDetections,
    CocoOutcome,
    encode_masks,
    evaluate_coco,
)
from models.evaluation.coco.resampling import resample_measures

__all__ = [
    "IOU_TYPES",
    "MEASURES",
    "CocoAnnotations",
    "CocoDetections",
    "CocoOutcome",
    "encode_masks",
    "evaluate_coco",
    "resample_measures",
]
