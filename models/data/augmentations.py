"""Random changes of a training image; each takes a numpy Generator and leaves its input alone."""

import cv2
import numpy as np


def random_light(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change brightness, contrast, gamma and colour; half of the darkened ones get very dark.

    Args:
        image: uint8 (H, W, 3) RGB.
        rng: source of chance.

    Returns:
        uint8 (H, W, 3) RGB.

    Source: SEEDS E5: dark photos failed, so brightness and contrast vary in training.
    """
    ramp = np.arange(256, dtype=np.float32) / 255
    curves = np.empty((256, 3), np.uint8)
    gain = rng.uniform(0.25, 0.6) if rng.random() < 0.15 else rng.uniform(0.65, 1.35)
    contrast, gamma = rng.uniform(0.7, 1.3), np.exp(rng.uniform(-0.35, 0.35))
    tint = 1 + rng.uniform(-0.06, 0.06, 3)
    for channel in range(3):
        curve = (ramp**gamma - 0.5) * contrast + 0.5
        curves[:, channel] = np.clip(curve * gain * tint[channel] * 255, 0, 255).astype(np.uint8)
    return cv2.LUT(image, curves[None])


def random_camera(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur, add sensor noise and recompress, each sometimes: what tells one source from another is hidden.

    Args:
        image: uint8 (H, W, 3) RGB.
        rng: source of chance.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    if rng.random() < 0.2:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.2))
    if rng.random() < 0.2:
        noise = rng.normal(0, rng.uniform(2, 8), image.shape[:2]).astype(np.int16)[..., None]
        image = np.clip(image.astype(np.int16) + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = int(rng.integers(40, 95))
        _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    return image


def mirror(image: np.ndarray) -> np.ndarray:
    """Flip left and right, (H, W, …)."""
    return np.ascontiguousarray(image[:, ::-1])
