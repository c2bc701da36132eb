"""Every step of the job as a command of its own: folders of earlier steps in, the step's folder out.

torch and everything that needs it is imported inside the commands.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.command_errors import reasons_told

if TYPE_CHECKING:
    from models.steps.step_folder import StepDone

OutOption = Annotated[Path, typer.Option(help="The step's folder; what another run of the same left is gone on from.")]
DatasetOption = Annotated[Path, typer.Option(help="Folder of the step dataset.")]
CropsOption = Annotated[Path, typer.Option(help="Folder of the step crops.")]
GanOption = Annotated[Path, typer.Option(help="Folder of the step gan.")]
InstancesOption = Annotated[Path, typer.Option(help="Folder of the step instances.")]
DetectorsOption = Annotated[Path, typer.Option(help="Folder of folders of detectors: ARM-PERCENT-seedNUMBER.")]
FeaturesOption = Annotated[
    Path | None, typer.Option(help="Inception-v3 as TorchScript, or weights of an EfficientNet-Lite0 encoder.")
]
SeedOption = Annotated[int, typer.Option(help="Of every chance.")]


def register(app: typer.Typer) -> None:
    """Add a command a step."""
    for command in (
        dataset, crops, gan, instances, screening, extraction, placement, augmented, segmenter_data, detector,
        evaluation, promotion,
    ):  # fmt: skip
        app.command()(command)


def dataset(
    data: Annotated[
        list[Path], typer.Option(help="Data folder in YOLO's layout, or as `data convert` reads; may be given again.")
    ],
    class_name: Annotated[str, typer.Option("--class", help="What is generated, by its name in data.yaml.")],
    out: OutOption,
    features: FeaturesOption = None,
) -> None:
    """Copy photos and boxes, split three ways by scene; with --features, photos on their side are turned upright.

    Example: vehicle-damage models augment dataset --data photos --class person --out dataset
    """
    with reasons_told():
        from models.job.dataset import copy_dataset  # noqa: PLC0415

        done = copy_dataset(data[0], class_name, out, more=data[1:], features=_load_features(features))
    _tell(done)


def crops(
    dataset: DatasetOption,
    out: OutOption,
    canvas_px: Annotated[int, typer.Option(help="Side of the black canvas: 32, 64, 128, 256 or 512.")] = 64,
    min_side_px: Annotated[float, typer.Option(help="Boxes lower or narrower are left out.")] = 8.0,
    min_visible_share: Annotated[
        float, typer.Option(help="Of a box inside the frame; boxes of less are left out.")
    ] = 0.75,
    min_aspect: Annotated[float, typer.Option(help="Least height over width.")] = 0.0,
    margin_ratio: Annotated[float, typer.Option(help="Added on each side of a box, as a share of it.")] = 0.0,
    alpha: Annotated[str, typer.Option(help="Where transparency comes from: none, outline or grabcut.")] = "none",
) -> None:
    """Cut the instances of train and val out onto black canvases.

    Example: vehicle-damage models augment crops --dataset dataset --canvas-px 64 --alpha grabcut --out crops
    """
    with reasons_told():
        from models.job.crops import CropsOptions, cut_crops  # noqa: PLC0415

        options = CropsOptions(canvas_px, min_side_px, min_visible_share, min_aspect, margin_ratio, alpha)
        done = cut_crops(dataset, out, options)
    _tell(done)


def gan(
    crops: CropsOption,
    out: OutOption,
    preset: Annotated[str, typer.Option(help="smoke, cpu or gpu: what is not given below.")] = "cpu",
    images: Annotated[int | None, typer.Option(help="Real images shown in all.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step, over every process.")] = None,
    mapping: Annotated[str | None, typer.Option(help="transformer, transformer_unprojected or mlp.")] = None,
    channel_base: Annotated[int | None, typer.Option(help="Channels of a resolution: base / resolution …")] = None,
    channel_max: Annotated[int | None, typer.Option(help="… and this at most.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Adam's, of both networks.")] = None,
    r1_gamma: Annotated[float | None, typer.Option(help="Weight of R1; by canvas and batch if not given.")] = None,
    augment: Annotated[str | None, typer.Option(help="none, diffaugment or ada.")] = None,
    snapshot_images: Annotated[int | None, typer.Option(help="Images between two points of the curve.")] = None,
    measured_images: Annotated[int, typer.Option(help="Generated for each point of the curve.")] = 1000,
    features: FeaturesOption = None,
    precision: Annotated[str | None, typer.Option(help="f32 or bf16.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of every chance.")] = None,
    max_minutes: Annotated[float | None, typer.Option(help="End this session after so long; it can go on.")] = None,
    progress: Annotated[bool | None, typer.Option("--progress/--no-progress", help="Show a bar.")] = None,
) -> None:
    """Train the generator; over several GPUs by torchrun --no-python vehicle-damage models augment gan …

    Example: vehicle-damage models augment gan --crops crops --preset cpu --mapping mlp --out gan_mlp
    """
    given = {
        "images": images, "batch_size": batch_size, "mapping": mapping, "channel_base": channel_base,
        "channel_max": channel_max, "learning_rate": learning_rate, "r1_gamma": r1_gamma, "augment": augment,
        "snapshot_images": snapshot_images, "precision": precision, "device": device, "seed": seed,
        "max_minutes": max_minutes, "progress": progress,
    }  # fmt: skip
    with reasons_told():
        from models.job.crops import load_crops  # noqa: PLC0415
        from models.job.instances import train_instances  # noqa: PLC0415
        from models.job.presets import choose_options  # noqa: PLC0415

        _, canvas_px, _, channels = load_crops(crops).canvases["train"].shape
        shape = {"canvas_px": canvas_px, "is_rgba": channels == 4}
        options = _choose(choose_options(preset).gan, {**given, **shape})
        network = _load_features(features)
        done = train_instances(crops, out, options, features=network, measured_images=measured_images)
    if done.digest:  # of several processes the first one tells
        _tell(done)


def instances(
    gan: GanOption,
    crops: CropsOption,
    out: OutOption,
    count: Annotated[int, typer.Option(help="How many.")] = 2000,
    psi: Annotated[float, typer.Option(help="Truncation: 1 leaves the variety, less draws towards the mean.")] = 1.0,
    seed: SeedOption = 1,
) -> None:
    """Generate instances, and note what the discriminator thinks of them.

    Example: vehicle-damage models augment instances --gan gan --crops crops --count 2000 --out instances
    """
    with reasons_told():
        from models.job.instances import generate_instances  # noqa: PLC0415

        done = generate_instances(gan, crops, out, count=count, seed=seed, psi=psi)
    _tell(done)


def screening(
    crops: CropsOption,
    gan: GanOption,
    instances: InstancesOption,
    out: OutOption,
    rule: Annotated[
        str, typer.Option(help="single_40, single_20, multi, critic or learned: the one that decides.")
    ] = "learned",
    critic_k: Annotated[float, typer.Option(help="Deviations about the mean of real scores that are kept.")] = 2.0,
    false_reject_rate: Annotated[
        float, typer.Option(help="Share of good crops that the learned rule aims to reject.")
    ] = 0.02,
    counting: Annotated[
        str, typer.Option(help="Of pixels: reference (size of the rules' source) or literal.")
    ] = "reference",
    sum_over: Annotated[str, typer.Option(help="Channels whose peak makes an image white: all or others.")] = "all",
    seed: SeedOption = 0,
) -> None:
    """Look for broken instances by every rule; measure both error rates of each on real crops broken on purpose.

    Example: vehicle-damage models augment screening --crops crops --gan gan --instances instances --out screening
    """
    with reasons_told():
        from models.job.screening import ScreeningOptions, screen_instances  # noqa: PLC0415

        options = ScreeningOptions(rule, critic_k, false_reject_rate, counting, sum_over, seed)
        done = screen_instances(crops, gan, instances, out, options)
    _tell(done)


def extraction(
    crops: CropsOption,
    instances: InstancesOption,
    out: OutOption,
    mode: Annotated[str, typer.Option(help="mask or box (Otsu), or alpha.")] = "mask",
    min_side_px: Annotated[int, typer.Option(help="Cut-outs lower or narrower are left out.")] = 4,
) -> None:
    """Cut generated and real instances out of their canvases.

    Example: vehicle-damage models augment extraction --crops crops --instances instances --out extraction
    """
    with reasons_told():
        from models.job.extraction import ExtractionOptions, extract_instances  # noqa: PLC0415

        done = extract_instances(crops, instances, out, ExtractionOptions(mode, min_side_px))
    _tell(done)


def placement(
    dataset: DatasetOption,
    out: OutOption,
    count: Annotated[int, typer.Option(help="How many places.")],
    density: Annotated[str, typer.Option(help="joint (centre and height) or centres.")] = "joint",
    overlap: Annotated[str, typer.Option(help="What is limited: iou, own_area or smaller_area.")] = "iou",
    max_overlap: Annotated[float, typer.Option(help="With any box already there.")] = 0.1,
    onto: Annotated[str, typer.Option(help="any photo, or without: those that show none of the class.")] = "any",
    within: Annotated[str | None, typer.Option(help="Class of the object that instances must lie on.")] = None,
    surfaces: Annotated[
        list[str] | None, typer.Option(help="With --within, class of a part they must lie on; may be given again.")
    ] = None,
    min_side_px: Annotated[int, typer.Option(help="Least width and height of a place.")] = 8,
    seed: SeedOption = 0,
) -> None:
    """Draw places where such instances stand, clear of what is already there.

    Example: vehicle-damage models augment placement --dataset dataset --count 200 --out placement
    """
    with reasons_told():
        from models.job.placement import PlacementOptions, draw_places  # noqa: PLC0415

        options = PlacementOptions(
            count=count,
            density=density,
            overlap=overlap,
            max_overlap=max_overlap,
            min_side_px=min_side_px,
            onto=onto,
            within=within,
            surfaces=tuple(surfaces or ()),
            seed=seed,
        )
        done = draw_places(dataset, out, options)
    _tell(done)


def augmented(
    dataset: DatasetOption,
    placement: Annotated[Path, typer.Option(help="Folder of the step placement.")],
    extraction: Annotated[Path, typer.Option(help="Folder of the step extraction.")],
    screening: Annotated[Path, typer.Option(help="Folder of the step screening.")],
    out: OutOption,
    arm: Annotated[str, typer.Option(help="repeat, real_crop_paste, gan_unscreened, gan_screened or rgba_blend.")],
    count: Annotated[int, typer.Option(help="Photos to add, an instance each.")],
    blend: Annotated[str, typer.Option(help="hard, feathered or poisson.")] = "hard",
    match_strength: Annotated[
        float, typer.Option(help="How far light and colour move to the surroundings', 0 to 1.")
    ] = 0.0,
    min_change: Annotated[float, typer.Option(help="How much a paste must show, a distance in CIE Lab.")] = 0.0,
    seed: SeedOption = 0,
) -> None:
    """Paste instances into photos, as one arm of the proof wants it.

    Example: vehicle-damage models augment augmented --dataset dataset --placement placement --extraction extraction
    --screening screening --arm gan_screened --count 100 --out augmented/gan_screened-10
    """
    with reasons_told():
        from models.job.augmented import AugmentedOptions, paste_instances  # noqa: PLC0415

        options = AugmentedOptions(
            arm, count, blend=blend, match_strength=match_strength, min_change=min_change, seed=seed
        )
        done = paste_instances(dataset, placement, extraction, screening, out, options)
    _tell(done)


def segmenter_data(
    dataset: DatasetOption,
    augmented: Annotated[Path, typer.Option(help="Folder of the step augmented.")],
    out: OutOption,
    photos: Annotated[
        str, typer.Option(help="pasted: those alone, to be given beside other data; all: the data set's own too.")
    ] = "pasted",
) -> None:
    """Turn photos with pasted damage, masks and all, into data that `models train segmenter` takes.

    Example: vehicle-damage models augment segmenter-data --dataset dataset --augmented augmented/rgba_blend-40
    --out segmenter_data
    """
    with reasons_told():
        from models.job.segmenter_data import SegmenterDataOptions, write_segmenter_data  # noqa: PLC0415

        done = write_segmenter_data(dataset, augmented, out, SegmenterDataOptions(photos))
    _tell(done)


def detector(
    dataset: DatasetOption,
    out: OutOption,
    augmented: Annotated[Path | None, typer.Option(help="Folder of the step augmented; none: the baseline.")] = None,
    start: Annotated[Path | None, typer.Option(help="Folder of a detector to start from.")] = None,
    preset: Annotated[str, typer.Option(help="smoke, cpu or gpu: what is not given below.")] = "cpu",
    cfg: Annotated[
        str | None,
        typer.Option(
            help="yolov5su.yaml, yolov3-tinyu.yaml, yolov5nu.yaml …; or sr-rcnn or mask-rcnn, with -resnet50 for the "
            "larger backbone, where --weights are of the backbone alone."
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="Weights to start from: ultralytics', or of the backbone of sr-rcnn and mask-rcnn."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the photos.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Photos an iteration.")] = None,
    input_px: Annotated[int | None, typer.Option(help="Side of the input, a multiple of 32.")] = None,
    seed: SeedOption = 0,
    device: Annotated[str | None, typer.Option(help="cpu, or the number of a GPU.")] = None,
) -> None:
    """Train one detector and write down what it sees on val and test.

    Example: vehicle-damage models augment detector --dataset dataset --augmented augmented/gan_screened-10 --seed 1
    --out detectors/gan_screened-10-seed1
    """
    given = {
        "cfg": cfg, "weights": weights, "epochs": epochs, "batch_size": batch_size, "input_px": input_px, "seed": seed,
        "device": device,
    }  # fmt: skip
    with reasons_told():
        from models.job.detector import train_detector  # noqa: PLC0415
        from models.job.presets import choose_options  # noqa: PLC0415

        options = _choose(choose_options(preset).detector, given)
        done = train_detector(dataset, augmented, out, options, start=start)
    _tell(done)


def evaluation(dataset: DatasetOption, detectors: DetectorsOption, out: OutOption) -> None:
    """Judge detectors on val, and choose each arm's ratio; test stays closed.

    Example: vehicle-damage models augment evaluation --dataset dataset --detectors detectors --out evaluation
    """
    with reasons_told():
        from models.job.evaluation import evaluate_detectors, find_trained  # noqa: PLC0415

        done = evaluate_detectors(dataset, find_trained(detectors), out)
    _tell(done)


def promotion(
    dataset: DatasetOption,
    detectors: DetectorsOption,
    evaluation: Annotated[Path, typer.Option(help="Folder of the step evaluation.")],
    out: OutOption,
    alpha: Annotated[float, typer.Option(help="Accepted chance of a false promotion.")] = 0.05,
    seed: SeedOption = 0,
) -> None:
    """Open test once; promote an arm if its gain is proven.

    Example: vehicle-damage models augment promotion --dataset dataset --detectors detectors --evaluation evaluation
    --out promotion
    """
    with reasons_told():
        from models.job.evaluation import find_trained  # noqa: PLC0415
        from models.job.promotion import ProofOptions, decide_promotion  # noqa: PLC0415

        options = ProofOptions(alpha=alpha, seed=seed)
        done = decide_promotion(dataset, evaluation, find_trained(detectors), out, options)
    _tell(done)


def _load_features(path: Path | None) -> Any:
    if path is None:
        return None
    from models.evaluation.generation.network import load_feature_network  # noqa: PLC0415

    return load_feature_network(path)


def _choose(options: Any, given: dict[str, Any]) -> Any:
    """A preset's options with those that were given."""
    from dataclasses import replace  # noqa: PLC0415

    return replace(options, **{name: value for name, value in given.items() if value is not None})


def _tell(done: "StepDone") -> None:
    typer.echo(json.dumps({"folder": str(done.folder), "was_done": done.was_there, **done.result}, indent=1))
