"""Dents: a height field pressed into the surface, which bends the normals and with them every reflection."""

from dataclasses import dataclass

import cv2
import numpy as np

from models.renderer.effects import Effects, Proposal
from models.renderer.site import Site
from models.renderer.surroundings import noise_field

_GRID = 128
_REACH = 1.1  # the height field covers [-_REACH, _REACH] of the dent's radius
_DARK_PAINT = 0.25  # mean albedo
_KINDS = ("ding", "uneven", "crease", "swipe", "crumple")
_KIND_SHARES = (0.26, 0.22, 0.18, 0.16, 0.18)

# wall of a round dent over its radius: the bowl steepens outwards, a raised rim closes it with a visible border
_RADII = np.linspace(0, 1, 101)
_SLOPES = np.where(
    _RADII < 0.74,
    _RADII / 0.74,
    np.where(_RADII < 0.88, np.cos((_RADII - 0.74) / 0.14 * np.pi / 2), -0.6 * np.sin((_RADII - 0.88) / 0.12 * np.pi)),
)
_HEIGHTS = np.concatenate([-np.cumsum(_SLOPES[::-1])[::-1][1:] * 0.01, [0.0]])


@dataclass(frozen=True)
class Dent:
    """A dent at its place, of any depth.

    Attributes:
        window: rows and columns of the body's window.
        slope: float32 (h, w, 3), what the deepest wall of slope 1 adds to the normal.
        depth: float32 (h, w), [0, 1].
        area: bool (h, w), the dent's outline on the paint.
        crack: float32 (h, w), opacity of flaked paint along its sharpest fold.
        steepness: slope of its walls as it was drawn.
    """

    window: tuple[slice, slice]
    slope: np.ndarray
    depth: np.ndarray
    area: np.ndarray
    crack: np.ndarray
    steepness: float

    def propose(self, paint_albedo: np.ndarray, level: int) -> Proposal:
        """The dent in a paint, float (3,), linear RGB; deeper with each level from 0 on."""
        steepness = min(self.steepness * 1.45**level, 1.5)
        effects = Effects.none(self.area.shape)
        effects.bend[:] = -np.float32(steepness) * self.slope
        effects.hollow[:] = np.minimum(np.float32(0.22 * steepness + 0.06 * level) * self.depth, 0.6)
        effects.scratch[:] = self.crack
        effects.scratch_albedo[:] = np.float32(0.05)
        if float(np.mean(paint_albedo)) < _DARK_PAINT:
            # dark paint that mirrors little shows a dent by its rubbed walls
            rubbed = np.float32(min(0.11 * max(level - 1, 0), 0.55)) * np.maximum(
                np.minimum(np.linalg.norm(self.slope, axis=-1), 1), np.float32(0.6) * self.depth
            )
            effects.scratch_albedo[:] = np.where(self.crack > rubbed, np.float32(0.05), np.float32(0.7))[..., None]
            np.maximum(effects.scratch, rubbed, out=effects.scratch)
        return Proposal(self.window, effects, self.area, is_outlined=True)


def sample_dent(site: Site, rng: np.random.Generator) -> Dent | None:
    """Draw a dent somewhere on the paint.

    Args:
        site: where.
        rng: consumed.

    Returns:
        The dent; None where there was no room for it.
    """
    scale = site.frame_scale
    kind = _KINDS[int(rng.choice(len(_KINDS), p=_KIND_SHARES))]
    stretch = {"crease": rng.uniform(0.3, 0.55), "swipe": rng.uniform(0.2, 0.36)}.get(kind, rng.uniform(0.6, 1.0))
    turn = rng.normal(0, 0.3) if kind == "swipe" or rng.random() < 0.4 else rng.uniform(0, np.pi)
    radius_m = float(np.exp(rng.normal(-1.95, 0.5))) * (1.7 if stretch < 0.5 else 1.0)
    x, y = site.pick_pixel(12 * scale, rng)
    radius_px = float(np.clip(radius_m * site.pixels_per_m[y, x], 18 * scale / np.sqrt(stretch), 140 * scale))
    if site.depth_px[y, x] < 0.6 * radius_px * stretch:
        return None
    radius_m = radius_px / float(site.pixels_per_m[y, x])
    height, inside, fold = _press(kind, rng)
    centre, normal = site.buffers.position[y, x], site.buffers.normal[y, x]
    side = np.cross(normal, [0.0, 0.0, 1.0]).astype(np.float32)
    side /= max(float(np.linalg.norm(side)), 1e-6)
    up = np.cross(side, normal)
    axis_a = (np.cos(turn) * side + np.sin(turn) * up).astype(np.float32)
    axis_b = (np.cos(turn) * up - np.sin(turn) * side).astype(np.float32)
    pad = int(radius_px * 1.15) + 4
    window = np.s_[max(y - pad, 0) : y + pad + 1, max(x - pad, 0) : x + pad + 1]
    away = site.buffers.position[window] - centre
    step = 2 * _REACH / (_GRID - 1)
    map_a = ((away @ axis_a) / np.float32(radius_m) + np.float32(_REACH)) / np.float32(step)
    map_b = ((away @ axis_b) / np.float32(radius_m * stretch) + np.float32(_REACH)) / np.float32(step)
    is_near = np.abs(away @ normal) < 0.6 * radius_m

    def seen(field: np.ndarray) -> np.ndarray:
        return cv2.remap(field.astype(np.float32), map_a, map_b, cv2.INTER_LINEAR)

    down, right = np.gradient(height, step)
    steepest = max(float(np.percentile(np.hypot(right, down / stretch)[inside > 0.5], 95)), 1e-6)
    keep = site.is_paint[window] & is_near
    share = keep.astype(np.float32) / np.float32(steepest)
    slope = (seen(right) * share)[..., None] * axis_a + (seen(down / stretch) * share)[..., None] * axis_b
    area = (seen(inside) > 0.5) & keep
    if np.count_nonzero(area) < 0.45 * np.pi * radius_px**2 * stretch * 0.8:
        return None  # most of it lies off the paint
    crack = seen(fold) * keep if rng.random() < 0.2 else np.zeros(area.shape)
    depth = np.clip(seen(-height / max(float(-height.min()), 1e-6)), 0, 1) * keep
    return Dent(
        window,
        slope.astype(np.float32),
        depth.astype(np.float32),
        area,
        np.clip(crack, 0, 0.9).astype(np.float32),
        float(rng.uniform(0.3, 0.6)),
    )


def _press(kind: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Height over the dent's unit disc, whether each point is inside, and where the paint may flake; each (G, G)."""
    line = np.linspace(-_REACH, _REACH, _GRID)
    v, u = np.meshgrid(line, line, indexing="ij")
    radius, angle = np.hypot(u, v), np.arctan2(v, u)
    waves = rng.normal(0, 1, 3) * [0.09, 0.06, 0.04] * (0.4 if kind in ("crease", "swipe") else 1.0)
    phases = rng.uniform(0, 2 * np.pi, 3)
    outline = 1 + sum(w * np.cos((n + 2) * angle + p) for n, (w, p) in enumerate(zip(waves, phases, strict=True)))
    outline = np.clip(outline / outline.max(), 0.55, 1)
    r = radius / outline
    bowl = np.interp(r, _RADII, _HEIGHTS)
    fade = np.clip((1 - r) / 0.12, 0, 1)
    fold_line = v - rng.normal(0, 0.12) - rng.normal(0, 0.15) * u - rng.normal(0, 0.2) * u**2
    fold = np.clip(1 - np.abs(fold_line) / 0.05, 0, 1) * (np.abs(u) < rng.uniform(0.3, 0.7)) * fade
    if kind == "uneven":
        for _ in range(int(rng.integers(1, 4))):
            where, size = rng.uniform(-0.4, 0.4, 2), rng.uniform(0.3, 0.55)
            inner = np.interp(np.hypot(u - where[0], v - where[1]) / size, _RADII, _HEIGHTS)
            bowl = bowl + inner * rng.uniform(0.4, 0.9) * size
    elif kind == "crease":
        bowl = 0.35 * bowl - 0.55 * np.clip(1 - np.abs(fold_line) / 0.8, 0, 1) * fade
    elif kind == "swipe":
        ripple = np.sin(rng.uniform(5, 11) * u + rng.uniform(0, 2 * np.pi))
        bowl = bowl * (1 + 0.4 * ripple)
    elif kind == "crumple":
        ridges = np.abs(noise_field(rng, (_GRID, _GRID), 4, 2))
        ridges = cv2.GaussianBlur(ridges.astype(np.float32), (0, 0), 1.5)
        bowl = 0.7 * bowl - 0.28 * ridges * fade
    return bowl, (r < 0.97).astype(np.float32), fold
