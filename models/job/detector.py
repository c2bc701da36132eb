"""detector: one arm's photos train one detector with one seed; what it sees on val and on test is written down.

In:   the folders of dataset and, but for the baseline, augmented. Out: detections_val.npz and detections_test.npz;
      weights.pt, as the detector's family writes them.
Must not know: how photos were made, other arms, measures of test; how a family trains.

Test detections are written, not judged: that is the evaluation's, once, when everything is chosen. A training that is
interrupted goes on where its family can; else it starts anew: with the same seed it ends the same, and a few minutes
are lost at most of a run of hours.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.data.photos import DataError
from models.evaluation.detection.matching import AnnotatedBoxes, PredictedBoxes
from models.evaluation.detection.table import evaluate_detections
from models.evaluation.proof.arms import BASELINE
from models.job.augmented import STEP as AUGMENTED_STEP
from models.job.dataset import JobPhoto, load_dataset_step
from models.job.detectors.choice import check_cfg, check_start, choose_family
from models.job.detectors.family import ArmTraining
from models.job.detectors.options import DetectorOptions
from models.steps.step_folder import STEP_NAME, StepDone, check_made_of, load_step, run_step

STEP: Final = "detector"
WEIGHTS_NAME: Final = "weights.pt"
JUDGED_SPLITS: Final = ("val", "test")


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
        DataError: unknown cfg, no such weights, a start of another cfg, an input is incomplete, or out holds other
            work.
        TrainingError: weights that do not fit, no such GPU, or the training cannot go on.
        TrainingStopped: a signal ended the training of a family that resumes; the same call goes on.
        ValueError: start and options.weights.
    """
    if start is not None and options.weights is not None:
        raise ValueError("start, weights: expected one of them, found both")
    if options.weights is not None and not options.weights.is_file():
        raise DataError(f"weights: no such file: {options.weights}")
    family = choose_family(options.cfg)
    family.check_out(out)
    if start is not None:
        check_start(options.cfg, load_step(start, STEP).options["cfg"])
    if not (out / STEP_NAME).is_file():
        check_cfg(options.cfg)
    inputs = {"dataset": dataset, "augmented": augmented, "start": start}
    inputs = {name: folder for name, folder in inputs.items() if folder is not None}
    weights = options.weights
    told = {**asdict(options), "weights": hashlib.sha256(weights.read_bytes()).hexdigest() if weights else None}

    def work(folder: Path, scratch: Path) -> Mapping[str, Any]:
        data = load_dataset_step(dataset)
        added = {"arm": BASELINE, "photos": 0}
        if augmented is not None:
            check_made_of(augmented, dataset=dataset)
            added = dict(load_step(augmented, AUGMENTED_STEP).result)
        training = ArmTraining(data, augmented, options, start / WEIGHTS_NAME if start is not None else None)
        family.train(training, scratch, folder / WEIGHTS_NAME)
        predict = family.load(folder / WEIGHTS_NAME, options)
        on_val: dict[str, Any] = {}
        for split in JUDGED_SPLITS:
            photos = data.choose(split)
            preds = predict(photos)
            _save(folder / _file_name(split), preds)
            if split == "val":
                table = evaluate_detections(preds, annotations_of(photos), data.class_names)
                on_val = {
                    "overall": asdict(table.overall),
                    "per_class": {k: asdict(v) for k, v in table.per_class.items()},
                }
        return {"arm": added["arm"], "added_photos": added["photos"], "val": on_val}

    return run_step(out, STEP, told, inputs, work, resumes=family.resumes)


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
