"""Trains the segmenter on windows of crops, biased to damage."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from models.data.augmentations import mirror, random_camera, random_light
from models.data.car_boxes import CarBoxes
from models.data.photos import AnnotatedPhoto, choose_split, load_ignored, load_image, load_masks, load_photos
from models.segmenter.network import UNetSegmenter
from models.structures import DAMAGE_CLASSES, Letterbox, normalise_batch
from models.training.crops import choose_window, place_window
from models.training.encoder_weights import initialise_encoder
from models.training.localizer import label_photos
from models.training.loop import run_training
from models.training.options import TrainingOptions, write_options
from models.training.sampling import draw_forever, prefetch

MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
INPUT_HW = (512, 512)
DICE_WEIGHT = 0.5
POSITIVE_WEIGHTS = (12.0, 3.0, 6.0)
"""Of damaged pixels, per class: scratches and gaps are hairlines, outnumbered by their surroundings."""
SCRATCH = DAMAGE_CLASSES.index("scratch")
CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
"""A scratch one or two pixels wide would vanish in the letterbox: it is taught one pixel wider on each side."""
DAMAGE_WINDOW_SHARE = 0.75
"""Of the windows of a damaged photo: centred near damage."""


def train_segmenter(options: TrainingOptions, *, resume: bool = False) -> torch.nn.Module:
    """Train and return the averaged network; the run folder holds options, log and checkpoint."""
    write_options(options)
    photos = [p for p in choose_split(load_photos(options.data), "train") if p.has_regions]
    cars = label_photos(photos, options)
    network = UNetSegmenter()
    if options.encoder_weights:
        initialise_encoder(network.unet.encoder, options.encoder_weights)
    batches = _make_batches(photos, cars, options)
    return run_training(network, options, batches, _measure_loss, resume=resume, encoder=network.unet.encoder)


def _make_batches(
    photos: list[AnnotatedPhoto], cars: dict[Path, CarBoxes], options: TrainingOptions
) -> Iterator[dict[str, torch.Tensor]]:
    groups = [
        [p for p in photos if p.is_rendered and p.damage_level],
        [p for p in photos if p.is_rendered and not p.damage_level],
        [p for p in photos if not p.is_rendered and p.damage_level],
        [p for p in photos if not p.is_rendered and not p.damage_level],
    ]
    rendered = options.rendered_share
    shares = [rendered * 0.75, rendered * 0.25, (1 - rendered) * 0.8, (1 - rendered) * 0.2]
    rng = np.random.default_rng(options.seed)
    draws = draw_forever(groups, shares, rng)

    def make() -> dict[str, torch.Tensor]:
        samples = []
        for _ in range(options.batch_size):
            photo = next(draws)
            samples.append(_make_sample(photo, cars.get(photo.path), options.input_px, rng))
        images, masks, weights = (list(column) for column in zip(*samples, strict=True))
        return {
            "x": torch.from_numpy(normalise_batch(images, MEAN, STD)).contiguous(memory_format=torch.channels_last),
            "masks": torch.from_numpy(np.stack(masks).astype(np.float32)),
            "weights": torch.from_numpy(np.stack(weights).astype(np.float32)),
        }

    return prefetch(make)


def _make_sample(
    photo: AnnotatedPhoto, cars: CarBoxes | None, window_px: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut a window out of a photo's letterboxed crop.

    Returns:
        image uint8 (P, P, 3) RGB, masks bool (3, P, P) and weights float32 (3, P, P): 0 where the truth is unknown.
    """
    crop_window = choose_window((photo.height, photo.width), cars, rng)
    image = crop_window.cut(load_image(photo.path))
    masks = np.stack([crop_window.cut(mask) for mask in load_masks(photo)])
    masks[SCRATCH] = cv2.dilate(masks[SCRATCH].astype(np.uint8), CROSS).astype(bool)
    ignored = crop_window.cut(load_ignored(photo))
    side = max(round(INPUT_HW[0] * rng.uniform(0.7, 1.3)), window_px)
    letterbox = Letterbox(image.shape[:2], (side, side))
    planes = letterbox.apply_masks(np.concatenate([masks, ignored[None]]))  # (4, side, side)
    image = letterbox.apply(image)
    x, y = _choose_corner(planes[:3], letterbox, window_px, rng)
    image = image[y : y + window_px, x : x + window_px]
    planes = planes[:, y : y + window_px, x : x + window_px]
    if rng.random() < 0.5:
        image, planes = mirror(image), np.ascontiguousarray(planes[:, :, ::-1])
    image = random_camera(random_light(image, rng), rng)
    weights = np.ones((len(DAMAGE_CLASSES), window_px, window_px), np.float32)
    weights[:, planes[3]] = 0
    if not photo.is_rendered:
        weights[DAMAGE_CLASSES.index("spacing")] *= 0.25  # nobody annotated spacing on real photos
    return image, planes[:3], weights


def _choose_corner(
    masks: np.ndarray, letterbox: Letterbox, window_px: int, rng: np.random.Generator
) -> tuple[int, int]:
    """Top left corner of a window: most of the time around a pixel of a random class, else anywhere on the content."""
    shown = np.flatnonzero(masks.any(axis=(1, 2)))
    is_aimed = len(shown) > 0 and rng.random() < DAMAGE_WINDOW_SHARE
    where = np.flatnonzero(masks[rng.choice(shown)]) if is_aimed else None
    return place_window(where, letterbox, window_px, rng)


def _measure_loss(network: UNetSegmenter, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, float]]:
    """BCE per class, pixels of damage weighing more, plus soft Dice over the batch."""
    with torch.autocast("cpu", enabled=False):  # depthwise convolutions are slower in bfloat16
        features = network.unet.encoder(batch["x"])
    logits = network.unet.segmentation_head(network.unet.decoder(features)).float()
    masks, weights = batch["masks"], batch["weights"]
    emphasis = 1 + (torch.tensor(POSITIVE_WEIGHTS)[:, None, None] - 1) * masks
    bce = F.binary_cross_entropy_with_logits(logits, masks, weights * emphasis, reduction="sum")
    bce = bce / weights.sum().clamp(min=1)
    probs = torch.sigmoid(logits) * (weights > 0)
    overlap = (probs * masks).sum(dim=(0, 2, 3))
    dice = 1 - (2 * overlap + 50) / (probs.sum(dim=(0, 2, 3)) + (masks * (weights > 0)).sum(dim=(0, 2, 3)) + 50)
    loss = 4 * bce + DICE_WEIGHT * dice.mean()
    names = [f"dice_{name}" for name in DAMAGE_CLASSES]
    return loss, {"bce": bce.item(), **dict(zip(names, dice.tolist(), strict=True))}
