"""Puts a Mask R-CNN and an SR-RCNN together, untrained, from the same start."""

import numpy as np
import timm
import torch
from timm.layers import freeze_batch_norm_2d
from torch import nn
from torchvision.models import resnet
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads
from torchvision.ops import FrozenBatchNorm2d

from models.sr_rcnn.detector import SrRcnn
from models.sr_rcnn.options import (
    LITE0,
    THESIS_DETECTOR,
    THESIS_LOSSES,
    THESIS_SUPER_RESOLUTION,
    DetectorOptions,
    LossOptions,
    SuperResolutionOptions,
)
from models.sr_rcnn.precision import (
    Float32Fpn,
    Float32MaskPredictor,
    Float32Predictor,
    Float32RpnHead,
    Float32TimmFpn,
)

RESNET_LAYERS = ("layer4", "layer3", "layer2", "layer1", "conv1")
LITE0_LAYERS = (
    ("blocks.5.", "blocks.6."),
    ("blocks.3.", "blocks.4."),
    ("blocks.2.",),
    ("blocks.1.",),
    ("conv_stem.", "bn1.", "blocks.0."),
)
LITE0_MEAN, LITE0_STD = 127 / 255, 128 / 255
"""What the published weights of EfficientNet-Lite0 were trained with."""
POOLED_CELLS = 7
GROUP_CHANNELS = 16


def build_mask_rcnn(options: DetectorOptions = THESIS_DETECTOR, *, seed: int = 0) -> MaskRCNN:
    """Build torchvision's Mask R-CNN with random weights, on the CPU; the same arguments give the same weights.

    Args:
        options: of the detector; a state dict of torchvision's Mask R-CNN on the same backbone fits the defaults.
        seed: of the weights; torch's global generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = _build_lite0(options) if options.backbone == LITE0 else _build_resnet(options)
        anchors = AnchorGenerator(tuple((size,) for size in options.anchor_sizes_px), (options.aspect_ratios,) * 5)
        return MaskRCNN(
            backbone,
            min_size=options.min_size_px,
            max_size=options.max_size_px,
            image_mean=(LITE0_MEAN,) * 3 if options.backbone == LITE0 else None,
            image_std=(LITE0_STD,) * 3 if options.backbone == LITE0 else None,
            rpn_anchor_generator=anchors,
            rpn_head=Float32RpnHead(options.channels, len(options.aspect_ratios)),
            rpn_batch_size_per_image=options.anchors_per_image,
            rpn_pre_nms_top_n_train=options.proposals,
            rpn_post_nms_top_n_train=options.proposals,
            rpn_pre_nms_top_n_test=options.proposals // 2,
            rpn_post_nms_top_n_test=options.proposals // 2,
            box_head=TwoMLPHead(options.channels * POOLED_CELLS**2, options.head_dim),
            box_predictor=Float32Predictor(options.head_dim, options.n_classes),
            box_score_thresh=options.score_threshold,
            box_detections_per_img=options.max_detections,
            box_batch_size_per_image=options.rois_per_image,
            mask_head=MaskRCNNHeads(options.channels, (options.mask_channels,) * 4, 1),
            mask_predictor=Float32MaskPredictor(options.mask_channels, options.mask_channels, options.n_classes),
        )


def build_sr_rcnn(
    options: DetectorOptions = THESIS_DETECTOR,
    super_resolution: SuperResolutionOptions = THESIS_SUPER_RESOLUTION,
    losses: LossOptions = THESIS_LOSSES,
    *,
    seed: int = 0,
) -> SrRcnn:
    """Build an SR-RCNN with random weights; what it shares with build_mask_rcnn's has the same ones.

    Args:
        options: of the Mask R-CNN in it.
        super_resolution: of what is added.
        losses: of its training.
        seed: as of build_mask_rcnn.
    """
    mask_rcnn = build_mask_rcnn(options, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_spread(seed))
        return SrRcnn(mask_rcnn, super_resolution, losses)


def _build_resnet(options: DetectorOptions) -> Float32Fpn:
    norm = {
        "batch": nn.BatchNorm2d,
        "frozen": FrozenBatchNorm2d,
        "group": _build_group_norm,
    }[options.norm]
    body = getattr(resnet, options.backbone)(weights=None, norm_layer=norm)
    trained = (*RESNET_LAYERS[: options.trainable_layers], *(("bn1",) if options.trainable_layers == 5 else ()))
    for name, parameter in body.named_parameters():
        parameter.requires_grad_(name.startswith(trained))
    narrowest = body.inplanes // 8
    return Float32Fpn(
        body,
        return_layers={f"layer{level + 1}": str(level) for level in range(4)},
        in_channels_list=[narrowest * 2**level for level in range(4)],
        out_channels=options.channels,
    )


def _build_lite0(options: DetectorOptions) -> Float32TimmFpn:
    body = timm.create_model("tf_efficientnet_lite0", pretrained=False, features_only=True, out_indices=(1, 2, 3, 4))
    if options.norm == "frozen":
        body = freeze_batch_norm_2d(body)
    trained = tuple(prefix for layer in LITE0_LAYERS[: options.trainable_layers] for prefix in layer)
    for name, parameter in body.named_parameters():
        parameter.requires_grad_(name.startswith(trained))
    return Float32TimmFpn(body, options.channels, _build_group_norm)


def _spread(seed: int) -> int:
    """A seed that callers do not use: what is new must not repeat the first weights' values."""
    return int(np.random.SeedSequence([seed, *b"sr_rcnn"]).generate_state(1, np.uint64)[0])


def _build_group_norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(max(channels // GROUP_CHANNELS, 1), channels)
