"""What a GAN run is told."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from models.structures import check_limits
from models.training.options import PRECISIONS

AUGMENTS: Final[tuple[str, ...]] = ("none", "diffaugment", "ada")
SESSION_OPTIONS: Final[frozenset[str]] = frozenset({"max_minutes", "device", "progress"})
"""What may differ when a run is resumed: how it is worked off, not what it computes."""


@dataclass(frozen=True)
class GanOptions:
    """Everything that decides a run, beside its images.

    Attributes:
        canvas_px: side of an image, a power of two from 8 to 1024.
        images: real images shown to the discriminator in all, over every process.
        batch_size: images a step, over every process.
        mapping: transformer, transformer_unprojected or mlp.
        is_rgba: images have a learned alpha.
        channel_base: channels of a resolution are channel_base / resolution …
        channel_max: … and this at most.
        learning_rate: Adam's, of both networks.
        r1_gamma: weight of R1; None: by canvas and batch.
        r1_interval: steps from one R1 to the next; 0: never.
        path_length_interval: likewise of the path length; 0: never.
        path_length_weight: of its penalty.
        style_mixing: share of samples made of two styles.
        augment: of what the discriminator sees: none, diffaugment (always) or ada (as much as it needs).
        ada_ramp_images: images in which ada's probability can go from 0 to 1.
        is_mirrored: half of the real images are shown mirrored.
        average_images: half-life of the averaged generator, in images; it is shorter at the start.
        seed: of every chance.
        precision: f32, or autocast to bf16; regularisers are computed in f32.
        snapshot_images: images from one snapshot to the next.
        device: auto, cpu or cuda.
        max_minutes: end this session, resumable, after so much wall-clock time; None: never.
        progress: show a bar; None: on a terminal only.
    """

    canvas_px: int
    images: int
    batch_size: int = 32
    mapping: str = "transformer"
    is_rgba: bool = False
    channel_base: int = 32768
    channel_max: int = 512
    learning_rate: float = 0.002
    r1_gamma: float | None = None
    r1_interval: int = 16
    path_length_interval: int = 4
    path_length_weight: float = 2.0
    style_mixing: float = 0.9
    augment: str = "ada"
    ada_ramp_images: int = 500_000
    is_mirrored: bool = True
    average_images: int = 10_000
    seed: int = 0
    precision: str = "f32"
    snapshot_images: int = 50_000
    device: str = "auto"
    max_minutes: float | None = None
    progress: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what no run can do.

        Raises:
            ValueError: names the option, what was expected and what was found.
        """
        limits: dict[str, tuple[bool, str]] = {
            "images": (self.images >= 1, "1 or more"),
            "seed": (self.seed >= 0, "0 or more"),
            "batch_size": (self.batch_size >= 2, "2 or more"),
            "learning_rate": (self.learning_rate > 0, "a number above 0"),
            "r1_gamma": (self.r1_gamma is None or self.r1_gamma >= 0, "0 or more"),
            "r1_interval": (self.r1_interval >= 0, "0 or more"),
            "path_length_interval": (self.path_length_interval >= 0, "0 or more"),
            "style_mixing": (0 <= self.style_mixing <= 1, "0 to 1"),
            "augment": (self.augment in AUGMENTS, f"one of {', '.join(AUGMENTS)}"),
            "ada_ramp_images": (self.ada_ramp_images >= 1, "1 or more"),
            "average_images": (self.average_images >= 1, "1 or more"),
            "precision": (self.precision in PRECISIONS[:2], f"one of {', '.join(PRECISIONS[:2])}"),
            "snapshot_images": (self.snapshot_images >= 1, "1 or more"),
            "device": (self.device in ("auto", "cpu", "cuda"), "auto, cpu or cuda"),
            "max_minutes": (self.max_minutes is None or self.max_minutes > 0, "a number above 0"),
        }
        check_limits(self, limits)

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return -(-self.images // self.batch_size)

    def deciding(self) -> Mapping[str, Any]:
        """The options that a resumed run must share."""
        return {name: value for name, value in asdict(self).items() if name not in SESSION_OPTIONS}
