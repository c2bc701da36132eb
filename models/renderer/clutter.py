"""Harmless things on the car that carry no label: dust, dirt specks, drops, a sticker."""

from dataclasses import dataclass

import cv2
import numpy as np

from models.renderer.damage import Site
from models.renderer.pixels import blend, spread, tint


@dataclass(frozen=True)
class Clutter:
    """Dirt laid over the paint, window frame.

    Attributes:
        albedo: float32 (h, w, 3), linear RGB.
        opacity: float32 (h, w), [0, 1].
    """

    albedo: np.ndarray
    opacity: np.ndarray


def sample_clutter(site: Site, rng: np.random.Generator) -> Clutter:
    """Draw dirt for a photo; damaged and undamaged photos get the same.

    Args:
        site: the body in the photo.
        rng: consumed.

    Returns:
        Albedo and opacity over the body's window.
    """
    height, width = site.is_paint.shape
    layer = np.zeros((height, width, 4), np.uint8)
    soil = np.array([0.24, 0.19, 0.13]) * rng.uniform(0.6, 1.3)
    unit = float(np.median(site.pixels_per_m[site.is_paint]))
    if rng.random() < 0.35:  # specks
        for _ in range(int(rng.integers(4, 40))):
            centre = (int(rng.integers(width)), int(height * rng.beta(2.5, 1.5)))
            radius = max(rng.gamma(1.5, 0.002) * unit, 0.6)
            axes = (round(radius * 16), round(radius * rng.uniform(0.5, 1.0) * 16))
            strength = rng.uniform(0.3, 0.9)
            value = (*(float(np.sqrt(v) * 255 * strength) for v in soil), 255 * strength)
            cv2.ellipse(
                layer, (centre[0] * 16, centre[1] * 16), axes, rng.uniform(0, 180), 0, 360, value, -1, cv2.LINE_AA, 4
            )
    if rng.random() < 0.10:  # drops: small and bright, with a dark foot
        for _ in range(int(rng.integers(15, 90))):
            x, y = int(rng.integers(width)), int(rng.integers(height))
            radius = max(rng.uniform(0.001, 0.004) * unit, 0.7)
            cv2.circle(layer, (x * 16, y * 16), round(radius * 16), (120, 120, 120, 130), -1, cv2.LINE_AA, 4)
            cv2.circle(
                layer,
                (x * 16 - 4, round((y - radius * 0.3) * 16)),
                max(round(radius * 7), 4),
                (220, 220, 220, 230),
                -1,
                cv2.LINE_AA,
                4,
            )
    if rng.random() < 0.06:
        rows, columns = np.nonzero(site.depth_px > 8)
        if len(rows):
            chosen = int(rng.integers(len(rows)))
            size = rng.uniform(0.03, 0.09) * unit
            box = cv2.boxPoints(
                ((float(columns[chosen]), float(rows[chosen])), (size * 1.6, size), rng.uniform(-12, 12))
            )
            colour = rng.uniform(20, 255, 3)
            cv2.fillPoly(layer, [np.round(box * 16).astype(np.int32)], (*colour.tolist(), 255), cv2.LINE_AA, 4)
            inner = box.mean(axis=0) + (box - box.mean(axis=0)) * 0.6
            cv2.polylines(
                layer, [np.round(inner * 16).astype(np.int32)], True, (*(255 - colour).tolist(), 255), 1, cv2.LINE_AA, 4
            )
    scaled = layer.astype(np.float32) * np.float32(1 / 255)
    opacity = np.ascontiguousarray(scaled[..., 3])
    root = scaled[..., :3] * spread(1 / np.maximum(opacity, 1e-3))
    albedo = root * root
    dust = rng.uniform(0.05, 0.55) if rng.random() < 0.35 else rng.uniform(0, 0.06)
    z = np.ascontiguousarray(site.buffers.position[..., 2])
    low = np.clip(1 - (z - np.float32(0.2)) / np.float32(rng.uniform(0.25, 0.7)), 0, 1)
    grain = cv2.resize(rng.uniform(0.6, 1.3, (height // 6 + 1, width // 6 + 1)).astype(np.float32), (width, height))
    film = np.float32(dust) * low * low * grain
    total = np.clip(opacity + film * (1 - opacity), 0, 0.95)
    blended = tint(np.ones_like(albedo), soil)
    blend(blended, albedo, opacity / np.maximum(total, 1e-4))
    return Clutter(blended, total)
