"""What a training run is told: presets, paths, and the file that records them."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

OPTIONS_NAME: Final = "training_options.json"


@dataclass(frozen=True)
class TrainingOptions:
    """Everything that decides a run.

    Attributes:
        network: localizer, gate or segmenter.
        data: data folders.
        out: run folder.
        preset: name of the preset that gave the numbers below.
        steps: optimizer steps.
        max_minutes: stop earlier if this much wall-clock time is used, this session's only.
        batch_size: samples a step.
        input_px: side of a training sample, pixels.
        learning_rate: peak; one-cycle with linear warm-up and cosine decay over steps or minutes.
        weight_decay: AdamW's.
        ema_decay: of the averaged weights that are evaluated and exported.
        rendered_share: share of rendered photos in a batch, where both kinds exist.
        seed: of every chance.
        encoder_weights: state dict of EfficientNet-Lite0, or None for random weights.
        teacher: ONNX of a YOLOX detector for pseudo-labels (localizer only), or None.
        is_bf16: autocast to bfloat16.
    """

    network: str
    data: tuple[Path, ...]
    out: Path
    preset: str
    steps: int
    max_minutes: float
    batch_size: int
    input_px: int
    learning_rate: float
    weight_decay: float = 1e-4
    ema_decay: float = 0.995
    rendered_share: float = 0.5
    seed: int = 0
    encoder_weights: Path | None = None
    teacher: Path | None = None
    is_bf16: bool = True


PRESETS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "smoke": {
        "localizer": {"steps": 2, "max_minutes": 1, "batch_size": 2, "input_px": 96, "learning_rate": 1e-3},
        "gate": {"steps": 2, "max_minutes": 1, "batch_size": 2, "input_px": 64, "learning_rate": 1e-3},
        "segmenter": {"steps": 2, "max_minutes": 1, "batch_size": 2, "input_px": 64, "learning_rate": 1e-3},
    },
    "cpu": {
        "localizer": {"steps": 2000, "max_minutes": 15, "batch_size": 8, "input_px": 416, "learning_rate": 1e-3},
        "gate": {
            "steps": 1400, "max_minutes": 14, "batch_size": 8, "input_px": 256, "learning_rate": 5e-4,
            "is_bf16": False,
        },
        "segmenter": {
            "steps": 2400, "max_minutes": 28, "batch_size": 8, "input_px": 256, "learning_rate": 1e-3,
            "rendered_share": 0.6,
        },
    },
}  # fmt: skip


def build_options(network: str, preset: str, data: tuple[Path, ...], out: Path, **changes: Any) -> TrainingOptions:
    """Fill a preset.

    Raises:
        ValueError: unknown preset or network.
    """
    if preset not in PRESETS:
        raise ValueError(f"preset: expected one of {', '.join(PRESETS)}, found {preset!r}")
    if network not in PRESETS[preset]:
        raise ValueError(f"network: expected one of {', '.join(PRESETS[preset])}, found {network!r}")
    options = TrainingOptions(network=network, data=data, out=out, preset=preset, **PRESETS[preset][network])
    return replace(options, **{name: value for name, value in changes.items() if value is not None})


def write_options(options: TrainingOptions) -> None:
    """Write training_options.json into the run folder."""
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / OPTIONS_NAME).write_text(json.dumps(asdict(options), indent=2, default=str) + "\n")


def load_options(run_dir: Path) -> TrainingOptions:
    """Read training_options.json of a run.

    Raises:
        FileNotFoundError: run_dir holds none.
    """
    fields = json.loads((run_dir / OPTIONS_NAME).read_text())
    for name in ("encoder_weights", "teacher"):
        fields[name] = Path(fields[name]) if fields[name] else None
    return TrainingOptions(**{**fields, "data": tuple(map(Path, fields["data"])), "out": Path(fields["out"])})
