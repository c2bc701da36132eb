"""The commands that prepare data: split, agree, slices, manifest; mounted as `vehicle-damage models data …`."""

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from models.command_errors import reasons_told
from models.data import agreement, splits
from models.data.folder_writing import check_new_folder, write_data_folder
from models.data.manifest import Manifest, verify_manifest, write_manifest
from models.data.near_duplicates import choose_firsts, group_near_duplicates, hash_both_ways
from models.data.photos import DataError, load_image, load_photos
from models.data.records import load_records

SPLIT_REPORT_NAME = "split.json"
AGREEMENT_REPORT_NAME = "agreement.json"
NEUTRAL_NAME = "neutral.json"


def register(app: typer.Typer) -> None:
    """Add the commands to the data sub-app."""
    app.command()(split)
    app.command()(agree)
    app.command()(slices)
    app.command()(manifest)


def split(
    folder: Annotated[Path, typer.Argument(help="Data folder: images/ and annotations.json.")],
    out: Annotated[Path, typer.Option(help="Data folder to write: images linked, split in the annotations.")],
    ratios: Annotated[str, typer.Option(help="Photos of train:val:test, or of train:val.")] = "8:1:1",
    seed: Annotated[int, typer.Option(min=0, help="Decides between equally good splits.")] = 0,
    max_bits: Annotated[
        int, typer.Option(min=0, max=63, help="Photos whose hashes differ in so many bits or fewer are the same.")
    ] = 10,
    drop_duplicates: Annotated[
        bool, typer.Option("--drop-duplicates", help="Keep one of the photos that look the same.")
    ] = False,
) -> None:
    """Split photos by car, evenly in class and damaged area; what looks the same stays together.

    Example: vehicle-damage models data split runs/rendered --ratios 8:1:1 --seed 0 --out runs/split
    """
    with reasons_told():
        check_new_folder(out)
        shares = splits.parse_ratios(ratios)
        photos, records = load_photos([folder]), load_records(folder)
        firsts = group_near_duplicates([hash_both_ways(load_image(p.path)) for p in photos], max_bits=max_bits)
        cars = splits.vehicle_keys(records)
        groups = splits.join_groups([p.group for p in photos], cars, firsts.tolist())
        kept = choose_firsts(firsts) if drop_duplicates else firsts >= 0
        photos = [photo for photo, is_kept in zip(photos, kept, strict=True) if is_kept]
        records = [record for record, is_kept in zip(records, kept, strict=True) if is_kept]
        groups = splits.join_groups(groups[kept].tolist())
        strata, names = splits.build_strata(photos)
        chosen = splits.split_groups(groups, strata, shares, seed=seed)
        report = {
            "ratios": ratios,
            "seed": seed,
            "max_bits": max_bits,
            "near_duplicates": int((~choose_firsts(firsts)).sum()),
            "dropped": int((~kept).sum()),
            **splits.describe_split(groups, strata, names, chosen, shares),
        }
        records = [{**record, "split": name} for record, name in zip(records, chosen, strict=True)]
        write_data_folder(out, records, folder / "images", reports={SPLIT_REPORT_NAME: report})
    counts = ", ".join(f"{name} {part['photos']}" for name, part in report["splits"].items())
    typer.echo(
        f"split {report['photos']} photos of {report['groups']} groups ({counts}), {report['near_duplicates']} near "
        f"duplicates, {report['dropped']} dropped: {out}"
    )


def agree(
    a: Annotated[Path, typer.Argument(help="First rater: a data folder, or its annotations.json.")],
    b: Annotated[Path, typer.Argument(help="Second rater, of the same photos.")],
    out: Annotated[Path, typer.Option(help="Folder to write: agreed annotations, agreement.json, neutral.json.")],
    third: Annotated[Path | None, typer.Option(help="Third rater, at least of the photos in dispute.")] = None,
    policy: Annotated[
        str, typer.Option(help="In dispute: discard, neutral (neither damage nor background) or third (majority).")
    ] = "discard",
    iou_threshold: Annotated[
        float, typer.Option(min=0.01, max=1, help="Regions of one class that overlap so much are the same.")
    ] = agreement.IOU_THRESHOLD,
) -> None:
    """Keep what two raters agree on, and measure how far they do.

    Example: vehicle-damage models data agree runs/anna runs/ben --third runs/cho --policy third --out runs/agreed
    """
    with reasons_told():
        check_new_folder(out)
        raters = [load_records(path) for path in (a, b)]
        settled = agreement.agree(
            *raters, load_records(third) if third else None, policy=policy, iou_threshold=iou_threshold
        )
        reports: dict[str, Any] = {AGREEMENT_REPORT_NAME: {**settled.report, "discarded": list(settled.discarded)}}
        if settled.neutral:
            reports[NEUTRAL_NAME] = list(settled.neutral)
        images_dir = a / "images" if (a / "images").is_dir() else None
        write_data_folder(out, settled.records, images_dir, reports=reports)
    told, kappa = settled.report, settled.report["kappa_damage_level"]
    typer.echo(
        f"agreed on {told['photos_kept']} of {told['photos']} photos, kappa "
        f"{'undefined' if kappa is None else f'{kappa:.3f}'}; {told['regions_matched']} regions matched, "
        f"{told['regions_unsettled']} drawn by one alone: {out}"
    )


def slices(
    table: Annotated[Path, typer.Argument(help="CSV with a header: columns of groups, and one of outcomes.")],
    outcome: Annotated[str, typer.Option(help="Column of 0 and 1, for example: was the damage found?")] = "outcome",
    by: Annotated[
        list[str] | None, typer.Option(help="Column whose values are the slices; again for more; else all others.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a slice.")] = False,
) -> None:
    """Compare the rate in each group with the rate outside it; small groups are drawn towards the others.

    Example: vehicle-damage models data slices runs/outcomes.csv --by view --by weather --outcome found
    """
    from models.data.slices import count_slices, evaluate_slices  # noqa: PLC0415 - needs scipy

    with reasons_told():
        rows, header = _load_table(table)
        columns = by or [name for name in header if name != outcome]
        if unknown := [name for name in [outcome, *columns] if name not in header]:
            raise DataError(f"{table}: expected columns {', '.join(unknown)}, found {', '.join(header)}")
        if not columns:
            raise DataError(f"{table}: expected a column of groups besides {outcome!r}, found none")
        lines = []
        for column in columns:
            try:
                counts = count_slices(rows, column, outcome)
            except ValueError as error:
                raise DataError(f"{table}: {error}") from error
            lines += [{"column": column, **asdict(row)} for row in evaluate_slices(*counts)]
    if as_json:
        for line in lines:
            told = {name: None if value != value else value for name, value in line.items()}  # noqa: PLR0124 - NaN
            typer.echo(json.dumps(told))
        return
    typer.echo("column=slice  trials  rate  others  shrunk [95 %]  difference (* others outside the interval)")
    for line in lines:
        typer.echo(
            f"{line['column']}={line['label']}  {line['trials']}  {line['rate']:.3f}  {line['complement_rate']:.3f}  "
            f"{line['shrunk_rate']:.3f} [{line['low']:.3f}, {line['high']:.3f}]  {line['difference']:+.3f}"
            f"{' *' if line['is_apart'] else ''}"
        )


def manifest(
    folder: Annotated[Path, typer.Argument(help="Data folder.")],
    verify: Annotated[bool, typer.Option("--verify", help="Compare with manifest.json instead of writing it.")] = False,
) -> None:
    """Write every file's sha256, size and split into manifest.json, or list what changed since.

    Example: vehicle-damage models data manifest runs/split --verify
    """
    with reasons_told():
        found: Manifest = verify_manifest(folder) if verify else write_manifest(folder)
    counts = "".join(f", {name} {count}" for name, count in found.count_splits().items())
    typer.echo(f"{'unchanged' if verify else 'wrote'} {found.digest}: {len(found.files)} files{counts}")


def _load_table(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header, rows = list(reader.fieldnames or ()), list(reader)
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}") from error
    if not rows:
        raise DataError(f"{path}: expected a header and at least one row")
    for number, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise DataError(f"{path}: row {number}: expected {len(header)} values")
    return rows, header
