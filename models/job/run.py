"""The whole job: every step in its folder, in order; what is done is taken as it is, so a killed job goes on.

In:   data folders. Out: the job's folder, a subfolder a step, report.html and report.json.
Must not know: how a step does its work.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from models.evaluation.generation.features import FeatureNetwork
from models.evaluation.proof.arms import BASELINE, RGBA_BLEND
from models.job.augmented import AugmentedOptions, paste_instances
from models.job.crops import cut_crops
from models.job.dataset import copy_dataset, load_dataset_step
from models.job.detector import check_cfg, train_detector
from models.job.evaluation import TrainedArm, count_added, evaluate_detectors, name_start, place_trained
from models.job.extraction import ExtractionOptions, extract_instances
from models.job.instances import generate_instances, train_instances
from models.job.placement import draw_places
from models.job.presets import JobOptions
from models.job.promotion import decide_promotion
from models.job.report import write_report
from models.job.screening import screen_instances
from models.job.segmenter_data import SegmenterDataOptions, write_segmenter_data
from models.steps.step_folder import StepDone
from models.structures import DAMAGE_CLASSES


@dataclass(frozen=True)
class JobStep:
    """One step of a job.

    Attributes:
        name: its folder below the job's.
        work: does it, or takes it as it is.
    """

    name: str
    work: Callable[[], StepDone]


def plan_job(
    data: Sequence[Path], class_name: str, out: Path, options: JobOptions, features: FeatureNetwork | None
) -> Iterator[JobStep]:
    """The steps, in order; later ones look at what earlier ones left: do each before asking for the next.

    Args:
        data: data folders, one or more.
        class_name: what is generated.
        out: the job's folder.
        options: of the job.
        features: measures the generator and finds turned photos; None: neither.
    """
    dataset, crops = out / "dataset", out / "crops"
    yield JobStep("dataset", partial(copy_dataset, data[0], class_name, dataset, more=data[1:], features=features))
    yield JobStep("crops", partial(cut_crops, dataset, crops, options.crops))
    yield from _plan_generation(out, options, features)
    trained: list[TrainedArm] = []
    yield from _plan_arms(out, options, trained)
    evaluation = out / "evaluation"
    yield JobStep("evaluation", partial(evaluate_detectors, dataset, trained, evaluation))
    promotion = partial(decide_promotion, dataset, evaluation, trained, out / "promotion", options.proof)
    yield JobStep("promotion", promotion)


def run_job(
    data: Sequence[Path],
    class_name: str,
    out: Path,
    options: JobOptions,
    *,
    features: FeatureNetwork | None = None,
    tell: Callable[[str, bool], None] = lambda _name, _was_there: None,
) -> str | None:
    """Do the whole job and write its report.

    Args:
        data: data folders, one or more.
        class_name: what is generated.
        out: the job's folder; what another run of the same job left in it is gone on from.
        options: of the job.
        features: measures the generator and finds turned photos; None: neither.
        tell: gets each step's name and whether it had been done before.

    Returns:
        The arm that is promoted, or None: the incumbent stays.

    Raises:
        DataError: what a step refuses, or out holds another job.
        TrainingError: a training cannot start or go on.
        TrainingStopped: a signal ended the GAN's training, or that of a detector that resumes; the same call goes on.
    """
    check_cfg(options.detector.cfg)
    done = None
    for step in plan_job(data, class_name, out, options, features):
        done = step.work()
        tell(step.name, done.was_there)
    write_report(out)
    return done.result["promoted_arm"] if done else None


def _plan_generation(out: Path, options: JobOptions, features: FeatureNetwork | None) -> Iterator[JobStep]:
    """From crops to cut-outs."""
    crops, gan, instances = (out / name for name in ("crops", "gan", "instances"))
    train = partial(train_instances, crops, features=features, measured_images=options.measured_images)
    yield JobStep("gan", partial(train, gan, options.gan))
    if options.compared_mapping is not None:
        name = f"gan_{options.compared_mapping}"
        yield JobStep(name, partial(train, out / name, replace(options.gan, mapping=options.compared_mapping)))
    generate = partial(generate_instances, gan, crops, instances, count=options.instances, seed=options.seed)
    yield JobStep("instances", generate)
    yield JobStep("screening", partial(screen_instances, crops, gan, instances, out / "screening", options.screening))
    modes = {"extraction": options.extraction_mode}
    if _has_alpha_apart(options):
        modes["extraction_alpha"] = "alpha"
    for name, mode in modes.items():
        yield JobStep(name, partial(extract_instances, crops, instances, out / name, ExtractionOptions(mode)))


def _plan_arms(out: Path, options: JobOptions, trained: list[TrainedArm]) -> Iterator[JobStep]:
    """Places, photos of every arm and ratio, detectors of every arm, ratio and seed; these are noted in `trained`.

    Of damage the last arm's photos, at the highest ratio, also become data for the segmenter.
    """
    dataset, placement, screening = (out / name for name in ("dataset", "placement", "screening"))
    data = load_dataset_step(dataset)
    photos = len(data.choose("train"))
    counts = {ratio: count_added(ratio, photos) for ratio in options.ratios}
    places = replace(options.placement, count=max(counts.values()), seed=options.seed)
    yield JobStep("placement", partial(draw_places, dataset, placement, places))
    arms: list[tuple[str, float, Path | None]] = [(BASELINE, 0.0, None)]
    for arm in options.arms:
        cutouts = out / ("extraction_alpha" if arm == RGBA_BLEND and _has_alpha_apart(options) else "extraction")
        for ratio, count in counts.items():
            name = f"augmented/{arm}-{round(100 * ratio)}"
            pasting = _choose_pasting(arm, count, options)
            yield JobStep(name, partial(paste_instances, dataset, placement, cutouts, screening, out / name, pasting))
            arms.append((arm, ratio, out / name))
    last = arms[-1][-1]
    if last is not None and data.class_names[data.class_id] in DAMAGE_CLASSES:
        own = partial(write_segmenter_data, dataset, last, out / "segmenter_data", SegmenterDataOptions())
        yield JobStep("segmenter_data", own)
    detectors, start = out / "detectors", None
    for seed in options.seeds:
        if options.start_epochs:
            start = detectors / name_start(seed)
            first = replace(options.detector, epochs=options.start_epochs, seed=seed)
            yield JobStep(f"detectors/{start.name}", partial(train_detector, dataset, None, start, first))
        for arm, ratio, augmented in arms:
            own = place_trained(arm, ratio, seed, detectors)
            trained.append(own)
            training = replace(
                options.detector,
                seed=seed,
                epochs=_scale_epochs(options, ratio),
                weights=None if start else options.detector.weights,
            )
            train = partial(train_detector, dataset, augmented, own.folder, training, start=start)
            yield JobStep(f"detectors/{own.folder.name}", train)


def _has_alpha_apart(options: JobOptions) -> bool:
    """Does the arm that blends take other cut-outs than the others?"""
    return options.gan.is_rgba and options.extraction_mode != "alpha"


def _scale_epochs(options: JobOptions, ratio: float) -> int:
    """Passes over an arm's photos that make as many iterations as the highest ratio's, to the nearest pass."""
    return round(options.detector.epochs * (1 + max(options.ratios)) / (1 + ratio))


def _choose_pasting(arm: str, count: int, options: JobOptions) -> AugmentedOptions:
    """How an arm is pasted: hard, but for the one that blends."""
    pasting = AugmentedOptions(arm, count, min_change=options.min_change, seed=options.seed)
    if arm == RGBA_BLEND:
        return replace(pasting, blend=options.blend, match_strength=options.match_strength)
    return pasting
