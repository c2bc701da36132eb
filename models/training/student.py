"""Noisy student: a trained segmenter labels photos of which only the damage level is known, a student learns from both.

Source: Xie et al. 2020, arXiv 1911.04252, algorithm 1; SEEDS D4.
Here: labels are hard, and pixels that the teacher doubts are left out of the loss rather than softened; the student has
the teacher's size unless told otherwise.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from torch import nn

from models.data.car_boxes import CarBoxes
from models.data.folder_writing import new_folder
from models.data.manifest import write_manifest
from models.data.photos import ANNOTATIONS_NAME, AnnotatedPhoto, DataError, load_image, load_photos
from models.segmenter.network import SegmenterForExport, build_segmenter
from models.segmenter.predictor import Segmenter
from models.store import ModelCard
from models.structures import DAMAGE_CLASSES, CropWindow
from models.structures.outlines import open_hairline, trace_all
from models.training.errors import TrainingError
from models.training.gate import drop_copies_of_val, train_gate
from models.training.localizer import label_photos
from models.training.loop import load_averaged
from models.training.options import TrainingOptions, choose_network_options, load_options
from models.training.segmenter import INPUT_HW, MEAN, STD, train_segmenter

SURE_SCORE: Final = 0.7
DOUBTFUL_SCORE: Final = 0.3
MIN_AREA_PX2: Final = 64
MARGIN_RATIO: Final = 0.05
TRAIN: Final[dict[str, Callable[..., nn.Module]]] = {"segmenter": train_segmenter, "gate": train_gate}


def train_student(options: TrainingOptions, *, teacher_run: Path, rounds: int = 1, resume: bool = False) -> Path:
    """Label, train, and let the student teach the next round.

    Args:
        options: of every round's student; its out holds round_1/pseudo (data) and round_1/run, round_2/… A noise of 0
            becomes 1: a student without noise copies its teacher.
        teacher_run: run folder of a segmenter.
        rounds: a gate cannot teach masks, so it has one.
        resume: go on where an earlier call stopped, pseudo-labels included.

    Returns:
        Run folder of the last student.

    Raises:
        TrainingError: another network than these two, more rounds than it can have, or what training raises.
        DataError: no photo is left to label.
    """
    if options.network not in TRAIN or rounds < 1 or (options.network == "gate" and rounds > 1):
        raise TrainingError(f"rounds: expected 1 for a gate, 1 or more for a segmenter, found {rounds}")
    for number in range(1, rounds + 1):
        folder = options.out / f"round_{number}"
        chosen = replace(
            options,
            data=(*options.data, folder / "pseudo"),
            out=folder / "run",
            teacher_run=teacher_run,
            noise=options.noise or 1.0,
        )
        if not (resume and (folder / "pseudo").is_dir()):
            photos = choose_unlabelled(load_photos(options.data))
            cars = label_photos(photos, chosen)
            write_pseudo_labels(load_teacher(teacher_run), photos, cars, folder / "pseudo")
        TRAIN[options.network](chosen, resume=resume)
        teacher_run = chosen.out
    return teacher_run


def choose_unlabelled(photos: list[AnnotatedPhoto]) -> list[AnnotatedPhoto]:
    """The training photos that show damage no one outlined, near duplicates of val photos left out.

    Raises:
        DataError: there is none.
    """
    chosen = [photo for photo in drop_copies_of_val(photos) if not photo.has_regions]
    if not chosen:
        raise DataError("data: expected training photos with a damage level and no regions, found none to label")
    return chosen


def load_teacher(run_dir: Path) -> Segmenter:
    """Load a segmenter's run as serving sees it, over torch.

    Raises:
        FileNotFoundError: the run has no options or no checkpoint.
        TrainingError: the run trained another network, or is damaged.
    """
    options = load_options(run_dir)
    if options.network != "segmenter":
        raise TrainingError(f"teacher_run: expected a segmenter's run, found a {options.network}'s in {run_dir}")
    try:
        network = load_averaged(build_segmenter(**choose_network_options(options)), run_dir)
    except RuntimeError as error:
        raise TrainingError(f"teacher_run: the checkpoint in {run_dir} does not fit the run's options") from error
    card = ModelCard(
        network="segmenter",
        version=run_dir.name,
        architecture="the run's",
        input_hw=INPUT_HW,
        normalisation_mean=MEAN,
        normalisation_std=STD,
        classes=DAMAGE_CLASSES,
        thresholds={},
        weights_format="a checkpoint",
        dataset={},
        metrics={},
        files={},
    )
    return Segmenter(_NetworkRuntime(SegmenterForExport(network)), card)


def write_pseudo_labels(
    teacher: Segmenter,
    photos: Sequence[AnnotatedPhoto],
    cars: dict[Path, CarBoxes],
    out: Path,
    *,
    sure_score: float = SURE_SCORE,
    doubtful_score: float = DOUBTFUL_SCORE,
    min_area_px2: int = MIN_AREA_PX2,
) -> int:
    """Write a data folder in the seed's schema whose records say "pseudo": true.

    Args:
        teacher: estimates the masks.
        photos: to be labelled.
        cars: where a car is known, the teacher looks at its crop, as in serving.
        out: a new folder; images are hard links where that works. other_regions hold the doubtful pixels and those
            outside the crop: no lesson.
        sure_score: a pixel of this score or more is damage.
        doubtful_score: a pixel between the two is doubtful; below, undamaged.
        min_area_px2: smaller sure patches are doubtful; photo pixels.

    Returns:
        How many photos have a sure region; the others are left out.

    Raises:
        DataError: none has, or out holds something.
    """
    with new_folder(out) as folder:
        records = []
        for photo in photos:
            image = load_image(photo.path)
            known = cars.get(photo.path)
            boxes_xyxy = known.boxes_xyxy if known else ()
            window = CropWindow.around_largest(boxes_xyxy, (photo.height, photo.width), margin_ratio=MARGIN_RATIO)
            probs = teacher.predict_probs([np.ascontiguousarray(window.cut(image))])[0]
            sure, doubtful = _sort_pixels(probs, sure_score, doubtful_score, min_area_px2)
            if sure.any():
                records.append(_build_record(photo, window, sure, doubtful))
                _link(photo.path, folder / "images" / records[-1]["image_id"])
        if not records:
            raise DataError(f"data: the teacher is sure of no damage on any of {len(photos)} photos")
        (folder / ANNOTATIONS_NAME).write_text(json.dumps(records) + "\n", encoding="utf-8")
        write_manifest(folder)
    return len(records)


class _NetworkRuntime:
    """A torch network where a predictor expects a runtime."""

    def __init__(self, wrapped: nn.Module) -> None:
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._network = wrapped.eval().to(self._device)

    @property
    def input_hw(self) -> tuple[int, int]:
        return INPUT_HW

    @torch.inference_mode()
    def run(self, batch: np.ndarray) -> np.ndarray:
        return self._network(torch.from_numpy(batch).to(self._device)).float().cpu().numpy()


def _sort_pixels(
    probs: np.ndarray, sure_score: float, doubtful_score: float, min_area_px2: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sort pixels into sure damage a class, bool (3, h, w), and doubtful ones, bool (h, w); crop frame."""
    sure = probs >= sure_score
    for channel in range(len(sure)):
        count, labels, stats, _ = cv2.connectedComponentsWithStats(sure[channel].astype(np.uint8), connectivity=8)
        small = [n for n in range(1, count) if stats[n, cv2.CC_STAT_AREA] < min_area_px2]
        sure[channel] &= ~np.isin(labels, small)
    return sure, (probs >= doubtful_score).any(axis=0) & ~sure.any(axis=0)


def _build_record(photo: AnnotatedPhoto, window: CropWindow, sure: np.ndarray, doubtful: np.ndarray) -> dict[str, Any]:
    unknown = np.ones((photo.height, photo.width), bool)
    window.cut(unknown)[:] = doubtful
    shift = np.array([window.x0, window.y0])
    return {
        "image_id": f"{photo.folder}-{Path(photo.image_id).name}",
        "damage_level": 1,
        "regions": [
            {"points": (open_hairline(points) + shift).tolist(), "class_name": channel + 1}
            for channel, mask in enumerate(sure)
            for points in trace_all(mask)
        ],
        "other_regions": [{"points": open_hairline(points).tolist()} for points in trace_all(unknown)],
        "width": photo.width,
        "height": photo.height,
        "split": "train",
        "group": photo.group,
        "pseudo": True,
        **({"car_box_xyxy": photo.car_box_xyxy} if photo.car_box_xyxy else {}),
    }


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:  # another file system, or one without links
        target.write_bytes(source.read_bytes())
