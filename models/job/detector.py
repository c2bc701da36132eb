"""detector: one arm's photos train one detector with one seed; what it sees on val and on test is written down.

In:   the folders of dataset and, but for the baseline, augmented. Out: detections_val.npz and detections_test.npz;
      weights.pt, as ultralytics writes them.
Must not know: how photos were made, other arms, measures of test.

Test detections are written, not judged: that is the evaluation's, once, when everything is chosen. A training that is
interrupted starts anew: with the same seed it ends the same, and a few minutes are lost at most of a run of hours.
"""

import contextlib
import hashlib
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import yaml

from models.data.folder_writing import link_images
from models.data.photos import DataError, load_image
from models.evaluation.detection.matching import AnnotatedBoxes, PredictedBoxes
from models.evaluation.detection.table import evaluate_detections
from models.evaluation.proof.arms import BASELINE
from models.job.augmented import STEP as AUGMENTED_STEP
from models.job.dataset import JobData, JobPhoto, load_dataset_step
from models.steps.step_folder import STEP_NAME, StepDone, check_made_of, load_step, run_step
from models.structures import check_limits

STEP: Final = "detector"
WEIGHTS_NAME: Final = "weights.pt"
JUDGED_SPLITS: Final = ("val", "test")
NMS_IOU: Final = 0.6
"""Source: SEEDS A11."""
LOWEST_SCORE: Final = 0.001
MAX_DETECTIONS: Final = 300


@dataclass(frozen=True)
class DetectorOptions:
    """How a detector is trained; arms differ in their photos alone.

    Attributes:
        cfg: ultralytics' name of an architecture, such as yolov5su.yaml, or a file.
        weights: state to start from, or None for random weights.
        epochs: passes over the arm's photos.
        batch_size: photos an iteration.
        input_px: side of the input, a multiple of 32.
        seed: of weights, order and augmentation; arms share seeds.
        device: cpu, or a number of a GPU.
    """

    cfg: str = "yolov5su.yaml"
    weights: Path | None = None
    epochs: int = 30
    batch_size: int = 16
    input_px: int = 416
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: names the option, what was expected and what was found.
        """
        limits = {
            "epochs": (self.epochs >= 1, "1 or more"),
            "seed": (self.seed >= 0, "0 or more"),
            "batch_size": (self.batch_size >= 1, "1 or more"),
            "input_px": (self.input_px >= 32 and self.input_px % 32 == 0, "a multiple of 32"),
        }
        check_limits(self, limits)


def train_detector(
    dataset: Path, augmented: Path | None, out: Path, options: DetectorOptions, *, start: Path | None = None
) -> StepDone:
    """Do the step.

    Args:
        dataset: the dataset step's folder.
        augmented: the augmented step's folder; None for the baseline.
        out: the step's folder.
        options: the training.
        start: folder of another detector step, whose weights to start from; not with options.weights.

    Returns:
        The step; its result holds the arm, the number of photos it adds, and the measures of val.

    Raises:
        DataError: unknown cfg, no such weights, an input is incomplete, or out holds other work.
        ValueError: start and options.weights.
    """
    if start is not None and options.weights is not None:
        raise ValueError("start, weights: expected one of them, found both")
    if options.weights is not None and not options.weights.is_file():
        raise DataError(f"weights: no such file: {options.weights}")
    if "u.yaml" in str(out.resolve()):
        raise DataError(f"out: ultralytics takes u.yaml for a network wherever it stands in a path, found {out}")
    if start is not None:
        load_step(start, STEP)
    if not (out / STEP_NAME).is_file():
        check_cfg(options.cfg)
    inputs = {"dataset": dataset, "augmented": augmented, "start": start}
    inputs = {name: folder for name, folder in inputs.items() if folder is not None}
    weights = options.weights
    told = {**asdict(options), "weights": hashlib.sha256(weights.read_bytes()).hexdigest() if weights else None}
    initial = start / WEIGHTS_NAME if start is not None else weights

    def work(folder: Path, scratch: Path) -> Mapping[str, Any]:
        data = load_dataset_step(dataset)
        added = {"arm": BASELINE, "photos": 0}
        if augmented is not None:
            check_made_of(augmented, dataset=dataset)
            added = dict(load_step(augmented, AUGMENTED_STEP).result)
        trained = _train(
            _lay_out(data, augmented, scratch / "data"), scratch / "run", options, initial, len(data.class_names)
        )
        shutil.copy2(trained, folder / WEIGHTS_NAME)
        network = _open(trained)
        on_val: dict[str, Any] = {}
        for split in JUDGED_SPLITS:
            photos = data.choose(split)
            preds = _predict(network, photos, options)
            _save(folder / _file_name(split), preds)
            if split == "val":
                table = evaluate_detections(preds, annotations_of(photos), data.class_names)
                on_val = {
                    "overall": asdict(table.overall),
                    "per_class": {k: asdict(v) for k, v in table.per_class.items()},
                }
        return {"arm": added["arm"], "added_photos": added["photos"], "val": on_val}

    return run_step(out, STEP, told, inputs, work)


def check_cfg(cfg: str) -> None:
    """Refuse what ultralytics cannot build a detector from, before hours are spent on what comes before it.

    Raises:
        DataError: unknown, or a network that is no detector.
    """
    from ultralytics import YOLO  # noqa: PLC0415

    with _quiet():
        try:
            task = YOLO(cfg).task if cfg.endswith((".yaml", ".yml")) else ""
        except FileNotFoundError:
            task = ""
    if task != "detect":
        raise DataError(f"cfg: expected a detector that ultralytics knows, such as yolov5su.yaml, found {cfg!r}")


def load_detections(folder: Path, split: str) -> list[PredictedBoxes]:
    """What the detector saw on one split, a photo each in the dataset's order.

    Raises:
        DataError: the step is not complete.
    """
    load_step(folder, STEP)
    with np.load(folder / _file_name(split)) as saved:
        edges = np.cumsum(saved["counts"])[:-1]
        columns = (np.split(saved[name], edges) for name in ("boxes_xyxy", "scores", "class_ids"))
        return [PredictedBoxes(*row) for row in zip(*columns, strict=True)]


def annotations_of(photos: Sequence[JobPhoto]) -> list[AnnotatedBoxes]:
    """The truth, in the order of the photos."""
    return [AnnotatedBoxes(photo.boxes_xyxy, photo.class_ids) for photo in photos]


def _lay_out(data: JobData, augmented: Path | None, root: Path) -> Path:
    """Link the photos into a folder of the training's own, since ultralytics writes beside the labels it reads."""
    sources = [(data.folder, split, split) for split in ("train", "val")]
    sources += [(augmented, "train", "train/augmented")] if augmented else []
    for source, split, place in sources:
        for name in ("images", "labels"):
            inside = source / name / split
            names = sorted(path.relative_to(inside).as_posix() for path in inside.rglob("*") if path.is_file())
            link_images(inside, root / name / place, names)
    content = {
        "path": str(root.resolve()),
        "train": "images/train",
        "val": "images/val",
        "names": list(data.class_names),
    }
    (root / "data.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return root / "data.yaml"


def _train(data_yaml: Path, run_dir: Path, options: DetectorOptions, initial: Path | None, classes: int) -> Path:
    """Train from the start; returns the weights of the epoch that val liked best.

    The optimizer is what ultralytics chooses for short trainings; left to choose, it takes another for long ones, and
    arms that add photos would cross that line before the others.
    """
    from ultralytics import YOLO  # noqa: PLC0415 - takes seconds, and changes what PIL opens

    with _quiet():
        network = YOLO(options.cfg)
        if initial is not None:
            network.load(str(initial))
        network.train(
            data=str(data_yaml.resolve()),
            epochs=options.epochs,
            batch=options.batch_size,
            imgsz=options.input_px,
            seed=options.seed,
            device=options.device,
            deterministic=True,
            optimizer="AdamW",
            lr0=round(0.01 / (4 + classes), 6),
            momentum=0.9,
            warmup_bias_lr=0.0,
            workers=0,
            pretrained=initial is not None,
            plots=False,
            verbose=False,
            amp=options.device != "cpu",
            project=str(run_dir.parent.resolve()),
            name=run_dir.name,
            exist_ok=True,
        )
    return run_dir / "weights" / "best.pt"


def _open(weights: Path) -> Any:
    from ultralytics import YOLO  # noqa: PLC0415

    return YOLO(str(weights))


def _predict(network: Any, photos: Sequence[JobPhoto], options: DetectorOptions) -> list[PredictedBoxes]:
    """What the detector sees, photo by photo."""
    found = []
    with _quiet():
        for photo in photos:
            bgr = np.ascontiguousarray(load_image(photo.path)[..., ::-1])
            (seen,) = network.predict(
                bgr, imgsz=options.input_px, conf=LOWEST_SCORE, iou=NMS_IOU, max_det=MAX_DETECTIONS,
                device=options.device, verbose=False,
            )  # fmt: skip
            boxes = seen.boxes.cpu()
            found.append(
                PredictedBoxes(
                    boxes.xyxy.numpy().astype(np.float64),
                    boxes.conf.numpy().astype(np.float64),
                    boxes.cls.numpy().astype(np.int64),
                )
            )
    return found


def _save(path: Path, preds: Sequence[PredictedBoxes]) -> None:
    np.savez_compressed(
        path,
        counts=np.array([len(pred.scores) for pred in preds], np.int64),
        boxes_xyxy=np.concatenate([pred.boxes_xyxy for pred in preds]),
        scores=np.concatenate([pred.scores for pred in preds]),
        class_ids=np.concatenate([pred.class_ids for pred in preds]),
    )


def _file_name(split: str) -> str:
    return f"detections_{split}.npz"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Let ultralytics say errors alone; torch's number of threads and determinism come back as they were."""
    logger = logging.getLogger("ultralytics")
    level, threads = logger.level, torch.get_num_threads()
    is_deterministic = torch.are_deterministic_algorithms_enabled()
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(is_deterministic)
