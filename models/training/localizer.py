"""Trains the localizer on annotated, rendered and pseudo-labelled photos."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from models.data.augmentations import mirror, random_camera, random_light
from models.data.car_boxes import DOUBTFUL_SCORE, CarBoxes, label_cars
from models.data.photos import AnnotatedPhoto, choose_split, load_image, load_photos
from models.localizer.network import build_localizer
from models.structures import Letterbox, clip_boxes_xyxy, normalise_batch
from models.training.loop import begin_run, run_training
from models.training.options import TrainingOptions, choose_network_options
from models.training.sampling import draw_item, step_rng
from models.training.teacher import YoloxTeacher

MEAN, STD = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
INPUT_HW = (416, 416)
MIN_VISIBLE_SHARE = 0.4
SOURCE_SHARES = {"box": 0.6, "pseudo": 0.3, "none": 0.1}
"""Among real photos: annotated box, teacher's box, close-up without a car."""


def train_localizer(options: TrainingOptions, *, resume: bool = False) -> torch.nn.Module:
    """Train and return the averaged network; the run folder holds options, log and checkpoint."""
    photos = choose_split(load_photos(options.data), "train")
    begin_run(options, resume=resume)
    cars = label_photos(photos, options)
    network = build_localizer(**choose_network_options(options))
    return run_training(network, options, plan_batches(photos, cars, options), _measure_loss, resume=resume)


def label_photos(photos: list[AnnotatedPhoto], options: TrainingOptions) -> dict[Path, CarBoxes]:
    """Car boxes of every photo; the teacher's answers lie beside the run folder, for the next run."""
    teacher = YoloxTeacher(options.teacher) if options.teacher else None
    predict = None
    if teacher:

        def predict(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return teacher.predict_boxes(image, score_threshold=DOUBTFUL_SCORE)

    return label_cars(photos, predict, options.out.parent / "teacher_boxes.json")


def plan_batches(
    photos: list[AnnotatedPhoto], cars: dict[Path, CarBoxes], options: TrainingOptions
) -> Callable[[int], dict[str, torch.Tensor]]:
    """Sort photos by source; the function returned makes the batch of a step, of the seed and the step alone."""
    usable = [p for p in photos if p.path in cars and cars[p.path].is_certain]
    real = [p for p in usable if not p.is_rendered]
    groups = [
        [p for p in usable if p.is_rendered],
        [p for p in real if p.car_box_xyxy is not None],
        [p for p in real if p.car_box_xyxy is None and len(cars[p.path].boxes_xyxy)],
        [p for p in real if p.car_box_xyxy is None and not len(cars[p.path].boxes_xyxy)],
    ]
    real_share = 1 - options.rendered_share
    shares = [options.rendered_share, *(real_share * share for share in SOURCE_SHARES.values())]

    def make_batch(step: int) -> dict[str, torch.Tensor]:
        rng = step_rng(options.seed, step)
        images, boxes, owners = [], [], []
        for index in range(options.batch_size):
            photo = draw_item(groups, shares, rng)
            image, found = _make_sample(load_image(photo.path), cars[photo.path].boxes_xyxy, options.input_px, rng)
            images.append(image)
            boxes.append(found)
            owners.append(np.full(len(found), index))
        boxes_input = np.concatenate(boxes) / options.input_px  # (B, 4)
        xywh = np.concatenate(
            [(boxes_input[:, :2] + boxes_input[:, 2:]) / 2, boxes_input[:, 2:] - boxes_input[:, :2]], axis=1
        )
        return {
            "img": torch.from_numpy(normalise_batch(images, MEAN, STD)).contiguous(memory_format=torch.channels_last),
            "bboxes": torch.from_numpy(xywh.astype(np.float32)),
            "cls": torch.zeros(len(xywh), 1),
            "batch_idx": torch.from_numpy(np.concatenate(owners).astype(np.float32)),
        }

    return make_batch


def _make_sample(
    image: np.ndarray, boxes_xyxy: np.ndarray, input_px: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Cut, mirror, squeeze and recolour a photo, then letterbox it.

    Returns:
        uint8 (input_px, input_px, 3) RGB and float64 (K, 4), input frame.
    """
    height, width = image.shape[:2]
    if rng.random() < 0.5:  # a random part of at least 60 % of each side
        part_h, part_w = int(height * rng.uniform(0.6, 1)), int(width * rng.uniform(0.6, 1))
        y, x = int(rng.integers(0, height - part_h + 1)), int(rng.integers(0, width - part_w + 1))
        moved = clip_boxes_xyxy(boxes_xyxy - [x, y, x, y], (part_h, part_w))
        share = np.prod(moved[:, 2:] - moved[:, :2], axis=1) / np.maximum(
            np.prod(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], axis=1), 1
        )
        if (share >= MIN_VISIBLE_SHARE).all():  # else the part would hold half-hidden cars: keep the whole photo
            image, boxes_xyxy = image[y : y + part_h, x : x + part_w], moved
    elif rng.random() < 0.5:  # a wider surround: the car smaller
        pad = rng.uniform(0.1, 0.5)
        top, left = int(height * pad * rng.random()), int(width * pad * rng.random())
        wider = np.full((int(height * (1 + pad)), int(width * (1 + pad)), 3), Letterbox.PAD_VALUE, np.uint8)
        wider[top : top + height, left : left + width] = image
        image, boxes_xyxy = wider, boxes_xyxy + np.array([left, top, left, top])
    if rng.random() < 0.5:
        image = mirror(image)
        boxes_xyxy = np.stack(
            [image.shape[1] - boxes_xyxy[:, 2], boxes_xyxy[:, 1], image.shape[1] - boxes_xyxy[:, 0], boxes_xyxy[:, 3]],
            axis=1,
        )
    if rng.random() < 0.5:  # exporters and phones stretch photos
        factor = float(np.exp(rng.uniform(-0.25, 0.25)))
        image = cv2.resize(image, (max(round(image.shape[1] * factor), 1), image.shape[0]))
        boxes_xyxy = boxes_xyxy * [factor, 1, factor, 1]
    letterbox = Letterbox(image.shape[:2], (input_px, input_px))
    sample = random_camera(random_light(letterbox.apply(image), rng), rng)
    return sample, letterbox.apply_boxes(boxes_xyxy)


def _measure_loss(network: torch.nn.Module, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, float]]:
    losses, terms = network.loss(batch)
    return losses.sum() / len(batch["img"]), {name: float(value) for name, value in terms.items()}
