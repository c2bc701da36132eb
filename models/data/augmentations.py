"""Random changes of a training image; each takes a numpy Generator and leaves its input alone.

Light and camera change the image alone; geometry changes the masks with it; what cutout and GridMask hide is told, so
that a loss can leave it out. Normalising and letterboxing belong to serving as well: models.structures has them.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from models.structures import Letterbox


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


def change_brightness(image: np.ndarray, factor: float) -> np.ndarray:
    """Multiply every value; uint8 (H, W, 3) RGB to the same, 0 makes it black, 1 keeps it."""
    return _blend(image, np.float32(0), factor)


def change_contrast(image: np.ndarray, factor: float) -> np.ndarray:
    """Move values away from the mean grey; uint8 (H, W, 3) RGB to the same, 0 makes it one grey, 1 keeps it."""
    return _blend(image, cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).mean(dtype=np.float64).astype(np.float32), factor)


def change_saturation(image: np.ndarray, factor: float) -> np.ndarray:
    """Move pixels away from their own grey; uint8 (H, W, 3) RGB to the same, 0 makes it colourless, 1 keeps it."""
    return _blend(image, cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32), factor)


def random_colour(image: np.ndarray, rng: np.random.Generator, *, strength: float = 0.4) -> np.ndarray:
    """Change brightness, contrast and saturation, each by a factor of its own.

    Args:
        image: uint8 (H, W, 3) RGB.
        rng: source of chance.
        strength: factors lie in [1 - strength, 1 + strength].

    Returns:
        uint8 (H, W, 3) RGB.
    """
    for change in (change_brightness, change_contrast, change_saturation):
        image = change(image, float(rng.uniform(1 - strength, 1 + strength)))
    return image


def mirror(image: np.ndarray) -> np.ndarray:
    """Flip left and right, (H, W, …)."""
    return np.ascontiguousarray(image[:, ::-1])


def flip_upside_down(image: np.ndarray) -> np.ndarray:
    """Flip top and bottom, (H, W, …)."""
    return np.ascontiguousarray(image[::-1])


def rotate(image: np.ndarray, masks: np.ndarray, angle_deg: float) -> tuple[np.ndarray, np.ndarray]:
    """Turn an image and its masks about their middle; the size stays, corners are lost and won.

    Args:
        image: uint8 (H, W, 3) RGB.
        masks: bool (C, H, W).
        angle_deg: counter-clockwise.

    Returns:
        uint8 (H, W, 3) RGB, grey as a letterbox's bars where nothing is known, and bool (C, H, W), False there.
    """
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle_deg, 1.0)
    grey = (Letterbox.PAD_VALUE,) * 3
    turned = cv2.warpAffine(image, turn, (width, height), flags=cv2.INTER_LINEAR, borderValue=grey)
    turned_masks = np.zeros_like(masks)
    for channel, mask in enumerate(masks):
        # the majority of a pixel, as in Letterbox.apply_masks
        turned_masks[channel] = cv2.warpAffine(mask.astype(np.float32), turn, (width, height)) >= 0.5
    return turned, turned_masks


def cutout(
    image: np.ndarray, rng: np.random.Generator, *, size_px: int, count: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Grey out squares; a square's middle lies anywhere, so that it may be cut off at the border.

    Args:
        image: uint8 (H, W, 3) RGB.
        rng: source of chance.
        size_px: side of a square.
        count: squares; they may overlap.

    Returns:
        uint8 (H, W, 3) RGB, and bool (H, W), True where hidden.

    Source: DeVries & Taylor 2017, arXiv 1708.04552.
    """
    height, width = image.shape[:2]
    hidden = np.zeros((height, width), bool)
    for _ in range(count):
        top, left = int(rng.integers(height)) - size_px // 2, int(rng.integers(width)) - size_px // 2
        hidden[max(top, 0) : max(top + size_px, 0), max(left, 0) : max(left + size_px, 0)] = True
    return _hide(image, hidden), hidden


def grid_mask(
    image: np.ndarray, rng: np.random.Generator, *, period_px: int, hole_ratio: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Grey out a grid of squares that starts anywhere.

    Args:
        image: uint8 (H, W, 3) RGB.
        rng: source of chance.
        period_px: from square to square: the density.
        hole_ratio: side of a square as a share of the period, above 0 and below 1: the size.

    Returns:
        uint8 (H, W, 3) RGB, and bool (H, W), True where hidden, about hole_ratio squared of all pixels.

    Raises:
        ValueError: period_px below 2 or hole_ratio out of range.

    Source: Chen et al. 2020, arXiv 2001.04086, section 3: d is period_px, r is 1 - hole_ratio.
    """
    if period_px < 2 or not 0 < hole_ratio < 1:
        raise ValueError(
            f"period_px, hole_ratio: expected 2 or more, and a number between 0 and 1, found {period_px}, {hole_ratio}"
        )
    hole_px = min(max(round(period_px * hole_ratio), 1), period_px - 1)
    start_y, start_x = rng.integers(period_px, size=2)
    rows, columns = (
        (np.arange(n) + start) % period_px < hole_px
        for n, start in zip(image.shape[:2], (start_y, start_x), strict=True)
    )
    hidden = rows[:, None] & columns
    return _hide(image, hidden), hidden


@dataclass(frozen=True)
class SampleChanges:
    """How often and how far a training sample is changed.

    Attributes:
        colour_strength: of random_colour, on every sample; 0 is off.
        mirror_share: of the samples.
        upside_down_share: of the samples.
        rotation_deg: samples turn by an angle up to this, either way; 0 is off.
        cutout_share: of the samples.
        cutout_ratio: side of the square, of the image's shorter side.
        grid_mask_share: of the samples.
        grid_period_ratio: lowest and highest period, of the image's shorter side.
        grid_hole_ratio: size of the holes, of the period.
    """

    colour_strength: float = 0.4
    mirror_share: float = 0.5
    upside_down_share: float = 0.0
    rotation_deg: float = 10.0
    cutout_share: float = 0.0
    cutout_ratio: float = 0.25
    grid_mask_share: float = 0.0
    grid_period_ratio: tuple[float, float] = (0.2, 0.5)
    grid_hole_ratio: float = 0.4


def change_sample(
    image: np.ndarray, masks: np.ndarray, changes: SampleChanges, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Change an image, its masks with it.

    Args:
        image: uint8 (H, W, 3) RGB.
        masks: bool (C, H, W).
        changes: how often and how far.
        rng: source of chance; the same state gives the same sample.

    Returns:
        uint8 (H, W, 3) RGB, bool (C, H, W), and bool (H, W), True where the image was hidden.
    """
    if changes.colour_strength:
        image = random_colour(image, rng, strength=changes.colour_strength)
    if rng.random() < changes.mirror_share:
        image, masks = mirror(image), np.ascontiguousarray(masks[:, :, ::-1])
    if rng.random() < changes.upside_down_share:
        image, masks = flip_upside_down(image), np.ascontiguousarray(masks[:, ::-1])
    if changes.rotation_deg:
        image, masks = rotate(image, masks, float(rng.uniform(-changes.rotation_deg, changes.rotation_deg)))
    shorter = min(image.shape[:2])
    hidden = np.zeros(image.shape[:2], bool)
    if rng.random() < changes.cutout_share:
        image, under = cutout(image, rng, size_px=max(round(changes.cutout_ratio * shorter), 1))
        hidden |= under
    if rng.random() < changes.grid_mask_share:
        period_px = max(round(float(rng.uniform(*changes.grid_period_ratio)) * shorter), 2)
        image, under = grid_mask(image, rng, period_px=period_px, hole_ratio=changes.grid_hole_ratio)
        hidden |= under
    return image, masks, hidden


def _blend(image: np.ndarray, other: np.ndarray | np.float32, factor: float) -> np.ndarray:
    """other + factor (image - other), rounded and clipped to uint8."""
    if factor < 0:
        raise ValueError(f"factor: expected 0 or more, found {factor}")
    mixed = other + np.float32(factor) * (image.astype(np.float32) - other)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def _hide(image: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    image = image.copy()
    image[hidden] = Letterbox.PAD_VALUE
    return image
