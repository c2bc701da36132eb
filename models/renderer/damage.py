"""Damage on the body: scratches, dents and widened gaps, each with the mask of the pixels it changes.

All arrays are in the window's frame, the part of the photo that the body fills.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from models.renderer.body import BodySight
from models.renderer.canvas import Canvas
from models.renderer.pixels import dot
from models.renderer.raster import SurfaceBuffers
from models.renderer.shapes import Shape
from models.structures import DAMAGE_CLASSES

_SUPERSAMPLING = 4
_LINE_STEP_M = 0.01
_TRIES = 14


@dataclass(frozen=True)
class Site:
    """Where damage can be.

    Attributes:
        buffers: surface point and normal under each pixel.
        sight: what is drawn there.
        is_paint: bool (h, w), pixels that show painted metal and nothing in front of it.
        pixels_per_m: float32 (h, w), photo pixels per metre for a surface that faces the camera.
        depth_px: float32 (h, w), distance to the nearest pixel that is not paint.
        line_runs: visible stretches of panel lines: zone, and float64 (R, 2), plane coordinates one centimetre apart.
        frame_scale: photo size relative to 480 x 640.
    """

    buffers: SurfaceBuffers
    sight: BodySight
    is_paint: np.ndarray
    pixels_per_m: np.ndarray
    depth_px: np.ndarray
    line_runs: tuple[tuple[str, np.ndarray], ...]
    frame_scale: float

    def holds_every_damage(self) -> bool:
        """Whether each damage class finds room here; asked of every photo, damaged or not."""
        has_run = any(
            len(run) * _LINE_STEP_M * self._run_scale(zone) > 32 * self.frame_scale for zone, run in self.line_runs
        )
        return has_run and float(self.depth_px.max()) > 17 * self.frame_scale

    def _run_scale(self, zone: str) -> float:
        return float(self.sight.zones[zone].canvas.scale[1]) / 1.4


@dataclass
class Effects:
    """What damage does to the picture; placed damages add to it.

    Attributes:
        normal: float32 (h, w, 3), unit; bent by dents.
        scratch: float32 (h, w), opacity.
        scratch_albedo: float32 (h, w, 3), linear RGB.
        gap: float32 (h, w), opacity of the dark inside of a gap.
        edge: float32 (h, w), [-1, 1], brightening of a panel edge that stands off.
        masks: bool (3, h, w), in DAMAGE_CLASSES order.
    """

    normal: np.ndarray
    scratch: np.ndarray = field(init=False)
    scratch_albedo: np.ndarray = field(init=False)
    gap: np.ndarray = field(init=False)
    edge: np.ndarray = field(init=False)
    masks: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        size = self.normal.shape[:2]
        self.scratch, self.gap, self.edge = (np.zeros(size, np.float32) for _ in range(3))
        self.scratch_albedo = np.zeros((*size, 3), np.float32)
        self.masks = np.zeros((len(DAMAGE_CLASSES), *size), bool)


Shader = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(position, normal), float32 (h, w, 3) each, to linear RGB, float32 (h, w, 3)."""


def survey_site(
    buffers: SurfaceBuffers,
    sight: BodySight,
    lines: dict[str, list[Shape]],
    camera_position: np.ndarray,
    focal_px: float,
    hidden: np.ndarray,
    frame_scale: float,
) -> Site:
    """Find where damage can be.

    Args:
        buffers: surface point and normal under each pixel.
        sight: what is drawn there.
        lines: panel lines of each zone.
        camera_position: float (3,), car frame, metres.
        focal_px: focal length, pixels.
        hidden: float32 (h, w), opacity of what stands in front of the body.
        frame_scale: photo size relative to 480 x 640.
    """
    is_paint = (
        (buffers.coverage > 0.99) & (sight.part < 0.02) & (sight.glass < 0.02) & (sight.hole < 0.02) & (hidden < 0.02)
    )
    away = buffers.position - camera_position.astype(np.float32)
    distance = np.sqrt(dot(away, away))
    # grazing pixels hide more than they show
    facing = -dot(away, buffers.normal) / np.maximum(distance, 1e-3)
    is_paint &= facing > 0.12
    bordered = np.pad(is_paint.astype(np.uint8), 1)
    depth = cv2.distanceTransform(bordered, cv2.DIST_L2, 3)[1:-1, 1:-1]
    runs = []
    for zone, seen in sight.zones.items():
        lookup = np.zeros((seen.canvas.size_hw[0] // 2 + 2, seen.canvas.size_hw[1] // 2 + 2), np.uint8)
        at = (seen.map_xy[:, seen.is_zone & is_paint & (facing > 0.3)] / 2).astype(np.int32)
        lookup[at[1], at[0]] = 1
        lookup = cv2.morphologyEx(lookup, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
        for shape in lines[zone]:
            runs += [(zone, run) for run in _visible_runs(shape.points, seen.canvas, lookup)]
    pixels_per_m = np.float32(focal_px) / np.maximum(distance, 0.1)
    return Site(buffers, sight, is_paint, pixels_per_m, depth, tuple(runs), frame_scale)


def _visible_runs(points: np.ndarray, canvas: Canvas, lookup: np.ndarray) -> list[np.ndarray]:
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    steps = np.arange(0, lengths[-1], _LINE_STEP_M)
    dense = np.stack([np.interp(steps, lengths, column) for column in points.T], axis=1)
    at = np.round(canvas.to_pixels(dense) / 2).astype(int)
    inside = (at >= 0).all(axis=1) & (at[:, 0] < lookup.shape[1]) & (at[:, 1] < lookup.shape[0])
    is_visible = np.zeros(len(dense), bool)
    is_visible[inside] = lookup[at[inside, 1], at[inside, 0]] > 0
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_visible.view(np.int8), [0]])))
    return [dense[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= 5]


def place_damages(
    kinds: Sequence[str], site: Site, paint_albedo: np.ndarray, shader: Shader, rng: np.random.Generator
) -> Effects:
    """Place damages.

    Args:
        kinds: damage class of each, from DAMAGE_CLASSES.
        site: where they can be; it holds every damage.
        paint_albedo: float (3,), linear RGB of the paint.
        shader: shows what a bent normal does to the paint.
        rng: consumed.

    Returns:
        The effects, with each kind's mask non-empty.
    """
    effects = Effects(site.buffers.normal.copy())
    for kind in kinds:
        if kind == "scratch":
            _place_scratch(site, effects, paint_albedo, rng)
        elif kind == "dent":
            _place_dent(site, effects, shader, rng)
        else:
            _place_spacing(site, effects, rng)
    return effects


def _pick_pixel(site: Site, min_depth_px: float, rng: np.random.Generator) -> tuple[int, int]:
    """A painted pixel, (x, y), at least min_depth_px from the paint's border where there is one."""
    rows, columns = np.nonzero(site.depth_px >= min(min_depth_px, float(site.depth_px.max())))
    chosen = int(rng.integers(len(rows)))
    return int(columns[chosen]), int(rows[chosen])


def _place_scratch(site: Site, effects: Effects, paint_albedo: np.ndarray, rng: np.random.Generator) -> None:
    brightness = float(paint_albedo.mean())
    light_colours = ([0.62, 0.62, 0.60], [0.45, 0.45, 0.44], [0.34, 0.35, 0.37], [0.75, 0.74, 0.72])
    dark_colours = ([0.03, 0.03, 0.03], [0.09, 0.085, 0.08], [0.13, 0.06, 0.035], [0.06, 0.06, 0.07])
    colours = dark_colours if brightness > 0.42 else light_colours
    albedo = np.array(colours[int(rng.integers(len(colours)))], np.float32)
    for _ in range(_TRIES):
        x, y = _pick_pixel(site, 5 * site.frame_scale, rng)
        scale = float(site.pixels_per_m[y, x])
        alpha, core = _draw_scratch((x, y), scale, site, rng)
        visible = core & site.is_paint
        if np.count_nonzero(visible) >= 26 * site.frame_scale:
            break
    else:
        x, y = _pick_pixel(site, 1e9, rng)
        core = np.zeros(site.is_paint.shape, np.uint8)
        reach = max(round(0.6 * float(site.depth_px.max())), 4)
        cv2.line(core, (x - reach, y - reach // 3), (x + reach, y + reach // 3), 1, 2)
        visible = core.astype(bool) & site.is_paint
        alpha = visible.astype(np.float32)
    alpha = alpha * site.is_paint
    # one flank catches light, the other lies in its own shade
    flank = np.clip(alpha - np.roll(alpha, (1, 1), (0, 1)), -1, 1)
    tone = (albedo[None, None] * (1 + 0.5 * flank[..., None])).astype(np.float32)
    stronger = alpha > effects.scratch
    np.copyto(effects.scratch_albedo, tone, where=stronger[..., None])
    np.maximum(effects.scratch, alpha, out=effects.scratch)
    effects.masks[0] |= visible


def _draw_scratch(
    centre: tuple[int, int], pixels_per_m: float, site: Site, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one scratch or a bundle: opacity, float32 (h, w), and the pixels it covers, bool (h, w)."""
    height, width = site.is_paint.shape
    strands = 1 if rng.random() < 0.5 else int(rng.integers(2, 7))
    length = float(np.clip(np.exp(rng.normal(-1.3, 0.6)), 0.07, 0.9)) * pixels_per_m
    length = float(np.clip(length, 26 * site.frame_scale, 300 * site.frame_scale))
    angle = rng.normal(0, 0.45) if rng.random() < 0.7 else rng.uniform(0, np.pi)
    bend, wobble = rng.normal(0, 0.25), rng.uniform(0.0, 0.02)
    spread = rng.uniform(0.01, 0.05) * pixels_per_m
    pad = int(length * 0.7 + spread * 3 + 10)
    x0, y0 = max(centre[0] - pad, 0), max(centre[1] - pad, 0)
    x1, y1 = min(centre[0] + pad, width), min(centre[1] + pad, height)
    fine = np.zeros(((y1 - y0) * _SUPERSAMPLING, (x1 - x0) * _SUPERSAMPLING), np.uint8)
    thin = np.zeros((y1 - y0, x1 - x0), np.uint8)
    widest = float(np.clip(rng.uniform(0.0012, 0.006) * pixels_per_m, 1.1 * site.frame_scale, 6 * site.frame_scale))
    for strand in range(strands):
        t = np.linspace(-0.5, 0.5, 40)
        own = length * (1 if strand == 0 else rng.uniform(0.3, 1.0))
        along = t * own + (0 if strand == 0 else rng.normal(0, length * 0.15))
        across = (
            bend * own * (t**2 - 0.08)
            + np.cumsum(rng.normal(0, wobble * own / 6, 40))
            + (0 if strand == 0 else rng.normal(0, spread))
        )
        x = centre[0] + along * np.cos(angle) - across * np.sin(angle) - x0
        y = centre[1] + along * np.sin(angle) + across * np.cos(angle) - y0
        strength = rng.uniform(0.75, 1.0) if strand == 0 else rng.uniform(0.5, 1.0)
        base = widest * (1 if strand == 0 else rng.uniform(0.4, 0.9))
        # contact comes and goes unevenly along the way
        contact = np.interp(t, np.linspace(-0.5, 0.5, 12), rng.normal(0, 1, 12)) > rng.uniform(-2.6, -0.5)
        taper = np.clip(np.minimum(t + 0.5, 0.5 - t) * 8, 0.3, 1) * rng.uniform(0.75, 1.15, 40)
        for step in range(39):
            if not contact[step]:
                continue
            thickness = max(round(base * taper[step] * _SUPERSAMPLING), _SUPERSAMPLING)
            start = (int((x[step] + 0.5) * _SUPERSAMPLING), int((y[step] + 0.5) * _SUPERSAMPLING))
            end = (int((x[step + 1] + 0.5) * _SUPERSAMPLING), int((y[step + 1] + 0.5) * _SUPERSAMPLING))
            cv2.line(fine, start, end, int(255 * strength), thickness)
            cv2.line(
                thin, (round(x[step]), round(y[step])), (round(x[step + 1]), round(y[step + 1])), int(255 * strength), 1
            )
    cover = cv2.resize(fine, thin.shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    # a thin scratch must not vanish between pixels: its middle line is always covered
    middle = thin.astype(np.float32) / 255
    cover = np.maximum(cover, middle * 0.8)
    alpha, core = np.zeros((height, width), np.float32), np.zeros((height, width), bool)
    alpha[y0:y1, x0:x1] = cover
    core[y0:y1, x0:x1] = cover >= 0.38
    return alpha, core


def _place_dent(site: Site, effects: Effects, shader: Shader, rng: np.random.Generator) -> None:
    position = site.buffers.position
    radius_m = float(np.exp(rng.normal(-2.2, 0.45)))
    stretch, turn, slope = rng.uniform(0.55, 1.0), rng.uniform(0, np.pi), rng.uniform(0.2, 0.5)
    second = rng.normal(0, 0.35, 2).astype(np.float32)
    x, y = _pick_pixel(site, 11 * site.frame_scale, rng)
    for _ in range(_TRIES):
        scale = float(site.pixels_per_m[y, x])
        if site.depth_px[y, x] > 0.62 * np.clip(radius_m * scale, 13 * site.frame_scale, 70 * site.frame_scale):
            break
        x, y = _pick_pixel(site, 11 * site.frame_scale, rng)
    radius_px = float(np.clip(radius_m * scale, 15 * site.frame_scale, 70 * site.frame_scale))
    radius_m = radius_px / scale
    centre, normal = position[y, x], site.buffers.normal[y, x]
    side = np.cross(normal, [0.0, 0.0, 1.0]).astype(np.float32)
    side /= max(float(np.linalg.norm(side)), 1e-6)
    up = np.cross(side, normal)
    axis_a = (np.cos(turn) * side + np.sin(turn) * up).astype(np.float32)
    axis_b = (np.cos(turn) * up - np.sin(turn) * side).astype(np.float32)
    pad = int(radius_px * 1.5) + 4
    window = np.s_[max(y - pad, 0) : y + pad + 1, max(x - pad, 0) : x + pad + 1]
    away = position[window] - centre
    a, b = (away @ axis_a) / radius_m, (away @ axis_b) / (radius_m * stretch)
    bowl = np.clip(1 - a**2 - b**2, 0, 1)
    # a second, smaller hollow inside makes the outline of the reflection uneven
    a2, b2 = (a - 0.35 * second[0]) / 0.55, (b - 0.35 * second[1]) / 0.55
    bowl2 = np.clip(1 - a2**2 - b2**2, 0, 1) * (bowl > 0)
    # slopes of the height -bowl^3, so that slope and curvature end at the border
    gradient_a = 6 * bowl**2 * a + 2.4 * bowl2**2 * a2
    gradient_b = (6 * bowl**2 * b + 2.4 * bowl2**2 * b2) / stretch
    is_inside = (bowl > 0.16) & site.is_paint[window]
    flat = effects.normal[window]
    before = shader(position[window], flat)
    for _ in range(6):
        bent = flat - (slope / 1.7) * (gradient_a[..., None] * axis_a + gradient_b[..., None] * axis_b)
        bent = (bent / np.sqrt((bent**2).sum(axis=-1, keepdims=True)).clip(1e-6)).astype(np.float32)
        changed = np.abs(np.sqrt(shader(position[window], bent)) - np.sqrt(before)).mean(axis=-1)
        if float(changed[is_inside].mean()) > 0.032:
            break
        slope = min(slope * 1.3, 1.0)
    keep = (site.buffers.coverage[window] > 0) & (bowl > 0)
    effects.normal[window] = np.where(keep[..., None], bent, flat).astype(np.float32)
    effects.masks[1][window] |= is_inside


def _place_spacing(site: Site, effects: Effects, rng: np.random.Generator) -> None:
    weights = np.array([len(run) for _, run in site.line_runs], float)
    weights[weights < 0.5 * min(weights.max(), 40)] = 0
    best: tuple[int, tuple[np.ndarray, np.ndarray, np.ndarray]] | None = None
    for _ in range(_TRIES):
        zone, run = site.line_runs[int(rng.choice(len(weights), p=weights / weights.sum()))]
        gap, edge, mask = _draw_gap(site, zone, run, rng)
        found = int(np.count_nonzero(mask))
        if best is None or found > best[0]:
            best = (found, (gap, edge, mask))
        if found >= 60 * site.frame_scale**2:
            break
    gap, edge, mask = best[1]
    np.maximum(effects.gap, gap, out=effects.gap)
    effects.edge += edge
    effects.masks[2] |= mask


def _draw_gap(
    site: Site, zone: str, run: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Widen a stretch of a panel line: opacity of the gap, brightening of its edge, and the mask; each (h, w)."""
    sight = site.sight.zones[zone]
    scale = min(sight.canvas.scale) / 1.4  # photo pixels per metre on this zone
    count = min(
        len(run), max(int(rng.uniform(0.22, 0.8) / _LINE_STEP_M), int(40 * site.frame_scale / scale / _LINE_STEP_M))
    )
    start = int(rng.integers(len(run) - count + 1))
    middle = run[start : start + count]
    t = np.linspace(0, 1, count)
    shape = (
        np.sin(np.pi * t) ** 0.55 if rng.random() < 0.5 else np.clip(t if rng.random() < 0.5 else 1 - t, 0, 1) ** 0.7
    )
    shape = shape * np.clip(np.minimum(t, 1 - t) * 12, 0, 1)
    widest = max(rng.uniform(0.012, 0.028), rng.uniform(3.4, 5.0) * site.frame_scale / scale)
    lip = max(rng.uniform(0.006, 0.012), 1.5 * site.frame_scale / scale)
    tangent = np.gradient(middle, axis=0)
    kernel = np.ones(9) / 9
    tangent = np.stack(
        [np.convolve(np.pad(column, 4, mode="edge"), kernel, mode="valid") for column in tangent.T], axis=1
    )
    sideways = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1) / np.maximum(
        np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9
    )
    sideways *= 1.0 if rng.random() < 0.5 else -1.0
    wide = (widest * shape)[:, None] * sideways
    outer, inner = middle + wide * 0.8, middle - wide * 0.2
    gap_canvas, lip_canvas = np.zeros(sight.canvas.size_hw, np.uint8), np.zeros(sight.canvas.size_hw, np.uint8)
    beyond = outer + sideways * lip * np.clip(shape, 0, 1)[:, None]
    sight.canvas.draw(lip_canvas, np.concatenate([outer, beyond[::-1]]), 255)
    sight.canvas.draw(gap_canvas, np.concatenate([outer, inner[::-1]]), 255)
    free = site.is_paint.astype(np.float32)
    gap = sight.look_through(gap_canvas).astype(np.float32) / 255 * free
    edge = sight.look_through(lip_canvas).astype(np.float32) / 255 * free * (1 - gap)
    mask = (np.maximum(gap, edge) >= 0.5) & site.is_paint
    return gap, edge * np.float32(rng.choice([-0.55, 0.7, 0.9])), mask
