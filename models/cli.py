"""The offline path's commands, mounted as `vehicle-damage models …`.

torch and everything that needs it is imported inside the commands: serving imports this module without torch.
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from models.command_errors import reasons_told
from models.data.cli import data_app
from models.data.formats.dataset import SPLIT_NAMES
from models.data.photos import ANNOTATIONS_NAME, choose_split, load_photos
from models.job.cli import augment_app
from models.object_store import open_store
from models.store import NETWORKS, OPTIONAL_NETWORKS, PRETRAINED_DIR, ModelStore
from models.training.cli import train_app

app = typer.Typer(no_args_is_help=True, help="Train, compare, promote and roll back the networks.")
app.add_typer(data_app, name="data")
app.add_typer(augment_app, name="augment")
app.add_typer(train_app, name="train")

DataOption = Annotated[
    list[Path], typer.Option("--data", help="Folder with images/ and annotations.json; may be given again.")
]
StoreOption = Annotated[str, typer.Option("--store", help="Model store: a folder, or s3://bucket/prefix.")]
PolicyOption = Annotated[str, typer.Option(help="Mask policy of the class: crf or threshold.")]


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

    with reasons_told():
        if split not in SPLIT_NAMES:
            raise ValueError(f"split: expected one of {', '.join(SPLIT_NAMES)}, found {split!r}")
        render_dataset(out, photos, seed)
        path = out / ANNOTATIONS_NAME
        records = [{**record, "split": split} for record in json.loads(path.read_text())]
        path.write_text(json.dumps(records) + "\n")
    typer.echo(f"rendered {photos} photos: {out}")


@app.command()
def evaluate(
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Folder for report.json and report.html.")],
    models: Annotated[str, typer.Option("--models", help="Model store: a folder, or s3://bucket/prefix.")] = str(
        PRETRAINED_DIR
    ),
    split: Annotated[
        str | None, typer.Option(help="train, val or test; not given: val, or all of a folder that has no val.")
    ] = None,
    scratch_policy: PolicyOption = "crf",
    dent_policy: PolicyOption = "threshold",
    spacing_policy: PolicyOption = "crf",
    crop_margin_ratio: Annotated[float, typer.Option(help="As the service's.")] = 0.05,
    min_region_area_px2: Annotated[int, typer.Option(help="As the service's.")] = 40,
    gate_score_threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Photos below it are let go; unset: the gate's card says.")
    ] = None,
    finder: Annotated[
        str, typer.Option(help="The set's finder of small damages: off, beside the segmenter or instead of it.")
    ] = "off",
    gate_recall: Annotated[
        float, typer.Option(min=0.01, max=1, help="The gate recall for which a threshold is told.")
    ] = 0.9,
    overlays: Annotated[
        int, typer.Option(min=0, help="Write pictures of so many of the worst false negatives and positives.")
    ] = 0,
) -> None:
    """Measure the promoted set on annotated photos by serving's path, real and rendered apart.

    Example: vehicle-damage models evaluate --data runs/rendered --out runs/evaluation
    """
    with reasons_told():
        from models.evaluation.path import PathOptions  # noqa: PLC0415
        from models.evaluation.run import EvaluationOptions, run_evaluation  # noqa: PLC0415

        report = run_evaluation(
            EvaluationOptions(
                data=tuple(data),
                out=out,
                models=models,
                split=split,
                path=PathOptions(crop_margin_ratio, min_region_area_px2, (scratch_policy, dent_policy, spacing_policy)),
                gate_score_threshold=gate_score_threshold,
                finder=finder,
                gate_recall=gate_recall,
                overlays=overlays,
            )
        )
    photos = sum(report[sample]["photos"] for sample in ("real", "rendered") if sample in report)
    typer.echo(f"evaluated {photos} photos: {out / 'report.html'}")


@app.command()
def export(
    run_dir: Annotated[Path, typer.Argument(help="Run folder of `train`.")],
    store: StoreOption,
    version: Annotated[str, typer.Option(help="Name of the new version.")] = "0001",
    weights_format: Annotated[
        list[str] | None,
        typer.Option(
            help="openvino-f32, openvino-fp16, openvino-int8 (weights), openvino-int8-quantized (weights and "
            "activations) or torch-safetensors; twice for OpenVINO and torch; else the network's own. bf16 is chosen "
            "when a version runs, not here."
        ),
    ] = None,
    input_px: Annotated[
        int | None, typer.Option(min=64, max=4096, help="Side of the input, a multiple of 32; else the network's own.")
    ] = None,
    calibration_photos: Annotated[
        int, typer.Option(min=1, help="Training photos that openvino-int8-quantized is calibrated with.")
    ] = 128,
    about: Annotated[
        Path | None, typer.Option(help="JSON for the card: sources (into dataset), limits, commit; each may miss.")
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="finder: RUN is one detector's folder of `train sr-rcnn`; else RUN says it.")
    ] = None,
    data: Annotated[
        list[Path] | None, typer.Option(help="Finder: annotated folders whose val photos choose its thresholds.")
    ] = None,
    mode: Annotated[
        str | None, typer.Option(help="Finder: super-resolves always, never, small or gated; as it was trained.")
    ] = None,
    small_px: Annotated[
        float, typer.Option(help="Finder: root of a box's area below which a damage is small; crop pixels.")
    ] = 32.0,
) -> None:
    """Export a run to OpenVINO or safetensors and add it to a store as a candidate.

    Example: vehicle-damage models export runs/gate --store runs/store --version 0002 --weights-format openvino-fp16

    Example: vehicle-damage models export runs/sr_rcnn/sr-rcnn-seed1 --network finder --data runs/data --store store
    """
    with reasons_told():
        from models import export as exporting  # noqa: PLC0415
        from models.training.options import choose_network_options, load_options  # noqa: PLC0415

        told = json.loads(about.read_text()) if about else {}
        if unknown := set(told) - {"sources", "limits", "commit"}:
            raise ValueError(f"about: expected sources, limits, commit, found {', '.join(sorted(unknown))}")
        if network == "finder":
            finder_options = exporting.FinderOptions(
                data=tuple(data or ()),
                mode=mode,
                small_px=small_px,
                input_hw=(input_px, input_px) if input_px is not None else None,
                weights_format="+".join(weights_format or ["openvino-f32"]),
                **told,
            )
            card = exporting.export_finder(_open_for_writing(store), run_dir, version, finder_options)
            typer.echo(f"candidate {card.network}/{card.version} ({card.weights_format}): {store}")
            return
        options = load_options(run_dir)
        if network not in (None, options.network):
            raise ValueError(f"network: {run_dir} trained {options.network}, found {network!r}")
        spec = exporting.SPECS[options.network]
        formats = exporting.split_formats("+".join(weights_format or [spec.weights_format]))
        if input_px is not None and input_px % 32:
            raise ValueError(f"input-px: expected a multiple of 32, found {input_px}")
        wrapped = exporting.load_run(options.network, run_dir)
        photos = load_photos(options.data)
        calibration_images = []
        if "openvino-int8-quantized" in formats:
            train_photos = choose_split(photos, "train")
            calibration_images = exporting.view_photos(options.network, train_photos, calibration_photos)
        card = exporting.export_version(
            _open_for_writing(store),
            options.network,
            version,
            wrapped,
            parity_images=exporting.view_photos(options.network, photos, exporting.PARITY_PHOTOS),
            calibration_images=calibration_images,
            input_hw=(input_px, input_px) if input_px is not None else spec.input_hw,
            weights_format="+".join(formats),
            network_options=choose_network_options(options),
            dataset={**exporting.describe_dataset(options), "sources": told.get("sources", [])},
            limits=tuple(told.get("limits", ())),
            commit=told.get("commit", ""),
        )
    typer.echo(f"candidate {card.network}/{card.version} ({card.weights_format}): {store}")


@app.command()
def calibrate(
    data: DataOption,
    candidates: Annotated[str, typer.Option("--from", help="Store that holds the candidates.")],
    version: Annotated[str, typer.Option(help="Their version, the same for all three.")],
    store: StoreOption,
    new_version: Annotated[str, typer.Option(help="Name of the calibrated versions in --store.")] = "0001",
    gate_recall: Annotated[
        float, typer.Option(min=0.01, max=1, help="Share of damaged photos to let through: mean of real and rendered.")
    ] = 0.9,
    objective: Annotated[
        str, typer.Option(help="iou or recall: what class thresholds maximise at 0.2 or fewer false regions a photo.")
    ] = "iou",
) -> None:
    """Choose every threshold on half of the val cars, measure on the others, store versions whose cards say both.

    Example: vehicle-damage models calibrate --from runs/store --version 0001 --data runs/val --store runs/calibrated
    """
    with reasons_told():
        from models.evaluation.calibration import calibrate_versions  # noqa: PLC0415
        from models.evaluation.run import drop_nan, load_annotated, require_libraries, show_bar  # noqa: PLC0415
        from models.evaluation.slicing import load_contexts  # noqa: PLC0415

        require_libraries()
        photos = load_annotated(data, "val")
        source = ModelStore(open_store(candidates))
        versions = {network: source.load_version(network, version) for network in NETWORKS}
        cards, report = calibrate_versions(
            versions,
            photos,
            gate_recall=gate_recall,
            objective=objective,
            contexts=load_contexts(data),
            show_progress=show_bar,
        )
        written = _open_for_writing(store)
        for network, card in cards.items():
            renamed = card.model_copy(update={"version": new_version})
            written.add(renamed, versions[network].files)
    typer.echo(json.dumps(drop_nan(report), indent=2))


@app.command()
def promote(
    versions: Annotated[list[str], typer.Argument(help="NETWORK=VERSION, one or more.")], store: StoreOption
) -> None:
    """Make candidates serve; networks not named keep theirs.

    Example: vehicle-damage models promote gate=0002 --store runs/store
    """
    with reasons_told():
        chosen = {}
        for pair in versions:
            network, _, version = pair.partition("=")
            if network not in (*NETWORKS, *OPTIONAL_NETWORKS) or not version:
                known = ", ".join((*NETWORKS, *OPTIONAL_NETWORKS))
                raise ValueError(f"versions: expected NETWORK=VERSION with one of {known}, found {pair!r}")
            chosen[network] = version
        ModelStore(open_store(store)).promote(chosen)
    typer.echo("promoted " + ", ".join(f"{network}/{version}" for network, version in chosen.items()))


@app.command()
def rollback(
    store: StoreOption,
    to: Annotated[str | None, typer.Option(help="Digest of a set that once served; the previous one.")] = None,
) -> None:
    """Make a set that once served serve again.

    Example: vehicle-damage models rollback --store runs/store
    """
    with reasons_told():
        models = ModelStore(open_store(store))
        if to is None:
            models.rollback()
        else:
            models.promote_set(to)
        digest = models.read_promoted_digest()
    typer.echo(f"set {digest} serves: {store}")


def _open_for_writing(location: str) -> ModelStore:
    """A store to add versions to; a folder that is not there is made."""
    if "://" not in location:
        Path(location).mkdir(parents=True, exist_ok=True)
    return ModelStore(open_store(location))
