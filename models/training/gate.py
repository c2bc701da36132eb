"""Trains the gate on windows of crops, damaged and not, so that sources look alike."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from models.data.augmentations import mirror, random_camera, random_light
from models.data.car_boxes import CarBoxes
from models.data.near_duplicates import find_near_duplicates, hash_both_ways
from models.data.photos import AnnotatedPhoto, choose_split, load_ignored, load_image, load_masks, load_photos
from models.gate.network import DamageGate
from models.structures import Letterbox, normalise_batch
from models.training.augment import change_window, mix_batch
from models.training.crops import choose_window, place_window
from models.training.encoder_weights import initialise_encoder
from models.training.localizer import label_photos
from models.training.loop import begin_run, run_training
from models.training.noise import set_stochastic_depth, shake_colours
from models.training.options import TrainingOptions
from models.training.sampling import draw_item, step_rng

MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
INPUT_HW = (512, 512)
SCALE_LOGS = (-0.25, 1.1)
"""Natural logarithms of the smallest and the largest scale of a crop, against the input: close-ups count too."""
CELL_PX = 16
CELL_WEIGHT = 4.0


def train_gate(options: TrainingOptions, *, resume: bool = False) -> torch.nn.Module:
    """Train and return the averaged network; the run folder holds options, log and checkpoint."""
    everything = load_photos(options.data)
    choose_split(everything, "train")  # without one the run's folder is not opened
    begin_run(options, resume=resume)
    photos = drop_copies_of_val(everything)
    cars = label_photos([p for p in photos if p.has_regions], options)
    network = DamageGate()
    if options.encoder_weights:
        initialise_encoder(network.encoder, options.encoder_weights)
    set_stochastic_depth(network.encoder, options.noise)
    make_batch = plan_batches(photos, cars, options)
    return run_training(network, options, make_batch, _measure_loss, resume=resume, encoder=network.encoder)


def drop_copies_of_val(photos: list[AnnotatedPhoto]) -> list[AnnotatedPhoto]:
    """The training photos without those real ones that look like a photo of another folder's val split."""
    train = choose_split(photos, "train")
    suspects = [p for p in train if not p.has_regions]
    val = [p for p in photos if p.split == "val" and not p.is_rendered]
    is_copy = find_near_duplicates(
        [hash_both_ways(load_image(p.path)) for p in suspects], [hash_both_ways(load_image(p.path)) for p in val]
    )
    copies = {p.path for p, copy in zip(suspects, is_copy, strict=True) if copy}
    return [p for p in train if p.path not in copies]


def plan_batches(
    photos: list[AnnotatedPhoto], cars: dict[Path, CarBoxes], options: TrainingOptions
) -> Callable[[int], dict[str, torch.Tensor]]:
    """Sort photos by source; the function returned makes the batch of a step, of the seed and the step alone."""
    groups = [
        [p for p in photos if p.is_rendered and p.damage_level],
        [p for p in photos if p.is_rendered and not p.damage_level],
        [p for p in photos if not p.is_rendered and p.damage_level and p.has_regions],
        [p for p in photos if not p.is_rendered and not p.has_regions],
        [p for p in photos if not p.is_rendered and not p.damage_level],
    ]
    rendered = options.rendered_share
    shares = [rendered * 0.6, rendered * 0.4, *((1 - rendered) * share for share in (0.45, 0.15, 0.4))]

    def make_batch(step: int) -> dict[str, torch.Tensor]:
        rng = step_rng(options.seed, step)
        samples: list[tuple[np.ndarray, int, np.ndarray]] = []
        while len(samples) < options.batch_size:
            photo = draw_item(groups, shares, rng)
            sample = _make_sample(photo, cars.get(photo.path), options, rng)
            samples += [sample] if sample is not None else []
        images, labels, cells = (list(column) for column in zip(*samples, strict=True))
        images = [shake_colours(image, rng, options.noise) for image in images]
        x = torch.from_numpy(normalise_batch(images, MEAN, STD)).contiguous(memory_format=torch.channels_last)
        maps = torch.from_numpy(np.stack([np.nan_to_num(cells), ~np.isnan(cells)], axis=1).astype(np.float32))
        x, soft, maps = mix_batch(x, torch.tensor(labels, dtype=torch.float32)[:, None], maps, options.augment, rng)
        known = (maps[:, 1:] == 1).float()  # what is mixed with the unknown is unknown
        return {"x": x, "labels": soft, "cells": maps[:, :1].contiguous(), "known": known}

    return make_batch


def _make_sample(
    photo: AnnotatedPhoto, cars: CarBoxes | None, options: TrainingOptions, rng: np.random.Generator
) -> tuple[np.ndarray, int, np.ndarray] | None:
    """Make one sample: a window of the letterboxed crop, or the whole of it where masks are unknown.

    Returns:
        image uint8 (P, P, 3) RGB, label 0 or 1, cell labels float32 (P/16, P/16) with NaN where unknown; None where the
        window shows too little of the damage to be told.
    """
    image, window_px = load_image(photo.path), options.input_px
    cell_count = window_px // CELL_PX
    if not photo.has_regions:
        image = _degrade(Letterbox(image.shape[:2], (window_px, window_px)).apply(image), rng)
        return image, 1, np.full((cell_count, cell_count), np.nan, np.float32)
    crop = choose_window((photo.height, photo.width), cars, rng)
    damage, other = load_masks(photo).any(axis=0), load_ignored(photo)
    doubtful = other if photo.is_pseudo else np.zeros_like(other)  # a teacher's other regions are what it doubts
    damage |= other & ~doubtful
    planes = np.stack([crop.cut(damage), crop.cut(doubtful)])
    image, planes, hidden = change_window(crop.cut(image), planes, options.augment, rng)
    planes = np.stack([planes[0] & ~hidden, planes[1] | (planes[0] & hidden)])
    side = max(round(INPUT_HW[0] * np.exp(rng.uniform(*SCALE_LOGS))), window_px)
    letterbox = Letterbox(image.shape[:2], (side, side))
    shares = np.stack([_share_of_pixels(plane, letterbox) for plane in planes])
    image = letterbox.apply(image)
    x, y = _choose_corner(shares[0], letterbox, window_px, rng)
    window = shares[:, y : y + window_px, x : x + window_px]
    seen, total, doubted = float(window[0].sum()), float(shares[0].sum()), float(window[1].sum())
    if 0 < seen < min(0.25 * total, 200) or (seen == 0 and doubted > 0):
        return None
    image = image[y : y + window_px, x : x + window_px]
    if rng.random() < 0.5:
        image, window = mirror(image), window[:, :, ::-1]
    in_cells = window.reshape(2, cell_count, CELL_PX, cell_count, CELL_PX).sum(axis=(2, 4))  # px2 a cell
    labels = (in_cells[0] >= 2).astype(np.float32)
    labels[(in_cells[0] < 2) & (in_cells.sum(axis=0) > 0)] = np.nan
    return _degrade(image, rng), int(seen > 0), labels


def _share_of_pixels(mask: np.ndarray, letterbox: Letterbox) -> np.ndarray:
    """Lay a mask, bool (h, w), into the input: the share of each pixel that it covers, so that a hairline counts too.

    Returns:
        float32 (side, side), [0, 1].
    """
    covered = np.zeros(letterbox.input_hw, np.float32)
    (left, top), (height, width) = letterbox.offset_xy, letterbox.content_hw
    covered[top : top + height, left : left + width] = cv2.resize(
        mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA
    )
    return covered


def _choose_corner(
    damage: np.ndarray, letterbox: Letterbox, window_px: int, rng: np.random.Generator
) -> tuple[int, int]:
    """Top left corner of a window, anywhere that shows content; half of the time around damage."""
    where = np.flatnonzero(damage > 0.3)
    is_aimed = len(where) > 0 and rng.random() < 0.5
    return place_window(where if is_aimed else None, letterbox, window_px, rng)


def _degrade(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Recolour, and hide the source behind light, blur, noise, JPEG and a resize, as other samples of any source."""
    if rng.random() < 0.3:
        height, width = image.shape[:2]
        share = rng.uniform(0.6, 1)
        small = cv2.resize(image, (int(width * share), int(height * share)), interpolation=cv2.INTER_AREA)
        image = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return random_camera(random_light(image, rng), rng)


def _measure_loss(network: DamageGate, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, float]]:
    """BCE of the image plus BCE of the cells whose truth is known, cells of damage weighing more."""
    cell_logits = network.forward_cells(batch["x"]).float()
    logits = network.pool(cell_logits)
    image_bce = F.binary_cross_entropy_with_logits(logits, batch["labels"])
    weights = batch["known"] * (1 + 4 * batch["cells"])
    cell_bce = F.binary_cross_entropy_with_logits(cell_logits, batch["cells"], weights, reduction="sum")
    cell_bce = cell_bce / weights.sum().clamp(min=1)
    is_right = ((logits > 0) == (batch["labels"] > 0.5)).float().mean()
    terms = {"image_bce": image_bce.item(), "cell_bce": cell_bce.item(), "accuracy": is_right.item()}
    return image_bce + CELL_WEIGHT * cell_bce, terms
