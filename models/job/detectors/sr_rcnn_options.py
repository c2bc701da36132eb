"""What the names sr-rcnn and mask-rcnn stand for, and how the job's few options become those of their training."""

import math
from dataclasses import replace
from typing import Final

from models.job.detectors.options import DetectorOptions
from models.training.sr_rcnn.options import DETECTORS, PRESETS, RunOptions, choose_options

SIZES: Final = {"": "cpu", "-resnet50": "gpu", "-tiny": "smoke"}
"""What follows a detector's name, and the preset of `models train sr-rcnn` whose networks it means: EfficientNet-Lite0
with a pyramid of 64 channels; the thesis' ResNet50, 256 channels; ResNet18, 16 channels, for tests."""
CFGS: Final = {f"{name}{size}": (name, preset) for size, preset in SIZES.items() for name in DETECTORS}
"""Name to detector and preset."""
RATE_PER_PHOTO: Final = 0.02 / 16
"""Source: Goyal et al. 2017, arXiv 1706.02677: SGD's rate grows with the batch; 0.02 at 16 photos is Mask R-CNN's.
Here: not below the preset's own, which is of two photos."""
LONGEST_WARMUP: Final = 500
ANCHOR_SHARE: Final = 1 / 32
"""Of the smallest anchor in the input's side: 16 pixels at 512, as the preset cpu has it …"""
ANCHOR_LIMITS_PX: Final = (8, 32)
"""… but not below two cells of the finest level, nor above what the thesis has at 1333."""


def choose_run(
    options: DetectorOptions, *, photos: int, class_count: int, weights_sha256: str = "", norm: str | None = None
) -> RunOptions:
    """Decide a training.

    Args:
        options: the job's.
        photos: learned from.
        class_count: without the background.
        weights_sha256: of the file that the backbone starts from; empty: none.
        norm: of the backbone, as the detector to start from has it; None: as fits the weights or their lack.

    Returns:
        Of `models train sr-rcnn`; its iterations are as many as the epochs have batches, the size gate learns nothing.
    """
    preset = CFGS[options.cfg][1]
    iterations = options.epochs * math.ceil(photos / options.batch_size)
    run = choose_options(
        preset,
        norm=norm,
        has_weights=bool(weights_sha256),
        min_size_px=options.input_px,  # the longer side alone decides
        max_size_px=options.input_px,
        iterations=iterations,
        gate_iterations=0,
        batch_size=options.batch_size,
        learning_rate=max(PRESETS[preset].learning_rate, RATE_PER_PHOTO * options.batch_size),
        warmup_iterations=min(LONGEST_WARMUP, iterations // 10),
        encoder_weights_sha256=weights_sha256,
        precision="f32" if options.device == "cpu" else "bf16",
    )
    low, high = ANCHOR_LIMITS_PX
    smallest = min(max(round(ANCHOR_SHARE * options.input_px), low), high)
    anchors = tuple(smallest * 2**level for level in range(5))
    return replace(run, detector=replace(run.detector, n_classes=class_count + 1, anchor_sizes_px=anchors))
