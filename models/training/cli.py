"""Training's commands, mounted as `vehicle-damage models train …`: a command a network.

torch and everything that needs it is imported inside the commands: serving imports this module without torch.
"""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from models.command_errors import reasons_told


class NetworkGroup(TyperGroup):
    """Commands by network; a network that does not exist is a mistake told in one line."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command."""
        if args[0] not in self.commands and not args[0].startswith("-"):
            with reasons_told():
                raise ValueError(f"network: expected one of {', '.join(self.commands)}, found {args[0]!r}")
        return super().resolve_command(ctx, args)


train_app = typer.Typer(cls=NetworkGroup, no_args_is_help=True, help="Train a network.")

DataOption = Annotated[
    list[Path], typer.Option("--data", help="Folder with images/ and annotations.json; may be given again.")
]


def train(
    context: typer.Context,
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Run folder: options, log, TensorBoard's curves, checkpoint.")],
    preset: Annotated[
        str | None,
        typer.Option(help="smoke (two steps), cpu (the default: minutes on two cores) or gpu (hours on one)."),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Optimizer steps; the learning rate follows them.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples a step.")] = None,
    input_px: Annotated[int | None, typer.Option(help="Side of a training sample, a multiple of 32.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Its peak.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of every chance.")] = None,
    rendered_share: Annotated[float | None, typer.Option(help="Of rendered photos in a batch, 0 to 1.")] = None,
    max_minutes: Annotated[
        float | None, typer.Option(help="End this session after so long, resumable; the schedule stays.")
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(help="Segmenter: bce, dice, tversky, focal, lovasz, joined by +; bce+dice if not given."),
    ] = None,
    architecture: Annotated[str | None, typer.Option(help="Segmenter: unet or deeplabv3plus.")] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Segmenter: efficientnet-b0 … b7, timm-…, tu-…; EfficientNet-Lite0 if not given.")
    ] = None,
    cfg: Annotated[
        str | None,
        typer.Option(help="Localizer: yolov3.yaml, yolov5su.yaml, yolov8n.yaml …; YOLOv3-tiny if not given."),
    ] = None,
    encoder_weights: Annotated[
        Path | None, typer.Option(help="The encoder's state dict; without it the encoder starts from chance.")
    ] = None,
    initial_weights: Annotated[
        Path | None, typer.Option(help="Run folder or checkpoint whose averaged weights to start from.")
    ] = None,
    teacher: Annotated[Path | None, typer.Option(help="YOLOX ONNX that boxes cars on photos nobody boxed.")] = None,
    teacher_run: Annotated[
        Path | None,
        typer.Option(
            help="Segmenter's run that outlines damage on photos without regions (noisy student): its labels go to "
            "OUT/round_N/pseudo, the student to OUT/round_N/run."
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="With --teacher-run: a student teaches the next one.")] = 1,
    frozen_stages: Annotated[
        int | None, typer.Option(help="Stages of a pretrained encoder that keep their weights, the stem with them.")
    ] = None,
    noise: Annotated[float | None, typer.Option(help="Of a student's lessons; 1 with --teacher-run, else 0.")] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            help="Gate, segmenter: rotation, upside_down, cutout, grid_mask, mixup, cutmix, joined by commas; light, "
            "camera, mirror and scale always vary."
        ),
    ] = None,
    precision: Annotated[str | None, typer.Option(help="f32, bf16, or fp16 (cuda only); the preset's.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    workers: Annotated[int | None, typer.Option(help="Threads that make batches.")] = None,
    progress: Annotated[
        bool | None, typer.Option("--progress/--no-progress", help="Show a bar; on a terminal if not given.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the run folder's checkpoint, if there is one.")
    ] = False,
) -> None:
    """Train the network: its options, log and checkpoint lie in the run folder.

    Exit code 0: every step is done, or --max-minutes is over. 143 (SIGTERM), 130 (Ctrl-C): saved and resumable. 2: the
    message names what is wrong.

    Example: vehicle-damage models train gate --data runs/rendered --preset cpu --out runs/gate
    """
    given = {
        "steps": steps, "batch_size": batch_size, "input_px": input_px, "seed": seed,
        "learning_rate": learning_rate, "rendered_share": rendered_share, "max_minutes": max_minutes, "loss": loss,
        "architecture": architecture, "encoder": encoder, "cfg": cfg, "encoder_weights": encoder_weights,
        "initial_weights": initial_weights, "teacher": teacher, "frozen_stages": frozen_stages, "noise": noise,
        "augment": tuple(augment.split(",")) if augment else None,
        "precision": precision, "device": device, "workers": workers, "progress": progress,
    }  # fmt: skip
    network = context.info_name or ""
    with reasons_told():
        from models.training import options  # noqa: PLC0415

        is_known = resume and teacher_run is None and (out / options.OPTIONS_NAME).exists()
        if is_known:
            chosen = options.resume_options(network, tuple(data), out, preset=preset, **given)
        else:
            chosen = options.build_options(network, preset or "cpu", tuple(data), out, **given)
        if teacher_run is not None:
            from models.training.student import train_student  # noqa: PLC0415

            out = train_student(chosen, teacher_run=teacher_run, rounds=rounds, resume=resume)
        else:
            from models.training import gate, localizer, segmenter  # noqa: PLC0415

            train_network = {
                "localizer": localizer.train_localizer,
                "gate": gate.train_gate,
                "segmenter": segmenter.train_segmenter,
            }[network]
            train_network(chosen, resume=resume)
    typer.echo(f"trained {network}: {out}")


for _network in ("localizer", "gate", "segmenter"):
    train_app.command(_network)(train)


@train_app.command("sr-rcnn")
def train_sr_rcnn(
    data: Annotated[
        list[Path], typer.Option("--data", help="Annotated folder in any format that `data convert` reads; may repeat.")
    ],
    out: Annotated[Path, typer.Option(help="Folder: a run a detector and seed, report.json.")],
    preset: Annotated[
        str, typer.Option(help="smoke (a minute), cpu (hours on two cores) or gpu (the thesis' numbers).")
    ] = "cpu",
    classes: Annotated[
        str | None, typer.Option(help="By name, joined by commas; scratch, dent, spacing as far as there are any.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="How many pairs of detectors; the preset's.")] = None,
    share: Annotated[
        float | None, typer.Option(help="Of the photos to learn from, by scene: 0.1 and 0.2 in the thesis.")
    ] = None,
    base_iterations: Annotated[
        int | None, typer.Option(help="Of one Mask R-CNN that all go on from; 0: none. The preset's.")
    ] = None,
    iterations: Annotated[int | None, typer.Option(help="Of each detector; gpu: 26 passes over the photos.")] = None,
    gate_iterations: Annotated[int | None, typer.Option(help="Of the learned size gate; the preset's.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Photos a step, over all GPUs.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="SGD's, for each GPU: 0.0025; 0.025 as the thesis has it.")
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="resnet18, resnet34, resnet50, resnet101 or efficientnet-lite0; the preset's.")
    ] = None,
    encoder_weights: Annotated[
        Path | None, typer.Option(help="The backbone's state dict; without it the backbone starts from chance.")
    ] = None,
    norm: Annotated[
        str | None, typer.Option(help="Of the backbone: frozen (with weights), group or batch; chosen if not given.")
    ] = None,
    min_size_px: Annotated[int | None, typer.Option(help="Shorter side that photos are resized to …")] = None,
    max_size_px: Annotated[int | None, typer.Option(help="… unless the longer one would exceed this.")] = None,
    jitter: Annotated[
        str | None, typer.Option(help="Further shorter sides that training draws from, joined by commas.")
    ] = None,
    rpn_box_weight: Annotated[
        float | None, typer.Option(help="Of SR-RCNN's proposal boxes: cpu 1, as plain Mask R-CNN's; else 10.")
    ] = None,
    detach_lr: Annotated[
        bool, typer.Option("--detach-lr", help="The backbone does not learn through the generator.")
    ] = False,
    non_saturating: Annotated[
        bool, typer.Option("--non-saturating", help="The generator minimises −log D instead of log(1 − D).")
    ] = False,
    lr_level: Annotated[
        str | None, typer.Option(help="Pyramid level of halved boxes: native (the level mapper's) or same.")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="f32 or bf16; the preset's.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda; the preset's.")] = None,
    workers: Annotated[int | None, typer.Option(help="Threads that make batches.")] = None,
    max_minutes: Annotated[
        float | None, typer.Option(help="End this session after so long; the same command goes on.")
    ] = None,
    progress: Annotated[
        bool | None, typer.Option("--progress/--no-progress", help="Show a bar; on a terminal if not given.")
    ] = None,
) -> None:
    """Train SR-RCNN and plain Mask R-CNN from the same start, seed by seed, and compare them on photos kept apart.

    Exit code 0: the report is written, or --max-minutes is over. 143 (SIGTERM), 130 (Ctrl-C): saved; the same command
    goes on. 2: the message names what is wrong. Several GPUs: torchrun --no-python --nproc-per-node N in front.

    Example: vehicle-damage models train sr-rcnn --data runs/data --preset cpu --out runs/sr_rcnn
    """
    with reasons_told():
        from models.training.sr_rcnn.options import choose_options  # noqa: PLC0415
        from models.training.sr_rcnn.run import compare_detectors  # noqa: PLC0415

        options = choose_options(
            preset,
            backbone=backbone,
            norm=norm,
            min_size_px=min_size_px,
            max_size_px=max_size_px,
            has_weights=encoder_weights is not None,
            rpn_box_weight=rpn_box_weight,
            detaches_lr=detach_lr,
            is_saturating=not non_saturating,
            lr_level=lr_level,
            seeds=seeds,
            share=share,
            base_iterations=base_iterations,
            iterations=iterations,
            gate_iterations=gate_iterations,
            batch_size=batch_size,
            learning_rate=learning_rate,
            jitter_sizes_px=_split_numbers("jitter", jitter),
            precision=precision,
            device=device,
            workers=workers,
            max_minutes=max_minutes,
            progress=progress,
        )
        names = tuple(classes.split(",")) if classes else ()
        report = compare_detectors(data, out, options, class_names=names, encoder_weights=encoder_weights)
    if report:
        typer.echo(f"{report['small_objects']} {out / 'report.json'}")


def _split_numbers(name: str, text: str | None) -> tuple[int, ...] | None:
    """Whole numbers joined by commas."""
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise ValueError(f"{name}: expected whole numbers joined by commas, found {text!r}") from error
