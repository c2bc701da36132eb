"""Trains the segmenter on windows of crops, biased to damage."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from models.data.augmentations import mirror, random_camera, random_light
from models.data.car_boxes import CarBoxes
from models.data.photos import AnnotatedPhoto, choose_split, load_ignored, load_image, load_masks, load_photos
from models.segmenter.network import DeepLabSegmenter, UNetSegmenter, build_segmenter
from models.structures import DAMAGE_CLASSES, Letterbox, normalise_batch
from models.training.augment import change_window, mix_batch
from models.training.crops import choose_window, place_window
from models.training.encoder_weights import initialise_encoder
from models.training.localizer import label_photos
from models.training.loop import begin_run, run_training
from models.training.mask_losses import measure_mask_loss
from models.training.noise import cut_out, drop_features, set_stochastic_depth, shake_colours
from models.training.options import TrainingOptions, choose_network_options, split_loss
from models.training.sampling import draw_item, step_rng

MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
INPUT_HW = (640, 640)
DENT = DAMAGE_CLASSES.index("dent") + 1
SCALE_LOGS = (-0.5, 0.4)
"""Natural logarithms of the smallest and the largest scale of a crop, against the input."""
DAMAGE_WINDOW_SHARE = 0.75
"""Of the windows of a damaged photo: centred near damage."""


def train_segmenter(options: TrainingOptions, *, resume: bool = False) -> torch.nn.Module:
    """Train and return the averaged network; the run folder holds options, log and checkpoint."""
    photos = [p for p in choose_split(load_photos(options.data), "train") if p.has_regions]
    begin_run(options, resume=resume)
    cars = label_photos(photos, options)
    network = build_segmenter(**choose_network_options(options))
    if options.encoder_weights:
        initialise_encoder(network.encoder, options.encoder_weights)
    set_stochastic_depth(network.encoder, options.noise)
    make_batch = plan_batches(photos, cars, options)
    measure_loss = partial(_measure_loss, terms=split_loss(options.loss), noise=options.noise)
    return run_training(network, options, make_batch, measure_loss, resume=resume, encoder=network.encoder)


def plan_batches(
    photos: list[AnnotatedPhoto], cars: dict[Path, CarBoxes], options: TrainingOptions
) -> Callable[[int], dict[str, torch.Tensor]]:
    """Sort photos by source; the function returned makes the batch of a step, of the seed and the step alone."""
    groups = [
        [p for p in photos if p.is_rendered and p.damage_level],
        [p for p in photos if p.is_rendered and not p.damage_level],
        [p for p in photos if not p.is_rendered and p.damage_level and _shows_dent(p)],
        [p for p in photos if not p.is_rendered and p.damage_level and not _shows_dent(p)],
        [p for p in photos if not p.is_rendered and not p.damage_level],
    ]
    rendered = options.rendered_share
    shares = [rendered * 0.8, rendered * 0.2, *((1 - rendered) * share for share in (0.4, 0.4, 0.2))]

    def make_batch(step: int) -> dict[str, torch.Tensor]:
        rng = step_rng(options.seed, step)
        samples = []
        for _ in range(options.batch_size):
            photo = draw_item(groups, shares, rng)
            samples.append(_make_sample(photo, cars.get(photo.path), options, rng))
        images, masks, weights = (list(column) for column in zip(*samples, strict=True))
        x = torch.from_numpy(normalise_batch(images, MEAN, STD)).contiguous(memory_format=torch.channels_last)
        maps = torch.from_numpy(np.concatenate([np.stack(masks), np.stack(weights)], axis=1).astype(np.float32))
        x, _, maps = mix_batch(x, torch.zeros(len(x), 1), maps, options.augment, rng)
        masks, weights = maps.split(len(DAMAGE_CLASSES), dim=1)
        return {"x": x, "masks": masks.contiguous(), "weights": weights.contiguous()}

    return make_batch


def _shows_dent(photo: AnnotatedPhoto) -> bool:
    return any(class_id == DENT for class_id, _ in photo.polygons)


def _make_sample(
    photo: AnnotatedPhoto, cars: CarBoxes | None, options: TrainingOptions, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut a window out of a photo's letterboxed crop.

    Returns:
        image uint8 (P, P, 3) RGB, masks bool (3, P, P) and weights float32 (3, P, P): 0 where the truth is unknown.
    """
    window_px = options.input_px
    crop_window = choose_window((photo.height, photo.width), cars, rng)
    image = crop_window.cut(load_image(photo.path))
    masks = np.stack([crop_window.cut(mask) for mask in load_masks(photo)])
    ignored = crop_window.cut(load_ignored(photo))
    side = max(round(INPUT_HW[0] * np.exp(rng.uniform(*SCALE_LOGS))), window_px)
    letterbox = Letterbox(image.shape[:2], (side, side))
    planes = letterbox.apply_masks(np.concatenate([masks, ignored[None]]))  # (4, side, side)
    image = letterbox.apply(image)
    x, y = _choose_corner(planes[:3], letterbox, window_px, rng)
    image = image[y : y + window_px, x : x + window_px]
    planes = planes[:, y : y + window_px, x : x + window_px]
    if rng.random() < 0.5:
        image, planes = mirror(image), np.ascontiguousarray(planes[:, :, ::-1])
    image = shake_colours(random_camera(random_light(image, rng), rng), rng, options.noise)
    image, planes, hidden = change_window(image, planes, options.augment, rng)
    image, hidden_too = cut_out(image, rng, options.noise)
    weights = np.ones((len(DAMAGE_CLASSES), window_px, window_px), np.float32)
    weights[:, planes[3] | hidden | hidden_too] = 0
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


def _measure_loss(
    network: UNetSegmenter | DeepLabSegmenter, batch: dict[str, torch.Tensor], *, terms: Sequence[str], noise: float
) -> tuple[torch.Tensor, dict[str, float]]:
    with torch.autocast("cpu", enabled=False):  # depthwise convolutions are slower in bfloat16
        features = drop_features(network.encode(batch["x"]), noise)
    return measure_mask_loss(network.decode(features).float(), batch["masks"], batch["weights"], terms)
