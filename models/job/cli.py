"""The augmentation job's commands, mounted as `vehicle-damage models augment …`: the whole job, every step alone."""

from pathlib import Path
from typing import Annotated

import typer

from models.command_errors import reasons_told
from models.job.step_cli import register

augment_app = typer.Typer(
    no_args_is_help=True,
    help="Teach a GAN the instances of a class, paste what it makes, retrain the detector, prove the gain.",
)

DeviceOption = Annotated[str | None, typer.Option(help="cpu or cuda, for the GAN and the detector; the preset's.")]


@augment_app.command()
def run(
    data: Annotated[
        list[Path], typer.Option(help="Data folder in YOLO's layout, or as `data convert` reads; may be given again.")
    ],
    class_name: Annotated[str, typer.Option("--class", help="What is generated, by its name in data.yaml.")],
    out: Annotated[Path, typer.Option(help="The job's folder: a subfolder a step, report.html, report.json.")],
    preset: Annotated[str, typer.Option(help="smoke (minutes), cpu (hours on two cores) or gpu (a night).")] = "cpu",
    detector: Annotated[
        str | None,
        typer.Option(
            help="ultralytics' name: yolov5su.yaml, yolov3-tinyu.yaml …; or sr-rcnn or mask-rcnn, with -resnet50 for "
            "the larger backbone, where --weights are of the backbone alone; the preset's."
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Weights that detectors start from: ultralytics', or of the backbone of sr-rcnn and mask-rcnn; "
            "without them from chance."
        ),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(
            help="Network for KID and FID, which also finds turned photos: Inception-v3 as TorchScript, or an "
            "EfficientNet-Lite0 encoder. Without it there are neither curves nor turns."
        ),
    ] = None,
    is_damage: Annotated[
        bool,
        typer.Option(
            "--damage",
            help="The class is damage: cut out along the annotators' outlines, blended by Poisson into photos without "
            "any; scratch, dent and spacing become data for the segmenter too.",
        ),
    ] = False,
    within: Annotated[
        str | None, typer.Option(help="Class of the object that instances must lie on, such as car for a scratch.")
    ] = None,
    alpha: Annotated[
        str | None,
        typer.Option(
            help="Where transparency comes from: grabcut, outline (annotated polygons) or none; the preset's."
        ),
    ] = None,
    min_aspect: Annotated[
        float | None,
        typer.Option(help="Least height over width of an instance to learn from, such as 1.2 for persons."),
    ] = None,
    device: DeviceOption = None,
) -> None:
    """Do the whole job, or go on with one that was interrupted: the same command ends with the same report.

    Exit code 0: the report says what was decided. 143 (SIGTERM), 130 (Ctrl-C): the same command goes on. 2: the message
    names what is wrong.

    Example: vehicle-damage models augment run --data photos --class person --preset cpu --out runs/person
    """
    with reasons_told():
        from models.evaluation.generation.network import load_feature_network  # noqa: PLC0415
        from models.job.presets import choose_options  # noqa: PLC0415
        from models.job.run import run_job  # noqa: PLC0415

        options = choose_options(
            preset,
            detector_cfg=detector,
            weights=weights,
            device=device,
            alpha=alpha,
            min_aspect=min_aspect,
            within=within,
            is_damage=is_damage,
        )
        network = load_feature_network(features) if features else None
        promoted = run_job(data, class_name, out, options, features=network, tell=_tell)
    typer.echo(f"{f'promoted {promoted}' if promoted else 'the incumbent stays'}: {out / 'report.html'}")


@augment_app.command()
def report(job: Annotated[Path, typer.Argument(help="Folder of a job whose steps are done.")]) -> None:
    """Write report.html and report.json of a job anew.

    Example: vehicle-damage models augment report runs/person
    """
    with reasons_told():
        from models.job.report import PAGE_NAME, write_report  # noqa: PLC0415

        write_report(job)
    typer.echo(f"reported: {job / PAGE_NAME}")


def _tell(name: str, was_there: bool) -> None:
    typer.echo(f"{name}: {'was done' if was_there else 'done'}", err=True)


register(augment_app)
