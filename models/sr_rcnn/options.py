"""What a detector is built from and what its losses weigh; the defaults are the thesis'."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

Mode = Literal["always", "never", "small", "gated"]
LrLevel = Literal["native", "same"]
Norm = Literal["batch", "frozen", "group"]
MASK_RCNN: Final = "mask-rcnn"
SR_RCNN: Final = "sr-rcnn"
RESNETS: Final = ("resnet18", "resnet34", "resnet50", "resnet101")
LITE0: Final = "efficientnet-lite0"
BACKBONES: Final = (*RESNETS, LITE0)


def check_mode(mode: str) -> None:
    """Refuse a mode of super-resolution that does not exist.

    Raises:
        ValueError: unknown mode.
    """
    _check_choice("mode", mode, get_args(Mode))


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, found {value!r}")


def _check_from(name: str, value: int, least: int) -> None:
    if value < least:
        raise ValueError(f"{name}: expected {least} or more, found {value!r}")


@dataclass(frozen=True)
class DetectorOptions:
    """Mask R-CNN as torchvision builds it; all but n_classes is the same for the plain detector and SR-RCNN.

    Attributes:
        n_classes: classes with the background, which is class 0.
        backbone: one of BACKBONES; the thesis has resnet50 and resnet101.
        norm: of the backbone: batch (from random weights), frozen (from pretrained ones), group (16 channels a group;
            ResNets only).
        trainable_layers: of the backbone from its end, 0 … 5; 5 trains all. A layer is what halves the image's side.
        channels: of every level of the feature pyramid and so of a RoI's features.
        head_dim: width of the box head's two dense layers.
        mask_channels: width of the mask head.
        min_size_px: the image's shorter side is resized to it …
        max_size_px: … unless the longer one would exceed this.
        anchor_sizes_px: side of the anchors on each of the five levels, input frame.
        aspect_ratios: height over width of the anchors of each size.
        anchors_per_image: sampled to train the proposal network.
        proposals: kept an image by the proposal network, in training; half as many at inference.
        rois_per_image: sampled for training.
        score_threshold: detections below it are dropped.
        max_detections: kept an image.
    """

    n_classes: int = 4
    backbone: str = "resnet50"
    norm: Norm = "batch"
    trainable_layers: int = 5
    channels: int = 256
    head_dim: int = 1024
    mask_channels: int = 256
    min_size_px: int = 800
    max_size_px: int = 1333
    anchor_sizes_px: tuple[int, ...] = (32, 64, 128, 256, 512)
    aspect_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    anchors_per_image: int = 256
    proposals: int = 2000
    rois_per_image: int = 512
    score_threshold: float = 0.05
    max_detections: int = 100

    def __post_init__(self) -> None:
        _check_choice("backbone", self.backbone, BACKBONES)
        _check_choice("norm", self.norm, get_args(Norm) if self.backbone in RESNETS else ("batch", "frozen"))
        _check_from("n_classes", self.n_classes, 2)
        counts = ("anchors_per_image", "rois_per_image", "max_detections")
        for name in ("channels", "head_dim", "mask_channels", "min_size_px", *counts):
            _check_from(name, getattr(self, name), 1)
        _check_from("proposals", self.proposals, 2)
        _check_from("max_size_px", self.max_size_px, self.min_size_px)
        if not 0 <= self.trainable_layers <= 5:
            raise ValueError(f"trainable_layers: expected 0 to 5, found {self.trainable_layers!r}")
        if len(self.anchor_sizes_px) != 5 or min(self.anchor_sizes_px) <= 0:
            raise ValueError(f"anchor_sizes_px: expected five sizes above 0, found {self.anchor_sizes_px!r}")
        if not self.aspect_ratios or min(self.aspect_ratios) <= 0:
            raise ValueError(f"aspect_ratios: expected ratios above 0, found {self.aspect_ratios!r}")


@dataclass(frozen=True)
class SuperResolutionOptions:
    """What SR-RCNN adds to Mask R-CNN.

    Attributes:
        n_blocks: residual blocks of the generator.
        relu_after_sum: blocks but the last end in a ReLU, as ResNet's do.
        starts_as_identity: the generator changes nothing until it has learned something.
        lr_level: which pyramid level a RoI of the half-size image is pooled from: native asks the level mapper with the
            halved box, same takes the level of the whole box.
        mode: which RoIs are super-resolved at inference: always (the thesis), never, small, gated.
        small_px: in mode small, RoIs of an area under its square; input frame.
        gate_dim: hidden values of the size gate.
    """

    n_blocks: int = 7
    relu_after_sum: bool = False
    starts_as_identity: bool = True
    lr_level: LrLevel = "native"
    mode: Mode = "always"
    small_px: float = 32.0
    gate_dim: int = 16

    def __post_init__(self) -> None:
        _check_from("n_blocks", self.n_blocks, 1)
        _check_from("gate_dim", self.gate_dim, 1)
        _check_choice("lr_level", self.lr_level, get_args(LrLevel))
        check_mode(self.mode)
        if not self.small_px > 0:
            raise ValueError(f"small_px: expected above 0, found {self.small_px!r}")


@dataclass(frozen=True)
class LossOptions:
    """Weights of the losses' terms and the readings of the thesis' formulas.

    Attributes:
        adversarial_weight: of the real/fake terms, in both losses.
        content_weight: of the mean square between super-resolved and original features.
        pair_weight: of class and box terms in the discriminator's loss, for either scale.
        rpn_box_weight: λ of the proposal network's box term; 1 is torchvision's own balance.
        is_saturating: the generator minimises log(1 − D), as written; False: −log D.
        detaches_lr: the discriminator's loss does not teach the backbone through the generator.
    """

    adversarial_weight: float = 0.001
    content_weight: float = 1.0
    pair_weight: float = 0.5
    rpn_box_weight: float = 10.0
    is_saturating: bool = True
    detaches_lr: bool = False

    def __post_init__(self) -> None:
        for name in ("adversarial_weight", "content_weight", "pair_weight", "rpn_box_weight"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}: expected 0 or more, found {getattr(self, name)!r}")


THESIS_DETECTOR: Final = DetectorOptions()
THESIS_SUPER_RESOLUTION: Final = SuperResolutionOptions()
THESIS_LOSSES: Final = LossOptions()
