"""How large a job is: smoke (a test), cpu (hours on two cores), gpu (a night on one GPU)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from models.evaluation.proof.arms import RGBA_BLEND
from models.job.augmented import AugmentedOptions
from models.job.crops import CropsOptions
from models.job.detector import DetectorOptions
from models.job.extraction import ExtractionOptions
from models.job.placement import PlacementOptions
from models.job.promotion import ProofOptions
from models.job.screening import ScreeningOptions
from models.structures import check_limits
from models.training.gan import GanOptions


@dataclass(frozen=True)
class JobOptions:
    """Everything that decides a job, beside its data and class.

    Attributes:
        crops: how training images are cut.
        gan: the generator's training; the mapping that is compared with it trains alike.
        compared_mapping: mapping whose curve is shown beside the generator's; None: none.
        measured_images: generated for each point of a curve.
        instances: generated in all.
        screening: which rule decides.
        arms: of the proof, beside the baseline.
        ratios: photos added over photos of train that are tried, (0, 1].
        seeds: of the detectors; arms share them.
        detector: how each is trained; its epochs are of the highest ratio, lower ones and the baseline pass over their
            fewer photos more often, so that every arm makes about as many iterations.
        start_epochs: passes over the real photos that all detectors of a seed start from; 0: each starts anew.
        placement: how places are drawn; their count follows the ratios.
        extraction_mode: how instances are cut out for every arm but the one that blends, which takes their alpha.
        blend: of the arm that blends.
        match_strength: likewise, how far light and colour move to the surroundings'.
        min_change: of every arm, how much a paste must show.
        proof: of the decision.
        seed: of instances, places and pastes.
    """

    crops: CropsOptions
    gan: GanOptions
    detector: DetectorOptions
    arms: tuple[str, ...] = ("repeat", "real_crop_paste", "gan_unscreened", "gan_screened", "rgba_blend")
    ratios: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4)
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    compared_mapping: str | None = "mlp"
    measured_images: int = 2000
    instances: int = 4000
    screening: ScreeningOptions = field(default_factory=ScreeningOptions)
    start_epochs: int = 0
    placement: PlacementOptions = field(default_factory=lambda: PlacementOptions(count=1))
    extraction_mode: str = "mask"
    blend: str = "feathered"
    match_strength: float = 0.5
    min_change: float = 0.0
    proof: ProofOptions = field(default_factory=ProofOptions)
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: names the option, what was expected and what was found.
        """
        limits = {
            "ratios": (
                bool(self.ratios)
                and all(0 < ratio <= 1 and round(100 * ratio) / 100 == ratio for ratio in self.ratios),
                "whole hundredths above 0, to 1",
            ),
            "seeds": (len(set(self.seeds)) == len(self.seeds) >= 2, "two or more that differ"),
        }
        check_limits(self, limits)
        for arm in self.arms:
            AugmentedOptions(arm, 1, blend=self.blend, match_strength=self.match_strength, min_change=self.min_change)
        ExtractionOptions(self.extraction_mode)


DAMAGE_MIN_SIDE_PX: Final = 5
DAMAGE_MIN_CHANGE: Final = 12.0

PRESETS: Final[Mapping[str, JobOptions]] = {
    "smoke": JobOptions(
        crops=CropsOptions(canvas_px=16, alpha="grabcut"),
        gan=GanOptions(
            canvas_px=16, images=64, batch_size=8, is_rgba=True, channel_base=128, channel_max=8, snapshot_images=32,
            ada_ramp_images=1000, average_images=100, device="cpu",
        ),
        measured_images=24,
        instances=96,
        screening=ScreeningOptions(rule="multi"),
        ratios=(0.3,),
        seeds=(1, 2),
        detector=DetectorOptions(cfg="yolov5nu.yaml", epochs=1, batch_size=8, input_px=64),
        proof=ProofOptions(replicates=200, shuffles=20),
    ),
    "cpu": JobOptions(
        crops=CropsOptions(canvas_px=32, alpha="grabcut", min_side_px=14),
        gan=GanOptions(
            canvas_px=32, images=300_000, batch_size=16, is_rgba=True, channel_base=1024, channel_max=96,
            snapshot_images=25_000, ada_ramp_images=100_000, average_images=5000, seed=1,
        ),
        measured_images=500,
        instances=2000,
        ratios=(0.2, 0.4),
        seeds=(1, 2, 3),
        detector=DetectorOptions(cfg="yolov5nu.yaml", epochs=5, batch_size=16, input_px=160),
        start_epochs=30,
        proof=ProofOptions(seed_spread="pooled"),
    ),
    "gpu": JobOptions(
        crops=CropsOptions(canvas_px=64, alpha="grabcut", min_side_px=14),
        gan=GanOptions(
            canvas_px=64, images=3_000_000, batch_size=32, is_rgba=True, channel_base=16384, channel_max=512,
            snapshot_images=100_000, precision="bf16", device="cuda",
        ),
        instances=10_000,
        detector=DetectorOptions(cfg="yolov5su.yaml", epochs=50, batch_size=64, input_px=416, device="0"),
        start_epochs=100,
    ),
}  # fmt: skip


def choose_options(
    preset: str,
    *,
    detector_cfg: str | None = None,
    weights: Path | None = None,
    device: str | None = None,
    alpha: str | None = None,
    min_aspect: float | None = None,
    within: str | None = None,
    is_damage: bool = False,
) -> JobOptions:
    """A preset with what a user changes.

    Args:
        preset: one of PRESETS.
        detector_cfg: as DetectorOptions.cfg; None: the preset's.
        weights: as DetectorOptions.weights.
        device: cpu or cuda, for the GAN and the detector; None: the preset's.
        alpha: as CropsOptions.alpha; without it there is no RGBA arm. None: the preset's.
        min_aspect: as CropsOptions.min_aspect; None: the preset's.
        within: as PlacementOptions.within.
        is_damage: the class is damage, outlined by annotators: small instances, cut out along their outlines, blended
            into photos that show none, where they can be seen.

    Raises:
        ValueError: unknown preset or alpha.
    """
    if preset not in PRESETS:
        raise ValueError(f"preset: expected one of {', '.join(PRESETS)}, found {preset!r}")
    options = PRESETS[preset]
    if detector_cfg is not None:
        options = replace(options, detector=replace(options.detector, cfg=detector_cfg))
    options = replace(options, detector=replace(options.detector, weights=weights))
    if device is not None:
        options = replace(
            options,
            gan=replace(options.gan, device=device),
            detector=replace(options.detector, device="0" if device == "cuda" else device),
        )
    if is_damage:
        options = replace(
            options,
            crops=replace(options.crops, alpha="outline", min_side_px=DAMAGE_MIN_SIDE_PX),
            placement=replace(options.placement, onto="without", min_side_px=DAMAGE_MIN_SIDE_PX),
            extraction_mode="alpha",
            blend="poisson",
            match_strength=0.0,
            min_change=DAMAGE_MIN_CHANGE,
        )
    if min_aspect is not None:
        options = replace(options, crops=replace(options.crops, min_aspect=min_aspect))
    options = replace(options, placement=replace(options.placement, within=within))
    return options if alpha is None else _with_alpha(options, alpha)


def _with_alpha(options: JobOptions, alpha: str) -> JobOptions:
    """Take transparency from somewhere else, or do without."""
    options = replace(options, crops=replace(options.crops, alpha=alpha))
    if alpha != "none":
        return options
    return replace(
        options,
        gan=replace(options.gan, is_rgba=False),
        arms=tuple(arm for arm in options.arms if arm != RGBA_BLEND),
        extraction_mode="mask",
    )
