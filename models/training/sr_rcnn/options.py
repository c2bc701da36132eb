"""What a comparison of SR-RCNN and Mask R-CNN is told: presets, flags, and what a resumed one must share."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from models.sr_rcnn.options import MASK_RCNN, SR_RCNN, DetectorOptions, LossOptions, SuperResolutionOptions
from models.structures import check_limits
from models.training.options import DEVICES, PRECISIONS

DETECTORS: Final = (MASK_RCNN, SR_RCNN)
THESIS_EPOCHS: Final = 26
DROP_SHARES: Final = (16 / 26, 22 / 26)
"""Source: the thesis lowers SGD's rate at epochs 16 and 22 of 26."""
SESSION_OPTIONS: Final = frozenset({"device", "max_minutes", "workers", "progress"})
"""What may differ when a run is resumed: how it is worked off, not what it computes."""


@dataclass(frozen=True)
class RunOptions:
    """Everything that decides a comparison, beside its photos.

    Attributes:
        detector: both detectors' Mask R-CNN; its n_classes follows the classes.
        super_resolution: what SR-RCNN adds.
        losses: of SR-RCNN; plain Mask R-CNN keeps torchvision's own.
        base_iterations: optimizer steps of one plain Mask R-CNN that both detectors of every seed then go on from; 0:
            each pair starts from its own seed's weights.
        iterations: optimizer steps of each detector; None: 26 passes over the photos of train, as in the thesis.
        gate_iterations: steps of the size gate afterwards, everything else frozen; 0: the gate stays half open.
        gate_share: of train's scenes, which only the gate learns from.
        batch_size: photos a step, over every process.
        learning_rate: SGD's, of all but the generator and the gate, for each process.
        generator_rate: AdamW's, of the generator.
        gate_rate: AdamW's, of the gate.
        weight_decay: SGD's.
        warmup_iterations: in which SGD's rate grows from a thousandth.
        jitter_sizes_px: shorter sides that training chooses from beside the detector's own.
        max_gradient_norm: SGD's gradients are shortened to it.
        seeds: of the detectors; both detectors of a seed share start, batches and chance.
        share: of train's scenes that are learned from, (0, 1].
        encoder_weights_sha256: of the file that the backbones start from; empty: chance.
        precision: f32, or autocast to bf16.
        timed_photos: whose detection is timed.
        device: auto, cpu or cuda.
        workers: threads that make batches.
        max_minutes: end this session, resumable, after so much wall-clock time; None: never.
        progress: show a bar; None: on a terminal only.
    """

    detector: DetectorOptions = field(default_factory=DetectorOptions)
    super_resolution: SuperResolutionOptions = field(default_factory=SuperResolutionOptions)
    losses: LossOptions = field(default_factory=LossOptions)
    base_iterations: int = 0
    iterations: int | None = None
    gate_iterations: int = 500
    gate_share: float = 0.1
    batch_size: int = 2
    learning_rate: float = 0.0025
    generator_rate: float = 1e-4
    gate_rate: float = 1e-2
    weight_decay: float = 1e-4
    warmup_iterations: int = 0
    jitter_sizes_px: tuple[int, ...] = ()
    max_gradient_norm: float = 10.0
    seeds: tuple[int, ...] = (1, 2, 3)
    share: float = 1.0
    encoder_weights_sha256: str = ""
    precision: str = "f32"
    timed_photos: int = 20
    device: str = "auto"
    workers: int = 2
    max_minutes: float | None = None
    progress: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: names the option, what was expected and what was found.
        """
        rates = {
            name: (getattr(self, name) > 0, "a number above 0")
            for name in ("learning_rate", "generator_rate", "gate_rate", "max_gradient_norm")
        }
        check_limits(
            self,
            {
                "base_iterations": (self.base_iterations >= 0, "0 or more"),
                "iterations": (self.iterations is None or self.iterations >= 1, "1 or more"),
                "gate_iterations": (self.gate_iterations >= 0, "0 or more"),
                "gate_share": (0 < self.gate_share < 1, "a number between 0 and 1"),
                "batch_size": (self.batch_size >= 1, "1 or more"),
                **rates,
                "weight_decay": (self.weight_decay >= 0, "0 or more"),
                "warmup_iterations": (self.warmup_iterations >= 0, "0 or more"),
                "jitter_sizes_px": (
                    all(1 <= size <= self.detector.max_size_px for size in self.jitter_sizes_px),
                    f"sizes from 1 to max_size_px, {self.detector.max_size_px}",
                ),
                "seeds": (bool(self.seeds) and len(set(self.seeds)) == len(self.seeds), "one or more that differ"),
                "share": (0 < self.share <= 1, "above 0, to 1"),
                "precision": (self.precision in PRECISIONS[:2], f"one of {', '.join(PRECISIONS[:2])}"),
                "timed_photos": (self.timed_photos >= 1, "1 or more"),
                "device": (self.device in DEVICES, f"one of {', '.join(DEVICES)}"),
                "workers": (self.workers >= 1, "1 or more"),
                "max_minutes": (self.max_minutes is None or self.max_minutes > 0, "a number above 0"),
            },
        )

    def deciding(self) -> dict[str, Any]:
        """The options that a resumed run must share."""
        return {name: value for name, value in asdict(self).items() if name not in SESSION_OPTIONS}


PRESETS: Final[Mapping[str, RunOptions]] = {
    "smoke": RunOptions(
        detector=DetectorOptions(
            backbone="resnet18", norm="group", channels=16, head_dim=32, mask_channels=16, min_size_px=96,
            max_size_px=128, anchor_sizes_px=(8, 16, 32, 64, 128), proposals=50, rois_per_image=16,
        ),
        super_resolution=SuperResolutionOptions(n_blocks=2),
        base_iterations=2, iterations=4, gate_iterations=2, seeds=(1, 2), timed_photos=2, device="cpu", workers=1,
    ),
    "cpu": RunOptions(
        detector=DetectorOptions(
            backbone="efficientnet-lite0", trainable_layers=3, channels=64, head_dim=256, mask_channels=64,
            min_size_px=512, max_size_px=640, anchor_sizes_px=(8, 16, 32, 64, 128),
            aspect_ratios=(0.25, 0.5, 1.0, 2.0, 4.0), anchors_per_image=64, proposals=1000, rois_per_image=64,
        ),
        losses=LossOptions(rpn_box_weight=1.0),  # as plain Mask R-CNN's, that the proposals be no difference
        base_iterations=3000, iterations=600, gate_iterations=300, batch_size=2, learning_rate=0.01,
        warmup_iterations=50, device="cpu",
    ),
    "gpu": RunOptions(device="cuda", workers=8, precision="bf16"),
}  # fmt: skip


def choose_options(
    preset: str,
    *,
    backbone: str | None = None,
    norm: str | None = None,
    min_size_px: int | None = None,
    max_size_px: int | None = None,
    has_weights: bool = False,
    rpn_box_weight: float | None = None,
    detaches_lr: bool = False,
    is_saturating: bool = True,
    lr_level: str | None = None,
    seeds: int | None = None,
    **given: Any,
) -> RunOptions:
    """A preset with what a user changes.

    Args:
        preset: one of PRESETS.
        backbone: as DetectorOptions.
        norm: as DetectorOptions; None: frozen where the backbone has pretrained weights, else group, or batch for a
            backbone that has no group norm.
        min_size_px: as DetectorOptions.
        max_size_px: as DetectorOptions.
        has_weights: the backbone starts from pretrained weights.
        rpn_box_weight: as LossOptions.
        detaches_lr: as LossOptions.
        is_saturating: as LossOptions.
        lr_level: as SuperResolutionOptions.
        seeds: how many detectors of each kind; their seeds are 1, 2 …
        given: of RunOptions; None: the preset's.

    Raises:
        ValueError: unknown preset, or a value that cannot be.
    """
    if preset not in PRESETS:
        raise ValueError(f"preset: expected one of {', '.join(PRESETS)}, found {preset!r}")
    base = PRESETS[preset]
    if seeds is not None and seeds < 1:
        raise ValueError(f"seeds: expected 1 or more, found {seeds}")
    detector = {"backbone": backbone, "min_size_px": min_size_px, "max_size_px": max_size_px}
    detector = {name: value for name, value in detector.items() if value is not None}
    chosen_backbone = detector.get("backbone", base.detector.backbone)
    without_weights = "group" if str(chosen_backbone).startswith("resnet") else "batch"
    detector["norm"] = norm or ("frozen" if has_weights else without_weights)
    losses = replace(base.losses, detaches_lr=detaches_lr, is_saturating=is_saturating)
    return replace(
        base,
        detector=replace(base.detector, **detector),
        super_resolution=replace(base.super_resolution, lr_level=lr_level or base.super_resolution.lr_level),
        losses=losses if rpn_box_weight is None else replace(losses, rpn_box_weight=rpn_box_weight),
        seeds=base.seeds if seeds is None else tuple(range(1, seeds + 1)),
        **{name: value for name, value in given.items() if value is not None},
    )
