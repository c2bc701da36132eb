"""Commands over annotated photos, mounted as `vehicle-damage models data …`."""

from pathlib import Path
from typing import Annotated

import typer

from models.command_errors import reasons_told
from models.data.preparation_cli import register

data_app = typer.Typer(no_args_is_help=True, help="Convert and check annotated photos.")

FormatOption = Annotated[
    str | None,
    typer.Option("--from", help="Its format, if its files do not tell: seed, voc, yolo, coco, via, folders, csv."),
]


@data_app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="Folder, or its annotation file.")],
    out: Annotated[Path, typer.Argument(metavar="DST", help="New or empty folder.")],
    to: Annotated[str, typer.Option("--to", help="seed, voc, yolo, coco, via, folders or csv.")],
    source_format: FormatOption = None,
    images: Annotated[str, typer.Option(help="copy, link (hard links) or none.")] = "copy",
    polygons: Annotated[
        str, typer.Option(help="keep; boxes: each becomes its bounding box; corners: boxes become outlines.")
    ] = "keep",
    rename: Annotated[list[str] | None, typer.Option(help="OLD=NEW class name; may be given again.")] = None,
) -> None:
    """Convert annotated photos; a faulty source is refused whole, and what DST's format cannot carry is listed.

    Example: vehicle-damage models data convert exports/coco runs/photos --to seed --rename Scratch=scratch
    """
    from models.data.convert import convert_folder  # noqa: PLC0415
    from models.data.formats import detect_format, find_format  # noqa: PLC0415
    from models.data.formats.faults import describe_losses  # noqa: PLC0415

    with reasons_told():
        target = find_format(to)
        found = find_format(source_format) if source_format else detect_format(source)
        renamed = {}
        for pair in rename or ():
            old, equals, new = pair.partition("=")
            if not old or not new or not equals:
                raise ValueError(f"rename: expected OLD=NEW, found {pair!r}")
            renamed[old] = new
        done = convert_folder(source, out, found, target, images=images, polygons=polygons, renamed=renamed)
    if losses := describe_losses(done.losses):
        typer.echo(f"lost, {target.name} cannot carry it: {'; '.join(losses)}", err=True)
    typer.echo(f"converted {len(done.dataset.photos)} photos from {found.name} to {target.name}: {out}")


@data_app.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder, or its annotation file.")],
    source_format: FormatOption = None,
) -> None:
    """Check annotations and image files: one line if all is well, else a line a fault and exit code 2.

    Example: vehicle-damage models data check runs/photos
    """
    from models.data.check import check_folder  # noqa: PLC0415
    from models.data.formats import detect_format, find_format  # noqa: PLC0415

    with reasons_told():
        found = find_format(source_format) if source_format else detect_format(folder)
        summary = check_folder(folder, found)
    typer.echo(f"ok: {summary}")


register(data_app)
