"""What lies between the scene and the sensor: flare against the light, rain in the air and drops on the lens."""

import cv2
import numpy as np

from models.renderer.conditions import Conditions
from models.renderer.exposure import LensLayer
from models.renderer.pixels import blend, spread


def sample_lens(
    conditions: Conditions, picture: np.ndarray, frame_scale: float, rng: np.random.Generator
) -> LensLayer | None:
    """Draw the layer that backlight and rain lay over the photo.

    Args:
        conditions: of the photo.
        picture: float32 (H, W, 3), [0, 255], the undamaged photo; drops show it out of focus.
        frame_scale: photo size relative to 480 x 640.
        rng: consumed.

    Returns:
        The layer; None in plain light and dry weather.
    """
    if conditions.light != "backlight" and conditions.weather != "rain":
        return None
    colour, opacity = np.zeros_like(picture), np.zeros(picture.shape[:2], np.float32)
    if conditions.weather == "rain":
        _add_streaks(colour, opacity, frame_scale, rng)
        _add_drops(colour, opacity, picture, frame_scale, rng)
    if conditions.light == "backlight":
        _add_flare(colour, opacity, rng)
    return LensLayer(colour, opacity)


def _lay(colour: np.ndarray, opacity: np.ndarray, over: np.ndarray, over_opacity: np.ndarray) -> None:
    """Lay a further layer over the one so far, in place."""
    total = over_opacity + opacity * (1 - over_opacity)
    blend(colour, over, over_opacity / np.maximum(total, 1e-6))
    opacity[:] = total


def _add_flare(colour: np.ndarray, opacity: np.ndarray, rng: np.random.Generator) -> None:
    height, width = opacity.shape
    centre = np.array([rng.uniform(0.05, 0.95) * width, rng.uniform(-0.1, 0.3) * height])
    y, x = np.mgrid[:height, :width].astype(np.float32)
    away = np.hypot(x - np.float32(centre[0]), y - np.float32(centre[1])) / np.float32(max(height, width))
    base, glow = rng.uniform(0.10, 0.18), rng.uniform(0.3, 0.5)
    veil = base + glow * np.exp(-((away / rng.uniform(0.22, 0.4)) ** 2))
    middle = np.array([width, height]) / 2
    for _ in range(int(rng.integers(0, 4))):  # mirror images of the light inside the lens
        at = middle + (middle - centre) * rng.uniform(-0.4, 1.2)
        radius = rng.uniform(0.015, 0.06) * width
        disc = np.hypot(x - np.float32(at[0]), y - np.float32(at[1])) < radius
        veil += cv2.GaussianBlur(disc.astype(np.float32), (0, 0), 2.0) * np.float32(rng.uniform(0.04, 0.12))
    tone = np.array([255, 246, 228], np.float32) * np.float32(rng.uniform(0.88, 1.0))
    _lay(colour, opacity, np.ones_like(colour) * tone, np.clip(veil, 0, 0.75).astype(np.float32))


def _add_streaks(colour: np.ndarray, opacity: np.ndarray, frame_scale: float, rng: np.random.Generator) -> None:
    height, width = opacity.shape
    layer = np.zeros((height, width), np.uint8)
    slant = rng.normal(0, 0.15)
    for _ in range(int(rng.integers(60, 220))):
        x, y, length = rng.uniform(0, width), rng.uniform(-0.1, 1) * height, rng.uniform(12, 45) * frame_scale
        start, end = (round(x * 16), round(y * 16)), (round((x + slant * length) * 16), round((y + length) * 16))
        cv2.line(layer, start, end, float(rng.uniform(40, 120)), 1, cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(layer, (0, 0), 0.7).astype(np.float32) / 255
    _lay(colour, opacity, np.full_like(colour, 205), soft * np.float32(0.7))


def _add_drops(
    colour: np.ndarray, opacity: np.ndarray, picture: np.ndarray, frame_scale: float, rng: np.random.Generator
) -> None:
    height, width = opacity.shape
    small = cv2.resize(picture, (max(width // 8, 1), max(height // 8, 1)), interpolation=cv2.INTER_AREA)
    blurred = cv2.resize(cv2.GaussianBlur(small, (0, 0), 1.5), (width, height))
    drops, gleam = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint8)
    for _ in range(int(rng.integers(3, 12))):
        x, y, radius = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(5, 19) * frame_scale
        axes = (round(radius * 16), round(radius * rng.uniform(0.9, 1.25) * 16))
        at = (round(x * 16), round(y * 16))
        cv2.ellipse(drops, at, axes, 0, 0, 360, 215, -1, cv2.LINE_AA, 4)
        top = (at[0], round((y - 0.45 * radius) * 16))
        cv2.ellipse(gleam, top, (axes[0] // 2, axes[1] // 5), 0, 0, 360, 130, -1, cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(drops, (0, 0), max(1.6 * frame_scale, 0.5)).astype(np.float32) / 255
    rim = np.clip(soft * (1 - soft) * 4, 0, 1) * np.float32(0.3)  # the border of a drop is darker
    bright = cv2.GaussianBlur(gleam, (0, 0), max(1.5 * frame_scale, 0.5)).astype(np.float32)
    _lay(colour, opacity, np.clip(blurred * spread(1.06 - rim) + spread(bright), 0, 255), soft)
