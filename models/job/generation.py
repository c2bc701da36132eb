"""What the job measures of a generator, against the real crops of val: features, distances, a sheet of samples.

In:   a generator, real canvases. Out: numbers whose names carry their protocol.
Must not know: folders of steps, detectors.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from models.evaluation.generation.features import FeatureNetwork, protocol_name
from models.evaluation.generation.fid import FeatureMoments, frechet_distance
from models.evaluation.generation.kid import kernel_distance
from models.evaluation.generation.nearest import find_nearest
from models.evaluation.generation.precision_recall import precision_recall
from models.gan.generator import Generator
from models.gan.images import decode_images
from models.gan.mapping import Z_DIM
from models.steps.screening import find_content

BATCH: int = 64
TIGHT: str = "tight"
"""Measures of the content alone, resized to the canvas: the black surround that all share flatters the others."""


@dataclass(frozen=True)
class RealFeatures:
    """Features of real crops, whole canvases and their contents alone.

    Attributes:
        network: made them.
        whole: float32 (N, F).
        tight: float32 (N, F).
        train: float32 (M, F), whole canvases of train: what could have been learnt by heart …
        mirrored_train: float32 (M, F), … also mirrored, as training shows them.
    """

    network: FeatureNetwork
    whole: np.ndarray
    tight: np.ndarray
    train: np.ndarray
    mirrored_train: np.ndarray


def describe_real(
    network: FeatureNetwork, val: np.ndarray, val_content_xyxy: np.ndarray, train: np.ndarray
) -> RealFeatures:
    """Compute the features that generators are compared with.

    Args:
        network: makes them.
        val: uint8 (N, C, C, 3).
        val_content_xyxy: int64 (N, 4), where the content lies.
        train: uint8 (M, C, C, 3).
    """
    return RealFeatures(
        network,
        network.compute_features(val),
        network.compute_features(cut_content(val, val_content_xyxy)),
        network.compute_features(train),
        network.compute_features(np.ascontiguousarray(train[:, :, ::-1])),
    )


def generate_pixels(generator: Generator, count: int, *, seed: int, psi: float = 1.0) -> np.ndarray:
    """Generate images in batches; the same seed gives the same images, whatever their number.

    Returns:
        uint8 (N, C, C, 3 | 4).
    """
    device = next(generator.parameters()).device
    parts = []
    for start in range(0, count, BATCH):
        chance = torch.Generator().manual_seed(int(np.random.SeedSequence([seed, start]).generate_state(1)[0]))
        z = torch.randn(BATCH, Z_DIM, generator=chance)[: count - start].to(device)
        parts.append(decode_images(generator.generate(z, psi=psi)).cpu().numpy())
    return np.concatenate(parts)


def over_black(pixels: np.ndarray) -> np.ndarray:
    """Show RGBA on the black canvas, as real crops are; uint8 (N, C, C, 3 | 4) to uint8 (N, C, C, 3)."""
    if pixels.shape[3] == 3:
        return pixels
    shown = pixels[..., :3].astype(np.float32) * (pixels[..., 3:].astype(np.float32) / 255)
    return np.rint(shown).astype(np.uint8)


def lay_under(shown: np.ndarray, canvases: np.ndarray) -> np.ndarray:
    """Give images on black the alpha of the canvases they were made from: over_black undone.

    Args:
        shown: uint8 (N, C, C, 3), on black; a pixel brighter than its canvas is opaque becomes as opaque as bright.
        canvases: uint8 (N, C, C, 3 | 4).

    Returns:
        shown itself where the canvases have no alpha, else uint8 (N, C, C, 4), straight alpha.
    """
    if canvases.shape[3] == 3:
        return shown
    alpha = np.maximum(canvases[..., 3:], shown.max(axis=-1, keepdims=True))
    colour = np.divide(shown.astype(np.float32) * 255, alpha, out=np.zeros(shown.shape, np.float32), where=alpha > 0)
    return np.concatenate([np.rint(colour).astype(np.uint8), alpha], axis=-1)


def cut_content(images: np.ndarray, content_xyxy: np.ndarray) -> np.ndarray:
    """Enlarge each image's content to the whole canvas.

    Args:
        images: uint8 (N, C, C, 3).
        content_xyxy: int64 (N, 4), inside the canvas, not empty.

    Returns:
        uint8 (N, C, C, 3).
    """
    size_wh = images.shape[2], images.shape[1]
    return np.stack(
        [
            cv2.resize(image[y0:y1, x0:x1], size_wh, interpolation=cv2.INTER_LINEAR)
            for image, (x0, y0, x1, y1) in zip(images, content_xyxy, strict=True)
        ]
    )


def measure_generator(
    generator: Generator, real: RealFeatures, *, count: int, seed: int, with_memorising: bool = False
) -> Mapping[str, float]:
    """Compare a generator's images with real ones of val.

    Args:
        generator: in evaluation mode.
        real: what it is compared with.
        count: images to generate.
        seed: of the images and of KID's subsets.
        with_memorising: also the share of images nearer to a train crop than all but 1 % of train crops are to each
            other.

    Returns:
        KID, FID, precision and recall of whole canvases, KID and FID of contents; 1.0 or 0.0 under "is_singular" where
        an FID's covariance is of too few images to be one.
    """
    shown = over_black(generate_pixels(generator, count, seed=seed))
    measured: dict[str, float] = {}
    samples = {"": (shown, real.whole), f"_{TIGHT}": (cut_content(shown, find_content(shown)), real.tight)}
    for suffix, (images, reference) in samples.items():
        features = real.network.compute_features(images)
        name = f"{real.network.name}{suffix}"
        size = min(len(features), len(reference), 1000)
        kid = kernel_distance(features, reference, np.random.default_rng([seed, 7]), subset_size=size, subsets=20)
        fid = frechet_distance(_moments(features), _moments(reference))
        measured[protocol_name("kid", count, name)] = kid.mean
        measured[protocol_name("fid", count, name)] = fid.value
        if not suffix:
            measured["fid_is_singular"] = float(fid.is_singular)
            both = precision_recall(features, reference)
            measured[protocol_name("precision", count, name)] = both.precision
            measured[protocol_name("recall", count, name)] = both.recall
            if with_memorising:
                nearest = find_nearest(features, real.train)
                mirrored = find_nearest(features, real.mirrored_train).distances
                nearest = replace(nearest, distances=np.minimum(nearest.distances, mirrored))
                measured["share_nearer_to_train_than_train"] = nearest.share_closer_than_real(0.01)
    return measured


def kid_name(real: RealFeatures, count: int) -> str:
    """Names the measure of measure_generator that snapshots are chosen by: KID of contents."""
    return protocol_name("kid", count, f"{real.network.name}_{TIGHT}")


def draw_sheet(pixels: np.ndarray, columns: int) -> np.ndarray:
    """Lay images out in rows; RGBA over a checkerboard; uint8 (N, C, C, 3 | 4) to uint8 (R·C, columns·C, 3) RGB."""
    size = pixels.shape[1]
    if pixels.shape[3] == 4:
        tiles = (np.indices((size, size)) // max(size // 8, 1)).sum(axis=0) % 2
        board = np.where(tiles[..., None], np.float32(200), np.float32(150))
        alpha = pixels[..., 3:].astype(np.float32) / 255
        pixels = np.rint(pixels[..., :3] * alpha + board * (1 - alpha)).astype(np.uint8)
    rows = -(-len(pixels) // columns)
    filled = np.zeros((rows * columns, size, size, 3), np.uint8)
    filled[: len(pixels)] = pixels
    return filled.reshape(rows, columns, size, size, 3).swapaxes(1, 2).reshape(rows * size, columns * size, 3)


def _moments(features: np.ndarray) -> FeatureMoments:
    moments = FeatureMoments()
    moments.add(features)
    return moments
