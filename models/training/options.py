"""What a training run is told: presets, flags, and the file that records them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from models.structures import check_limits
from models.training.errors import TrainingError

OPTIONS_NAME: Final = "training_options.json"
CHECKPOINT_NAME: Final = "checkpoint.pt"
LIBRARIES: Final[tuple[str, ...]] = ("torch", "ultralytics", "segmentation-models-pytorch", "timm")
DEVICES: Final[tuple[str, ...]] = ("auto", "cpu", "cuda")
PRECISIONS: Final[tuple[str, ...]] = ("f32", "bf16", "fp16")
AUGMENTATIONS: Final[tuple[str, ...]] = ("rotation", "upside_down", "cutout", "grid_mask", "mixup", "cutmix")
LOSS_TERMS: Final[tuple[str, ...]] = ("bce", "dice", "tversky", "focal", "lovasz")
DEFAULT_LOSS: Final = "bce+dice"
SESSION_OPTIONS: Final[frozenset[str]] = frozenset({"out", "max_minutes", "device", "workers", "progress"})
"""What may differ when a run is resumed: how it is worked off, not what it computes."""
NETWORK_OPTIONS: Final[dict[str, tuple[str, ...]]] = {
    "localizer": ("cfg",),
    "gate": (),
    "segmenter": ("architecture", "encoder", "decoder_channels"),
}
"""Arguments of each network's build function."""
NOT_FOR: Final[dict[str, tuple[str, ...]]] = {
    "localizer": (
        "loss",
        "architecture",
        "encoder",
        "decoder_channels",
        "encoder_weights",
        "frozen_stages",
        "noise",
        "augment",
        "teacher_run",
    ),
    "gate": ("loss", "architecture", "encoder", "decoder_channels", "cfg"),
    "segmenter": ("cfg",),
}
_PATHS: Final = ("encoder_weights", "teacher", "initial_weights", "teacher_run")


@dataclass(frozen=True)
class TrainingOptions:
    """Everything that decides a run.

    Attributes:
        network: localizer, gate or segmenter.
        data: data folders.
        out: run folder.
        preset: name of the preset that gave the numbers below.
        steps: optimizer steps; the learning rate follows their share.
        batch_size: samples a step.
        input_px: side of a training sample, pixels, a multiple of 32.
        learning_rate: peak; one-cycle with linear warm-up and cosine decay over the steps.
        max_minutes: end this session, resumable, after so much wall-clock time; None: never.
        weight_decay: AdamW's.
        ema_decay: of the averaged weights that are evaluated and exported.
        rendered_share: share of rendered photos in a batch, where both kinds exist.
        seed: of every chance.
        encoder_weights: state dict of the encoder, or None for random weights.
        initial_weights: run folder or checkpoint whose averaged weights the network starts from, or None.
        teacher: ONNX of a YOLOX detector for car boxes, or None.
        teacher_run: run folder of the segmenter that labelled the pseudo photos among the data, or None.
        frozen_stages: of a timm encoder, after its stem, which is frozen too: weights and statistics stay; 0 freezes
            none.
        noise: of a noisy student: 0 none, 1 the paper's measure.
        augment: names among AUGMENTATIONS, beside what every run does; gate and segmenter.
        loss: sum of LOSS_TERMS, segmenter only; None: "bce+dice".
        cfg: ultralytics' cfg, localizer only; None: the network's own.
        architecture: unet or deeplabv3plus, segmenter only; None: unet.
        encoder: smp's name, segmenter only; None: EfficientNet-Lite0.
        decoder_channels: widths of the decoder, segmenter only; None: the architecture's own.
        precision: f32, or autocast to bf16, or to fp16 with scaled gradients (cuda only).
        device: auto (cuda where there is one), cpu or cuda.
        workers: threads that make batches.
        progress: show a progress bar; None: on a terminal only.
    """

    network: str
    data: tuple[Path, ...]
    out: Path
    preset: str
    steps: int
    batch_size: int
    input_px: int
    learning_rate: float
    max_minutes: float | None = None
    weight_decay: float = 1e-4
    ema_decay: float = 0.995
    rendered_share: float = 0.5
    seed: int = 0
    encoder_weights: Path | None = None
    initial_weights: Path | None = None
    teacher: Path | None = None
    teacher_run: Path | None = None
    frozen_stages: int = 0
    noise: float = 0.0
    augment: tuple[str, ...] = ()
    loss: str | None = None
    cfg: str | None = None
    architecture: str | None = None
    encoder: str | None = None
    decoder_channels: tuple[int, ...] | None = None
    precision: str = "bf16"
    device: str = "auto"
    workers: int = 1
    progress: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what no run can do.

        Raises:
            ValueError: names the option, what was expected and what was found.
        """
        if self.network not in NETWORK_OPTIONS:
            raise ValueError(f"network: expected one of {', '.join(NETWORK_OPTIONS)}, found {self.network!r}")
        limits: dict[str, tuple[bool, str]] = {
            "steps": (self.steps >= 1, "1 or more"),
            "batch_size": (self.batch_size >= 1, "1 or more"),
            "input_px": (self.input_px >= 32 and self.input_px % 32 == 0, "a multiple of 32"),
            "learning_rate": (self.learning_rate > 0, "a number above 0"),
            "max_minutes": (self.max_minutes is None or self.max_minutes > 0, "a number above 0"),
            "rendered_share": (0 <= self.rendered_share <= 1, "0 to 1"),
            "seed": (self.seed >= 0, "0 or more"),
            "frozen_stages": (0 <= self.frozen_stages <= 7, "0 to 7"),
            "noise": (0 <= self.noise <= 2, "0 to 2"),
            "workers": (self.workers >= 1, "1 or more"),
            "augment": (
                set(self.augment) <= set(AUGMENTATIONS) and len(set(self.augment)) == len(self.augment),
                f"some of {', '.join(AUGMENTATIONS)}, each once",
            ),
            "precision": (self.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}"),
            "device": (self.device in DEVICES, f"one of {', '.join(DEVICES)}"),
            "initial_weights": (not (self.initial_weights and self.encoder_weights), "it or encoder_weights, not both"),
        }
        check_limits(self, limits)
        if unused := [name for name in NOT_FOR[self.network] if getattr(self, name)]:
            raise ValueError(f"{unused[0]}: the {self.network} has no such option, found {getattr(self, unused[0])}")
        terms = split_loss(self.loss)
        if "mixup" in self.augment and "lovasz" in terms:
            raise ValueError(f"augment: mixup makes soft masks, which lovasz cannot take, found {self.loss}")


PRESETS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "smoke": {
        "localizer": {"steps": 2, "batch_size": 2, "input_px": 96, "learning_rate": 1e-3},
        "gate": {"steps": 2, "batch_size": 2, "input_px": 64, "learning_rate": 1e-3},
        "segmenter": {"steps": 2, "batch_size": 2, "input_px": 64, "learning_rate": 1e-3},
    },
    "cpu": {
        "localizer": {"steps": 1200, "batch_size": 8, "input_px": 416, "learning_rate": 1e-3},
        "gate": {"steps": 1400, "batch_size": 8, "input_px": 320, "learning_rate": 5e-4, "precision": "f32"},
        "segmenter": {
            "steps": 2400, "batch_size": 8, "input_px": 320, "learning_rate": 1e-3, "ema_decay": 0.997,
        },
    },
    "gpu": {
        "localizer": {
            "steps": 20000, "batch_size": 64, "input_px": 640, "learning_rate": 2e-3, "ema_decay": 0.9995,
            "device": "cuda", "workers": 12,
        },
        "gate": {
            "steps": 20000, "batch_size": 32, "input_px": 512, "learning_rate": 1e-3, "ema_decay": 0.9995,
            "device": "cuda", "workers": 12,
        },
        "segmenter": {
            "steps": 40000, "batch_size": 32, "input_px": 512, "learning_rate": 1e-3, "ema_decay": 0.9995,
            "rendered_share": 0.6, "device": "cuda", "workers": 12,
        },
    },
}  # fmt: skip


def build_options(network: str, preset: str, data: tuple[Path, ...], out: Path, **changes: Any) -> TrainingOptions:
    """Fill a preset; a change that is None leaves the preset's value.

    Raises:
        ValueError: unknown preset or network, or a value that no run can have.
    """
    if preset not in PRESETS:
        raise ValueError(f"preset: expected one of {', '.join(PRESETS)}, found {preset!r}")
    if network not in PRESETS[preset]:
        raise ValueError(f"network: expected one of {', '.join(PRESETS[preset])}, found {network!r}")
    chosen = {**PRESETS[preset][network], **_drop_none(changes)}
    return TrainingOptions(network=network, data=data, out=out, preset=preset, **chosen)


def resume_options(network: str, data: tuple[Path, ...], out: Path, **given: Any) -> TrainingOptions:
    """Take a run's recorded options, with what its session may change.

    Args:
        network: as recorded.
        data: as recorded.
        out: the run folder.
        given: any option; None: as recorded.

    Raises:
        TrainingError: what is given differs from what the run was started with.
        FileNotFoundError: out holds no run.
    """
    recorded = load_options(out)
    given = _drop_none({**given, "network": network, "data": data, "out": out})
    refuse_changes(recorded, given)
    return replace(recorded, **{name: value for name, value in given.items() if name in SESSION_OPTIONS})


def refuse_changes(recorded: TrainingOptions, given: Mapping[str, Any]) -> None:
    """Compare options with a run's own; paths count as equal if they lead to the same place.

    Raises:
        TrainingError: names the first that differs.
    """
    for name, value in given.items():
        found, started_with = _comparable(value), _comparable(getattr(recorded, name))
        if name not in SESSION_OPTIONS and found != started_with:
            raise TrainingError(
                f"{name}: a resumed run keeps its options: started with {getattr(recorded, name)}, found {value}"
            )


def choose_network_options(options: TrainingOptions) -> dict[str, Any]:
    """Choose the arguments of the network's build function; what was not chosen has the function's default."""
    recorded = {name: getattr(options, name) for name in NETWORK_OPTIONS[options.network]}
    return _drop_none(recorded)


def split_loss(loss: str | None) -> tuple[str, ...]:
    """Take "bce+dice" apart.

    Raises:
        ValueError: an unknown term, or one twice.
    """
    terms = tuple((loss or DEFAULT_LOSS).split("+"))
    if len(set(terms)) < len(terms) or any(term not in LOSS_TERMS for term in terms):
        raise ValueError(f"loss: expected some of {', '.join(LOSS_TERMS)} joined by +, each once, found {loss!r}")
    return terms


def write_options(options: TrainingOptions) -> None:
    """Write training_options.json into the run folder, with the versions of the libraries that compute."""
    options.out.mkdir(parents=True, exist_ok=True)
    record = {**asdict(options), "versions": {name: version(name) for name in LIBRARIES}}
    (options.out / OPTIONS_NAME).write_text(json.dumps(record, indent=2, default=str) + "\n")


def load_options(run_dir: Path) -> TrainingOptions:
    """Read training_options.json of a run.

    Raises:
        FileNotFoundError: run_dir holds none.
        TrainingError: it is damaged.
    """
    path = run_dir / OPTIONS_NAME
    text = path.read_text()
    try:
        record = json.loads(text)
        record.pop("versions", None)
        if "is_bf16" in record:  # the name until precision had three values
            record["precision"] = "bf16" if record.pop("is_bf16") else "f32"
        for name in _PATHS:
            record[name] = Path(record[name]) if record.get(name) else None
        for name in ("decoder_channels", "augment"):
            if name in record and record[name] is not None:
                record[name] = tuple(record[name])
        return TrainingOptions(**{**record, "data": tuple(map(Path, record["data"])), "out": Path(record["out"])})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(f"{path}: not the options of a run: {error}") from error


def as_given(options: TrainingOptions) -> dict[str, Any]:
    """Every option by name."""
    return {field.name: getattr(options, field.name) for field in fields(options)}


def _drop_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _comparable(value: Any) -> Any:
    if isinstance(value, Path):
        return value.resolve()
    return tuple(map(_comparable, value)) if isinstance(value, tuple) else value
