"""A detector of a few channels, a batch of two images (the second without objects) and how to compare weights."""

import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from models.sr_rcnn.build import build_sr_rcnn  # noqa: E402
from models.sr_rcnn.options import DetectorOptions, LossOptions, SuperResolutionOptions  # noqa: E402

TINY = DetectorOptions(
    backbone="resnet18",
    norm="group",
    channels=8,
    head_dim=16,
    mask_channels=4,
    min_size_px=64,
    max_size_px=96,
    anchor_sizes_px=(8, 16, 32, 64, 128),
    proposals=40,
    rois_per_image=16,
    score_threshold=0.0,
    max_detections=10,
)


def build_tiny(*, losses=None, **super_resolution):
    options = SuperResolutionOptions(**({"n_blocks": 3, "starts_as_identity": False} | super_resolution))
    return build_sr_rcnn(TINY, options, losses or LossOptions())


def build_batch():
    images = list(torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1)))
    masks = torch.zeros(2, 64, 96, dtype=torch.uint8)
    masks[0, 10:30, 12:32] = 1
    masks[1, 20:60, 40:90] = 1
    boxes = torch.tensor([[12.0, 10, 32, 30], [40, 20, 90, 60]])
    some = {"boxes": boxes, "labels": torch.tensor([1, 3]), "masks": masks}
    none = {"boxes": boxes[:0], "labels": torch.zeros(0, dtype=torch.int64), "masks": masks[:0]}
    return images, [some, none]


def pair(detector, seed=2):
    return detector.pair(*build_batch(), torch.Generator().manual_seed(seed))


def copy_state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def name_changes(before, module):
    return {name for name, value in module.state_dict().items() if not torch.equal(before[name], value)}
