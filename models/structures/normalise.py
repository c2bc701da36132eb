"""Images to a network's input batch: the one normalisation that training, evaluation and serving share."""

from collections.abc import Sequence

import numpy as np

from models.structures.arrays import ContractError, check_image


def normalise_batch(images: Sequence[np.ndarray], mean: Sequence[float], std: Sequence[float]) -> np.ndarray:
    """Stack images and bring each channel to (value / 255 - mean) / std.

    Args:
        images: at least one, each uint8 (H, W, 3) RGB, all of one size.
        mean: per RGB channel, on the 0 to 1 scale.
        std: per RGB channel, on the 0 to 1 scale.

    Returns:
        float32 (N, 3, H, W), C-contiguous.

    Raises:
        ContractError: no image, or images of different sizes.
    """
    if not images:
        raise ContractError("images: expected at least one image, found none")
    for index, image in enumerate(images):
        check_image(f"images[{index}]", image)
        if image.shape != images[0].shape:
            raise ContractError(f"images[{index}]: expected shape {images[0].shape}, found {image.shape}")
    scale = (1.0 / (255.0 * np.asarray(std, np.float64))).astype(np.float32)
    shift = (np.asarray(mean, np.float64) / np.asarray(std, np.float64)).astype(np.float32)
    batch = np.empty((len(images), 3, *images[0].shape[:2]), np.float32)
    for row, image in zip(batch, images, strict=True):
        for channel in range(3):
            np.multiply(image[..., channel], scale[channel], out=row[channel])
            row[channel] -= shift[channel]
    return batch
