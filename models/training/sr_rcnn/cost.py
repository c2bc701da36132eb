"""What super-resolution costs at inference: every variant in turn on the same photos, as ratios to plain Mask R-CNN."""

import time
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from models.sr_rcnn.detector import SrRcnn
from models.sr_rcnn.options import MASK_RCNN, SR_RCNN
from models.training.sr_rcnn.inference import find_objects
from models.training.sr_rcnn.measuring import VARIANTS


def time_variants(detectors: Mapping[str, nn.Module], images: Sequence[torch.Tensor]) -> dict[str, dict[str, float]]:
    """Time detection.

    Args:
        detectors: mask-rcnn and sr-rcnn, in evaluation mode; the latter keeps its mode.
        images: float32 (3, H, W), on the detectors' device; the first is shown to each variant once before.

    Returns:
        By variant: ms_per_photo, the median over the images, and ratio, the median over the images of its time over
        that of plain Mask R-CNN on the same image.
    """
    calls = [(variant, name, mode) for name, modes in VARIANTS.items() for variant, mode in modes.items()]
    times_ms: dict[str, list[float]] = {variant: [] for variant, _, _ in calls}
    kept = detectors[SR_RCNN].mode
    for number, image in enumerate([images[0], *images]):
        for variant, name, mode in calls:
            detector = detectors[name]
            if isinstance(detector, SrRcnn):
                detector.mode = mode
            elapsed_ms = _time_ms(detector, image)
            if number:
                times_ms[variant].append(elapsed_ms)
    detectors[SR_RCNN].mode = kept
    plain = np.array(times_ms[MASK_RCNN])
    return {
        variant: {"ms_per_photo": float(np.median(own)), "ratio": float(np.median(np.array(own) / plain))}
        for variant, own in times_ms.items()
    }


def _time_ms(detector: nn.Module, image: torch.Tensor) -> float:
    start_s = time.perf_counter()
    find_objects(detector, image)  # its arrays are on the CPU: whatever ran elsewhere has ended
    return 1000 * (time.perf_counter() - start_s)
