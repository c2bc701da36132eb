"""The offline path's commands, mounted as `vehicle-damage models …`.

torch and everything that needs it is imported inside the commands: serving imports this module without torch.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from models.data.photos import ANNOTATIONS_NAME, SPLITS, DataError, choose_split, load_image, load_photos
from models.store import NETWORKS, PRETRAINED_DIR, FolderStore, ModelStore, StoreError

app = typer.Typer(no_args_is_help=True, help="Train, compare, promote and roll back the networks.")

PARITY_PHOTOS = 8

DataOption = Annotated[
    list[Path], typer.Option("--data", help="Folder with images/ and annotations.json; may be given again.")
]
StoreOption = Annotated[Path, typer.Option("--store", help="Folder of model versions.")]


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Turn what the user got wrong into one line on stderr and exit code 2."""
    try:
        yield
    except (DataError, StoreError, ValueError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error


@app.command()
def train(
    network: Annotated[str, typer.Argument(help="localizer, gate or segmenter.")],
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Run folder: options, log, checkpoint.")],
    preset: Annotated[str, typer.Option(help="smoke (two steps) or cpu (minutes on two cores).")] = "cpu",
    encoder_weights: Annotated[
        Path | None, typer.Option(help="EfficientNet-Lite0 state dict; without it the encoder starts from chance.")
    ] = None,
    teacher: Annotated[Path | None, typer.Option(help="YOLOX ONNX that boxes cars on photos nobody boxed.")] = None,
    max_minutes: Annotated[float | None, typer.Option(help="Wall-clock limit; the preset's if not given.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the run folder's checkpoint.")] = False,
) -> None:
    """Train one network.

    Example: vehicle-damage models train gate --data runs/rendered --preset cpu --out runs/gate
    """
    with _one_line_errors():
        load_photos(data)  # a wrong folder is told before torch takes its seconds to load
        from models.training import gate, localizer, options, segmenter  # noqa: PLC0415

        chosen = options.build_options(
            network,
            preset,
            tuple(data),
            out,
            encoder_weights=encoder_weights,
            teacher=teacher,
            max_minutes=max_minutes,
        )
        train_network = {
            "localizer": localizer.train_localizer,
            "gate": gate.train_gate,
            "segmenter": segmenter.train_segmenter,
        }[network]
        train_network(chosen, resume=resume)
    typer.echo(f"trained {network}: {out}")


@app.command()
def render(
    out: Annotated[Path, typer.Option(help="Data folder to write.")],
    photos: Annotated[int, typer.Option(help="How many.")] = 100,
    seed: Annotated[int, typer.Option(help="Photo n depends on the seed and n alone.")] = 1_000_000,
    split: Annotated[str, typer.Option(help="train or val: what the folder is for.")] = "train",
) -> None:
    """Draw photos of cars with exact damage masks into a data folder.

    Example: vehicle-damage models render --out runs/rendered --photos 500 --seed 1000000
    """
    from models.renderer import render_dataset  # noqa: PLC0415

    with _one_line_errors():
        if split not in SPLITS:
            raise ValueError(f"split: expected one of {', '.join(SPLITS)}, found {split!r}")
        render_dataset(out, photos, seed)
        path = out / ANNOTATIONS_NAME
        records = [{**record, "split": split} for record in json.loads(path.read_text())]
        path.write_text(json.dumps(records) + "\n")
    typer.echo(f"rendered {photos} photos: {out}")


@app.command()
def evaluate(
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Folder for report.json.")],
    models: Annotated[Path, typer.Option("--models", help="Folder of model versions.")] = PRETRAINED_DIR,
    split: Annotated[str, typer.Option(help="train or val.")] = "val",
) -> None:
    """Measure the promoted set on annotated photos, real and rendered apart.

    Example: vehicle-damage models evaluate --data runs/rendered --out runs/evaluation
    """
    from models.evaluation.report import evaluate_outcomes, predict_photo  # noqa: PLC0415
    from models.predictors import load_gate, load_localizer, load_segmenter  # noqa: PLC0415
    from models.structures import DAMAGE_CLASSES  # noqa: PLC0415

    with _one_line_errors():
        photos = choose_split(load_photos(data), split)
        model_set = ModelStore(FolderStore(models)).load_promoted()
        versions = model_set.versions
        localizer = load_localizer(versions["localizer"])
        gate, segmenter = load_gate(versions["gate"]), load_segmenter(versions["segmenter"])
        outcomes = [predict_photo(photo, localizer, gate, segmenter) for photo in photos]
        report = {"model_set": model_set.digest, "split": split, "data": [str(folder) for folder in data]}
        for sample, is_rendered in (("real", False), ("rendered", True)):
            if chosen := [o for o in outcomes if o.photo.is_rendered == is_rendered]:
                report[sample] = evaluate_outcomes(
                    chosen,
                    gate_score_threshold=gate.card.thresholds["score_threshold"],
                    class_thresholds=[segmenter.card.thresholds[f"{c}_score_threshold"] for c in DAMAGE_CLASSES],
                )
        out.mkdir(parents=True, exist_ok=True)
        (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    typer.echo(f"evaluated {len(photos)} photos: {out / 'report.json'}")


@app.command()
def export(
    run_dir: Annotated[Path, typer.Argument(help="Run folder of `train`.")],
    store: StoreOption,
    version: Annotated[str, typer.Option(help="Name of the new version.")] = "0001",
    about: Annotated[
        Path | None, typer.Option(help="JSON for the card: sources (into dataset), limits, commit; each may miss.")
    ] = None,
) -> None:
    """Export a run to OpenVINO and add it to a store as a candidate.

    Example: vehicle-damage models export runs/gate --store runs/store --version 0002
    """
    with _one_line_errors():
        from models import export as exporting  # noqa: PLC0415
        from models.training.options import load_options  # noqa: PLC0415

        options = load_options(run_dir)
        told = json.loads(about.read_text()) if about else {}
        if unknown := set(told) - {"sources", "limits", "commit"}:
            raise ValueError(f"about: expected sources, limits, commit, found {', '.join(sorted(unknown))}")
        wrapped = exporting.load_run(options.network, run_dir)
        photos = load_photos(options.data)
        store.mkdir(parents=True, exist_ok=True)
        card = exporting.export_version(
            ModelStore(FolderStore(store)),
            options.network,
            version,
            wrapped,
            parity_images=[load_image(photo.path) for photo in photos[:: max(len(photos) // PARITY_PHOTOS, 1)]],
            dataset={**exporting.describe_dataset(options), "sources": told.get("sources", [])},
            limits=tuple(told.get("limits", ())),
            commit=told.get("commit", ""),
        )
    typer.echo(f"candidate {card.network}/{card.version}: {store}")


@app.command()
def calibrate(
    data: DataOption,
    candidates: Annotated[Path, typer.Option("--from", help="Store that holds the candidates.")],
    version: Annotated[str, typer.Option(help="Their version, the same for all three.")],
    store: StoreOption,
    new_version: Annotated[str, typer.Option(help="Name of the calibrated versions in --store.")] = "0001",
    gate_recall: Annotated[
        float, typer.Option(min=0.01, max=1, help="Share of damaged photos to let through: mean of real and rendered.")
    ] = 0.9,
) -> None:
    """Choose every threshold on val photos, measure, and store versions whose cards say both.

    Example: vehicle-damage models calibrate --from runs/store --version 0001 --data runs/val --store runs/calibrated
    """
    from models.evaluation.calibration import calibrate_versions  # noqa: PLC0415

    with _one_line_errors():
        photos = choose_split(load_photos(data), "val")
        source = ModelStore(FolderStore(candidates))
        versions = {network: source.load_version(network, version) for network in NETWORKS}
        cards, report = calibrate_versions(versions, photos, gate_recall=gate_recall)
        store.mkdir(parents=True, exist_ok=True)
        for network, card in cards.items():
            renamed = card.model_copy(update={"version": new_version})
            ModelStore(FolderStore(store)).add(renamed, versions[network].files)
    typer.echo(json.dumps(report, indent=2))


@app.command()
def promote(
    versions: Annotated[list[str], typer.Argument(help="NETWORK=VERSION, one or more.")], store: StoreOption
) -> None:
    """Make candidates serve; networks not named keep theirs.

    Example: vehicle-damage models promote gate=0002 --store runs/store
    """
    with _one_line_errors():
        chosen = {}
        for pair in versions:
            network, _, version = pair.partition("=")
            if network not in NETWORKS or not version:
                known = ", ".join(NETWORKS)
                raise ValueError(f"versions: expected NETWORK=VERSION with one of {known}, found {pair!r}")
            chosen[network] = version
        ModelStore(FolderStore(store)).promote(chosen)
    typer.echo("promoted " + ", ".join(f"{network}/{version}" for network, version in chosen.items()))


@app.command()
def rollback(store: StoreOption) -> None:
    """Make the previous set serve again.

    Example: vehicle-damage models rollback --store runs/store
    """
    with _one_line_errors():
        ModelStore(FolderStore(store)).rollback()
    typer.echo(f"rolled back: {store}")
