"""instances: a GAN learns the crops, then generates new ones.

In:   the crops step's folder. Out, of training: checkpoint.pt, the last step's; chosen.pt, the averaged generator of
      the snapshot that val liked best, where snapshots were measured; curve.json, samples/; of
      generating: images.npy, uint8 (N, C, C, 3 | 4), critic.npy, float32 (N,), and sheet.png.
Must not know: photos, detectors, screening.
"""

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from models.data.photos import DataError, write_image
from models.evaluation.generation.features import FeatureNetwork
from models.gan.generator import Generator
from models.gan.images import encode_images
from models.job.crops import load_crops
from models.job.generation import (
    BATCH,
    RealFeatures,
    describe_real,
    draw_sheet,
    generate_pixels,
    kid_name,
    measure_generator,
    over_black,
)
from models.steps.step_folder import STEP_NAME, StepDone, check_made_of, load_step, run_step, scratch_of
from models.training.checkpoint import load_tensors, write_atomically
from models.training.gan import GanOptions, train_gan
from models.training.gan.loop import load_networks
from models.training.loop import choose_device
from models.training.options import CHECKPOINT_NAME
from models.training.processes import join_processes

TRAIN_STEP: Final = "gan"
STEP: Final = "instances"
RUN_NAME: Final = "run"
CURVE_NAME: Final = "curve.json"
IMAGES_NAME: Final = "images.npy"
CRITIC_NAME: Final = "critic.npy"
CHOSEN_NAME: Final = "chosen.pt"
"""Weights of the averaged generator at the snapshot that val liked best."""
MIN_MEASURED: Final = 4
SHEET_COLUMNS: Final = 8
SHEET_SEED: Final = 1


@dataclass(frozen=True)
class Instances:
    """What the step left.

    Attributes:
        images: uint8 (N, C, C, 3 | 4).
        critic_logits: float32 (N,), what the discriminator thinks of each; above 0 = real.
    """

    images: np.ndarray
    critic_logits: np.ndarray


def train_instances(
    crops: Path,
    out: Path,
    options: GanOptions,
    *,
    features: FeatureNetwork | None = None,
    measured_images: int = 1000,
) -> StepDone:
    """Train a GAN on the train crops; its curve is measured on the val crops.

    Args:
        crops: the crops step's folder.
        out: the step's folder; what is resumed from lies beside it until the run is complete.
        options: the run's.
        features: what KID and FID are measured with; None: the curve has no measures, only samples.
        measured_images: generated for each point of the curve.

    Returns:
        The step, in the first of several processes; the others take their part in the training and write nothing.

    Raises:
        DataError: the crops are of another size, or out holds other work.
        TrainingError: as train_gan.
        TrainingStopped: a signal or max_minutes ended the session; the same call goes on.
    """
    told = {
        **options.deciding(),
        "measured_images": measured_images,
        "features": f"{features.name} {features.weights_sha256[:16]}" if features else "none",
    }

    def work(folder: Path, scratch: Path) -> Mapping[str, Any]:
        loaded = load_crops(crops)
        pixels = loaded.canvases["train"]
        _check_fit(pixels, options)
        real = None
        if features is not None:
            val, content = loaded.canvases["val"], loaded.content_xyxy["val"]
            if len(val) < MIN_MEASURED:
                raise DataError(f"crops: expected at least {MIN_MEASURED} of val to measure with, found {len(val)}")
            real = describe_real(features, over_black(val), content, over_black(pixels))

        def take_snapshot(generator: Generator, seen: int) -> Mapping[str, float]:
            return _take_snapshot(generator, seen, scratch, real, measured_images, is_last=seen >= options.images)

        state = train_gan(pixels, options, scratch / RUN_NAME, take_snapshot=take_snapshot)
        shutil.copy2(scratch / RUN_NAME / CHECKPOINT_NAME, folder / CHECKPOINT_NAME)
        shutil.copytree(scratch / "samples", folder / "samples")
        (folder / CURVE_NAME).write_text(json.dumps(state.snapshots, indent=1) + "\n", encoding="utf-8")
        seen = chosen = state.step * options.batch_size
        if (scratch / CHOSEN_NAME).is_file():
            shutil.copy2(scratch / CHOSEN_NAME, folder / CHOSEN_NAME)
            chosen = load_tensors(folder / CHOSEN_NAME)["images"]
        return {
            "images": seen,
            "chosen_images": chosen,
            "s_per_kimg": round(1000 * state.seconds / seen, 2),
            "snapshots": state.snapshots,
        }

    with join_processes(choose_device(options.device, options.precision)) as processes:
        if processes.is_first:
            return run_step(out, TRAIN_STEP, told, {"crops": crops}, work, resumes=True)
        if not (out / STEP_NAME).is_file():
            pixels = load_crops(crops).canvases["train"]
            _check_fit(pixels, options)
            train_gan(pixels, options, scratch_of(out) / RUN_NAME)
        return StepDone(out, "", told, {}, was_there=True)


def generate_instances(gan: Path, crops: Path, out: Path, *, count: int, seed: int, psi: float = 1.0) -> StepDone:
    """Generate instances with a trained GAN, and note what its discriminator thinks of them.

    Args:
        gan: the gan step's folder; of its snapshots the one that val liked best generates, the last one judges.
        crops: the crops step's.
        out: the step's folder.
        count: how many.
        seed: of the instances.
        psi: truncation, as Generator.generate has it.

    Raises:
        DataError: the GAN is not complete or was taught other crops, or out holds other work.
        ValueError: count below 1, a negative seed, or psi that is no number.
    """
    if count < 1:
        raise ValueError(f"count: expected 1 or more, found {count}")
    if seed < 0:
        raise ValueError(f"seed: expected 0 or more, found {seed}")
    if not math.isfinite(psi):
        raise ValueError(f"psi: expected a number, found {psi}")

    def work(folder: Path, _scratch: Path) -> Mapping[str, Any]:
        load_step(gan, TRAIN_STEP)
        check_made_of(gan, crops=crops)
        networks, _ = load_networks(gan)
        if (gan / CHOSEN_NAME).is_file():
            networks.generator.load_state_dict(load_tensors(gan / CHOSEN_NAME)["generator"])
        images = generate_pixels(networks.generator, count, seed=seed, psi=psi)
        np.save(folder / IMAGES_NAME, images)
        np.save(folder / CRITIC_NAME, judge_pixels(networks.discriminator, images))
        write_image(folder / "sheet.png", draw_sheet(images[: SHEET_COLUMNS**2], SHEET_COLUMNS))
        return {"count": len(images)}

    told = {"count": count, "seed": seed, "psi": psi}
    return run_step(out, STEP, told, {"gan": gan, "crops": crops}, work)


def load_instances(folder: Path) -> Instances:
    """Open the folder of the step.

    Raises:
        DataError: it is not complete.
    """
    load_step(folder, STEP)
    return Instances(*(np.load(folder / name) for name in (IMAGES_NAME, CRITIC_NAME)))


def _check_fit(pixels: np.ndarray, options: GanOptions) -> None:
    """Refuse crops of another size or number of channels than the run is told."""
    if pixels.shape[1] != options.canvas_px:
        raise DataError(f"canvas_px: the crops are of {pixels.shape[1]} pixels, found {options.canvas_px}")
    if (pixels.shape[3] == 4) != options.is_rgba:
        raise DataError(f"is_rgba: the crops have {pixels.shape[3]} channels, found {options.is_rgba}")


@torch.no_grad()
def judge_pixels(discriminator: torch.nn.Module, pixels: np.ndarray) -> np.ndarray:
    """The discriminator's logits of images that are not augmented, float32 (N,); batches of one size, as it trained.

    The last batch is filled up with images from the front: its spread over the batch is part of what D looks at.
    """
    logits = []
    for start in range(0, len(pixels), BATCH):
        own = pixels[start : start + BATCH]
        filled = np.concatenate([own, pixels[: BATCH - len(own)]]) if len(own) < BATCH <= len(pixels) else own
        logits.append(discriminator(encode_images(torch.from_numpy(filled)))[: len(own)].float().numpy())
    return np.concatenate(logits)


def _take_snapshot(
    generator: Generator, seen: int, scratch: Path, real: RealFeatures | None, count: int, *, is_last: bool
) -> Mapping[str, float]:
    samples = scratch / "samples"
    samples.mkdir(exist_ok=True)
    pixels = generate_pixels(generator, SHEET_COLUMNS**2, seed=SHEET_SEED)
    write_image(samples / f"{seen:09d}.png", draw_sheet(pixels, SHEET_COLUMNS))
    if real is None:
        return {}
    measured = measure_generator(generator, real, count=count, seed=SHEET_SEED + 1, with_memorising=is_last)
    _keep_if_best(generator, seen, measured[kid_name(real, count)], scratch / CHOSEN_NAME)
    return measured


def _keep_if_best(generator: Generator, seen: int, kid: float, path: Path) -> None:
    """Keep the generator whose contents are nearest to those of val so far."""
    if not path.is_file() or kid < load_tensors(path)["kid"]:
        write_atomically(path, {"images": seen, "kid": kid, "generator": generator.state_dict()})
