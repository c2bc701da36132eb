"""The same RoIs of an image and of its half-size copy.

Frames: input is the image as the detector resized it, half is its copy of half that side. A box of the half frame is
0.5 times the box of the input frame.

RoIAlign counts a RoI narrower than one cell as one cell, so pairs cover the same part of the image from 8 input pixels
on, two cells of the finest level; narrower RoIs see more of the half-size image than of the image.
"""

from typing import NamedTuple

import torch
from torch.nn import functional as F
from torchvision.ops import MultiScaleRoIAlign

from models.sr_rcnn.options import LrLevel
from models.structures import ContractError


class PairedRois(NamedTuple):
    """N sampled RoIs of a batch, at both scales, with their targets and the losses that need no generator.

    Attributes:
        lr_features: float32 (N, C, S, S), pooled from the half-size images, with their graph.
        hr_features: float32 (N, C, S, S), pooled from the images, with their graph.
        boxes_xyxy_input: float32 (N, 4), input frame.
        labels: int64 (N,), 0 background.
        box_targets: float32 (N, 4), encoded deltas; of background RoIs without meaning.
        detector_losses: scalars with their graph: rpn_objectness, rpn_box, mask.
    """

    lr_features: torch.Tensor
    hr_features: torch.Tensor
    boxes_xyxy_input: torch.Tensor
    labels: torch.Tensor
    box_targets: torch.Tensor
    detector_losses: dict[str, torch.Tensor]


def halve_images(images: torch.Tensor) -> torch.Tensor:
    """Halve the side of images: every pixel is the mean of 2x2, which is what bilinear halving gives.

    Args:
        images: float (N, 3, H, W), both sides even.

    Returns:
        float (N, 3, H / 2, W / 2).

    Raises:
        ContractError: an odd side.
    """
    if images.ndim != 4 or images.shape[2] % 2 or images.shape[3] % 2:
        raise ContractError(f"images: expected shape (any, any, even, even), found {tuple(images.shape)}")
    return F.avg_pool2d(images, 2)


def halve_boxes(boxes_xyxy_input: list[torch.Tensor]) -> list[torch.Tensor]:
    """Boxes (n, 4) an image of the input frame in the half frame."""
    return [boxes * 0.5 for boxes in boxes_xyxy_input]


def build_lr_pool(pool: MultiScaleRoIAlign, level: LrLevel) -> MultiScaleRoIAlign:
    """Build what pools RoIs from the half-size images' pyramid.

    Args:
        pool: what pools them from the images' pyramid.
        level: native: the level mapper sees the halved box and so gives the next finer level, where there is one;
            same: the level of the whole box, by a mapper of half the canonical size.

    Source: the mapper is Lin et al. 2017, arXiv 1612.03144, eq. 1.
    """
    canonical = pool.canonical_scale if level == "native" else pool.canonical_scale / 2
    return MultiScaleRoIAlign(
        pool.featmap_names,
        pool.output_size,
        pool.sampling_ratio,
        canonical_scale=canonical,
        canonical_level=pool.canonical_level,
    )


def pool_pairs(
    pools: tuple[MultiScaleRoIAlign, MultiScaleRoIAlign],
    features: dict[str, torch.Tensor],
    half_features: dict[str, torch.Tensor],
    boxes_xyxy_input: list[torch.Tensor],
    padded_hw: tuple[int, int],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pool the same RoIs at both scales.

    Args:
        pools: for the half-size images, for the images.
        features: {level: float32 (B, C, h, w)} of the images.
        half_features: likewise of their halves.
        boxes_xyxy_input: (n, 4) an image.
        padded_hw: sides of the batch that gave features.

    Returns:
        lr and hr features, float32 (N, C, S, S); row i of both is the same RoI.
    """
    half_hw = (padded_hw[0] // 2, padded_hw[1] // 2)
    lr = pools[0](half_features, halve_boxes(boxes_xyxy_input), [half_hw])
    return lr, pools[1](features, boxes_xyxy_input, [padded_hw])
