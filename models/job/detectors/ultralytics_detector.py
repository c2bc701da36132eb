"""ultralytics' detectors: photos and labels are laid out in its folders, the epoch that val likes best is kept.

In:   the job's photos. Out: weights as ultralytics writes them; boxes.
Must not know: arms, measures.
"""

import contextlib
import logging
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from models.data.folder_writing import link_images
from models.data.photos import DataError, load_image
from models.evaluation.detection.matching import PredictedBoxes
from models.job.dataset import JobData, JobPhoto
from models.job.detectors.family import ArmTraining, Predict
from models.job.detectors.options import LOWEST_SCORE, MAX_DETECTIONS, NMS_IOU, DetectorOptions


class UltralyticsFamily:
    """Any detector that ultralytics builds from a file of its own or of the user's."""

    resumes = False

    def knows(self, cfg: str) -> bool:
        """Is there a detector of this name?"""
        from ultralytics import YOLO  # noqa: PLC0415 - takes seconds, and changes what PIL opens

        with _quiet():
            try:
                return cfg.endswith((".yaml", ".yml")) and YOLO(cfg).task == "detect"
            except FileNotFoundError:
                return False

    def check_out(self, out: Path) -> None:
        """Refuse a path that ultralytics would rewrite.

        Raises:
            DataError: u.yaml stands in it.
        """
        if "u.yaml" in str(out.resolve()):
            raise DataError(f"out: ultralytics takes u.yaml for a network wherever it stands in a path, found {out}")

    def train(self, training: ArmTraining, scratch: Path, target: Path) -> None:
        """Train from the start; the weights are those of the epoch that val liked best.

        Args:
            training: what, on which photos.
            scratch: a folder for what is thrown away afterwards.
            target: file that the weights are written to.
        """
        data_yaml = _lay_out(training.data, training.augmented, scratch / "data")
        initial = training.start or training.options.weights
        best = _train(data_yaml, scratch / "run", training.options, initial, len(training.data.class_names))
        shutil.copy2(best, target)

    def load(self, weights: Path, options: DetectorOptions) -> Predict:
        """Open what train wrote.

        Args:
            weights: train's target.
            options: of that training.
        """
        from ultralytics import YOLO  # noqa: PLC0415

        network = YOLO(str(weights))
        return lambda photos: _predict(network, photos, options)


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
    from ultralytics import YOLO  # noqa: PLC0415

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
