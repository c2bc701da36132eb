"""Harmless things on the paint that carry no label: dust, mud, streaks, drops, bird droppings, stickers."""

from dataclasses import dataclass

import cv2
import numpy as np

from models.renderer.pixels import blend, spread, tint
from models.renderer.site import Site
from models.renderer.surroundings import noise_field


@dataclass(frozen=True)
class Clutter:
    """Dirt laid over the paint, window frame.

    Attributes:
        albedo: float32 (h, w, 3), linear RGB.
        opacity: float32 (h, w), [0, 1].
        gleam: float32 (h, w), share of the sky's light that water drops send back on top.
    """

    albedo: np.ndarray
    opacity: np.ndarray
    gleam: np.ndarray


class _Layer:
    """Flat marks: square root of linear RGB times opacity, then opacity; uint8 (h, w, 4), fixed-point coordinates."""

    def __init__(self, size_hw: tuple[int, int]) -> None:
        self.marks = np.zeros((*size_hw, 4), np.uint8)

    def ellipse(self, x: float, y: float, axes: tuple[float, float], turn: float, albedo, strength: float) -> None:
        fixed = (max(round(axes[0] * 16), 5), max(round(axes[1] * 16), 5))
        centre = (round(x * 16), round(y * 16))
        cv2.ellipse(self.marks, centre, fixed, turn, 0, 360, _value(albedo, strength), -1, cv2.LINE_AA, 4)

    def polygon(self, points: np.ndarray, albedo, strength: float) -> None:
        cv2.fillPoly(self.marks, [np.round(points * 16).astype(np.int32)], _value(albedo, strength), cv2.LINE_AA, 4)


def _value(albedo, strength: float) -> tuple[float, ...]:
    return (*(float(np.sqrt(v) * 255 * strength) for v in albedo), 255 * strength)


def sample_clutter(site: Site, rng: np.random.Generator, *, is_rainy: bool) -> Clutter:
    """Draw dirt for a photo; damaged and undamaged photos get the same.

    Args:
        site: the body in the photo.
        rng: consumed.
        is_rainy: drops stand on the paint.

    Returns:
        Albedo, opacity and gleam over the body's window.
    """
    size = site.is_paint.shape
    layer, gleam = _Layer(size), np.zeros(size, np.uint8)
    soil = np.array([0.24, 0.19, 0.13]) * rng.uniform(0.6, 1.3)
    unit = float(np.median(site.pixels_per_m[site.is_paint]))
    if rng.random() < 0.30:
        _splash_mud(layer, site, unit, soil, rng)
    if rng.random() < 0.25:
        _run_streaks(layer, site, unit, soil, rng)
    if rng.random() < 0.12:
        _add_droppings(layer, site, unit, rng)
    if rng.random() < 0.16:
        _stick_label(layer, site, unit, rng)
    drops = rng.random()
    if is_rainy or drops < 0.10:
        _add_water(layer, gleam, site, unit, rng)
    scaled = layer.marks.astype(np.float32) * np.float32(1 / 255)
    opacity = np.ascontiguousarray(scaled[..., 3])
    root = scaled[..., :3] * spread(1 / np.maximum(opacity, 1e-3))
    albedo = root * root
    film = _dust_film(site, rng)
    total = np.clip(opacity + film * (1 - opacity), 0, 0.97)
    blended = tint(np.ones_like(albedo), soil)
    blend(blended, albedo, opacity / np.maximum(total, 1e-4))
    return Clutter(blended, total, gleam.astype(np.float32) * np.float32(0.8 / 255))


def _dust_film(site: Site, rng: np.random.Generator) -> np.ndarray:
    """Dust that thickens towards the sill, in clouds: float32 (h, w), opacity."""
    dust = rng.uniform(0.1, 0.6) if rng.random() < 0.4 else rng.uniform(0, 0.06)
    z = np.ascontiguousarray(site.buffers.position[..., 2])
    low = np.clip(1 - (z - np.float32(0.2)) / np.float32(rng.uniform(0.25, 0.8)), 0, 1)
    clouds = np.clip(1 + 0.5 * noise_field(rng, site.is_paint.shape, 6, 3), 0.2, 1.6)
    return np.clip(np.float32(dust) * low * low * clouds, 0, 0.85)


def _splash_mud(layer: _Layer, site: Site, unit: float, soil: np.ndarray, rng: np.random.Generator) -> None:
    """Round specks thrown up from below, thickest in the middle of each splash."""
    height, width = site.is_paint.shape
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(0, width), height * rng.beta(3, 1.5)
        reach = rng.uniform(0.08, 0.3) * unit
        for _ in range(int(rng.integers(15, 60))):
            at = rng.normal(0, 1, 2) * reach * [1.0, 0.7]
            radius = max(float(rng.gamma(1.6, 0.0026)) * unit, 0.7)
            axes = (radius, radius * rng.uniform(0.6, 1.0))
            layer.ellipse(x + at[0], y + at[1], axes, rng.uniform(0, 180), soil * rng.uniform(0.7, 1.2), 0.85)


def _run_streaks(layer: _Layer, site: Site, unit: float, soil: np.ndarray, rng: np.random.Generator) -> None:
    """Soft brown streaks where dirty water ran down."""
    height, width = site.is_paint.shape
    runs = np.zeros((height, width), np.uint8)
    for _ in range(int(rng.integers(4, 18))):
        x, y, length = rng.uniform(0, width), rng.uniform(0, height * 0.8), rng.uniform(0.08, 0.35) * unit
        thick = max(round(rng.uniform(0.006, 0.02) * unit), 2)
        end = (round(x + rng.normal(0, 0.02) * length), round(y + length))
        cv2.line(runs, (round(x), round(y)), end, float(rng.uniform(50, 130)), thick, cv2.LINE_AA)
    soft = cv2.GaussianBlur(runs, (0, 0), max(0.008 * unit, 1.5)).astype(np.float32)
    alpha = spread(soft / 255)
    marks = layer.marks.astype(np.float32)
    marks[..., :3] += (np.sqrt(soil).astype(np.float32) * 255 - marks[..., :3]) * alpha
    marks[..., 3] = np.maximum(marks[..., 3], soft)
    layer.marks[:] = np.clip(marks, 0, 255)


def _add_droppings(layer: _Layer, site: Site, unit: float, rng: np.random.Generator) -> None:
    """White blots with a dark heart and a run below."""
    for _ in range(int(rng.integers(1, 4))):
        x, y = site.pick_pixel(4, rng)
        radius = max(rng.uniform(0.008, 0.02) * unit, 2.5)
        for _ in range(7):
            at = rng.normal(0, 0.5, 2) * radius
            layer.ellipse(x + at[0], y + at[1], (radius * rng.uniform(0.4, 0.9),) * 2, 0, (0.72, 0.72, 0.66), 0.95)
        run = radius * rng.uniform(1.5, 4)
        layer.ellipse(x, y + run, (radius * 0.3, run), 0, (0.68, 0.68, 0.62), 0.9)
        layer.ellipse(x, y, (radius * 0.35,) * 2, 0, (0.07, 0.08, 0.05), 0.9)


def _stick_label(layer: _Layer, site: Site, unit: float, rng: np.random.Generator) -> None:
    """A sticker with print on it."""
    x, y = site.pick_pixel(10 * site.frame_scale, rng)
    size = np.array([rng.uniform(0.05, 0.16), rng.uniform(0.03, 0.09)]) * unit
    box = cv2.boxPoints(((float(x), float(y)), (float(size[0]), float(size[1])), float(rng.uniform(-12, 12))))
    ground, ink = rng.uniform(0.02, 0.8, 3), rng.uniform(0.02, 0.8, 3)
    layer.polygon(box, ground, 1.0)
    origin, right, down = box[1], box[2] - box[1], box[0] - box[1]
    for row in range(int(rng.integers(1, 4))):
        top, left = 0.15 + 0.27 * row, 0.1
        while left < 0.85:
            wide = rng.uniform(0.05, 0.2)
            corners = [
                (left, top),
                (min(left + wide, 0.92), top),
                (min(left + wide, 0.92), top + 0.16),
                (left, top + 0.16),
            ]
            layer.polygon(np.array([origin + a * right + b * down for a, b in corners]), ink, 1.0)
            left += wide + 0.05


def _add_water(layer: _Layer, gleam: np.ndarray, site: Site, unit: float, rng: np.random.Generator) -> None:
    """Beads of water: dark above, with a bright point."""
    height, width = site.is_paint.shape
    for _ in range(int(rng.integers(60, 260))):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        radius = float(np.clip(rng.gamma(2.5, 0.0012) * unit, 0.8, 6 * site.frame_scale))
        layer.ellipse(x, y, (radius, radius * 1.15), 0, (0.03, 0.03, 0.035), 0.28)
        at = (round(x * 16), round((y + radius * 0.35) * 16))
        cv2.circle(gleam, at, max(round(radius * 7), 5), float(rng.uniform(60, 200)), -1, cv2.LINE_AA, 4)
