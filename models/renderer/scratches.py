"""Scratches: single ones, bundles and scuffs, from the clear coat down to the metal, or another car's paint."""

from dataclasses import dataclass

import cv2
import numpy as np

from models.renderer.effects import Effects, Proposal
from models.renderer.site import Site

_FINE = 2  # supersampling
_STEPS = 48
_FOREIGN_PAINTS = ((0.75, 0.74, 0.72), (0.02, 0.02, 0.022), (0.5, 0.03, 0.025), (0.04, 0.1, 0.35), (0.7, 0.5, 0.05))


@dataclass(frozen=True)
class _Wear:
    """What a scratch lays bare.

    Attributes:
        albedo: linear RGB.
        gloss: share of mirrored light.
        opacity: of the core.
    """

    albedo: tuple[float, float, float]
    gloss: float
    opacity: float


def _sample_wear(paint_albedo: np.ndarray, level: int, rng: np.random.Generator) -> _Wear:
    """Depth and colour; at a higher level, what stands out more from the paint."""
    is_light = float(paint_albedo.mean()) > 0.30
    if level > 0:
        albedo = (0.03, 0.028, 0.026) if is_light else (0.80, 0.79, 0.77)
        return _Wear(albedo, 0.0, 0.97)
    kind = rng.random()
    if kind < 0.22:  # clear coat: crazed lacquer looks whitish
        return _Wear((0.62, 0.62, 0.62), 0.04, rng.uniform(0.5, 0.75))
    if kind < 0.55:  # primer
        grey = rng.uniform(0.10, 0.24) if is_light else rng.uniform(0.45, 0.78)
        return _Wear((grey, grey * 0.99, grey * 0.96), 0.02, rng.uniform(0.85, 1.0))
    if kind < 0.78:  # metal, sometimes rusty
        if rng.random() < 0.25:
            return _Wear((0.16, 0.065, 0.03), 0.02, 0.95)
        grey = rng.uniform(0.05, 0.12) if is_light else rng.uniform(0.3, 0.5)
        return _Wear((grey, grey, grey * 1.03), 0.30, 0.95)
    foreign = _FOREIGN_PAINTS[int(rng.integers(len(_FOREIGN_PAINTS)))]
    return _Wear(foreign, 0.03, rng.uniform(0.75, 0.95))


@dataclass(frozen=True)
class _Strand:
    """One stroke: float64 (S, 2) points, (x, y) pixels; float64 (S,) half widths, 0 where contact was lost."""

    points: np.ndarray
    half_widths: np.ndarray
    strength: float


def propose_scratch(
    site: Site, paint_albedo: np.ndarray, level: int, rng: np.random.Generator, *, inside: np.ndarray | None = None
) -> Proposal | None:
    """Draw a scratch somewhere on the paint.

    Args:
        site: where.
        paint_albedo: float (3,), linear RGB of the paint.
        level: 0 as it comes; from 1 on bolder and wider.
        rng: consumed.
        inside: bool (h, w), where its middle should lie; None = anywhere.

    Returns:
        The proposal; None where there was no room for it.
    """
    scale = site.frame_scale
    x, y = site.pick_pixel(7 * scale, rng)
    if inside is not None and inside.any():
        rows, columns = np.nonzero(inside)
        chosen = int(rng.integers(len(rows)))
        x, y = int(columns[chosen]), int(rows[chosen])
    wear = _sample_wear(paint_albedo, level, rng)
    kind = rng.random()
    length = float(np.clip(np.exp(rng.normal(-1.15, 0.6)) * site.pixels_per_m[y, x], 42 * scale, 330 * scale))
    angle = rng.normal(0, 0.45) if rng.random() < 0.7 else rng.uniform(0, np.pi)
    bolder = 1.0 + 0.35 * level
    if kind < 0.5:
        strands, haze = _single(length, angle, bolder * scale, rng), 0.0
    elif kind < 0.75:
        strands, haze = _bundle(length, angle, bolder * scale, rng), 0.0
    else:
        strands, haze = _scuff(min(length, 200 * scale), angle, bolder * scale, rng), rng.uniform(0.25, 0.55)
    return _lay_down(site, (x, y), strands, haze, wear, rng)


def _path(length: float, angle: float, bend: float, wobble: float, rng: np.random.Generator) -> np.ndarray:
    t = np.linspace(-0.5, 0.5, _STEPS)
    across = bend * length * (t**2 - 0.08) + np.cumsum(rng.normal(0, wobble, _STEPS))
    along = t * length
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([along * cos - across * sin, along * sin + across * cos], axis=1)


def _profile(base: float, rng: np.random.Generator, *, broken: float) -> np.ndarray:
    """Half widths along a stroke: tapered ends, uneven pressure, contact that is lost now and then."""
    t = np.linspace(0, 1, _STEPS)
    taper = np.clip(np.minimum(t, 1 - t) * 14, 0.6, 1)
    pressure = np.interp(t, np.linspace(0, 1, 9), rng.uniform(0.8, 1.2, 9))
    half = 0.5 * base * taper * pressure
    lost = np.interp(t, np.linspace(0, 1, 13), rng.random(13)) < broken
    return np.where(lost, 0, half)


def _single(length: float, angle: float, scale: float, rng: np.random.Generator) -> list[_Strand]:
    width = float(np.clip(rng.lognormal(1.6, 0.3), 3.6, 9.0)) * scale
    path = _path(length, angle, rng.normal(0, 0.22), rng.uniform(0, 0.25) * scale, rng)
    return [_Strand(path, _profile(width, rng, broken=rng.choice([0.0, 0.0, 0.12])), 1.0)]


def _bundle(length: float, angle: float, scale: float, rng: np.random.Generator) -> list[_Strand]:
    count, bend = int(rng.integers(3, 8)), rng.normal(0, 0.2)
    pitch = rng.uniform(3.5, 6.5) * scale
    normal = np.array([-np.sin(angle), np.cos(angle)])
    along = np.array([np.cos(angle), np.sin(angle)])
    strands = []
    for number in range(count):
        own = length * rng.uniform(0.6, 1.0)
        offset = (number - (count - 1) / 2) * pitch * rng.uniform(0.85, 1.15)
        shift = rng.uniform(-0.3, 0.3) * (length - own)
        path = _path(own, angle + rng.normal(0, 0.012), bend, 0.08 * scale, rng) + offset * normal + shift * along
        width = rng.uniform(1.8, 4.0) * scale
        strands.append(_Strand(path, _profile(width, rng, broken=0.05), rng.uniform(0.75, 1.0)))
    return strands


def _scuff(length: float, angle: float, scale: float, rng: np.random.Generator) -> list[_Strand]:
    length = max(length, 45 * scale)
    breadth = float(np.clip(length * rng.uniform(0.18, 0.5), 14 * scale, 75 * scale))
    count = int(np.clip(breadth / (2.6 * scale), 6, 34))
    normal = np.array([-np.sin(angle), np.cos(angle)])
    along = np.array([np.cos(angle), np.sin(angle)])
    strands = []
    for number in range(count):
        place = (number + rng.uniform(-0.3, 0.3)) / max(count - 1, 1) * 2 - 1
        own = length * max(np.sqrt(max(1 - place**2, 0.05)), 0.35) * rng.uniform(0.75, 1.0)
        shift = rng.uniform(-0.5, 0.5) * (length - own) * 0.5
        path = _path(own, angle + rng.normal(0, 0.015), 0.0, 0.06 * scale, rng)
        width = rng.uniform(1.2, 3.4) * scale
        strands.append(
            _Strand(
                path + place * breadth / 2 * normal + shift * along,
                _profile(width, rng, broken=0.12),
                rng.uniform(0.55, 1.0),
            )
        )
    return strands


def _lay_down(
    site: Site,
    centre: tuple[int, int],
    strands: list[_Strand],
    haze: float,
    wear: _Wear,
    rng: np.random.Generator,
) -> Proposal | None:
    height, width = site.is_paint.shape
    everything = np.concatenate([strand.points for strand in strands])
    widest = max(float(strand.half_widths.max()) for strand in strands)
    pad = widest + 6 * site.frame_scale + 4
    low = np.floor(everything.min(axis=0) + centre - pad).astype(int)
    high = np.ceil(everything.max(axis=0) + centre + pad).astype(int) + 1
    x0, y0, x1, y1 = max(low[0], 0), max(low[1], 0), min(high[0], width), min(high[1], height)
    if x1 - x0 < 4 or y1 - y0 < 4:
        return None
    window = np.s_[y0:y1, x0:x1]
    paint = site.is_paint[window]
    fine = tuple(np.zeros(((y1 - y0) * _FINE, (x1 - x0) * _FINE), np.uint8) for _ in range(3))
    origin = np.array(centre) - (x0, y0)
    for strand in strands:
        _draw_strand(fine, strand, origin)
    cover, core, flank = (
        cv2.resize(layer, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA).astype(np.float32) / 255 for layer in fine
    )
    band = _band(cover >= 0.35, site.frame_scale) & paint
    if haze:  # the rubbed ground between the strands
        soft = cv2.GaussianBlur(band.astype(np.float32), (0, 0), 0.8)
        grain = rng.uniform(0.75, 1.15, band.shape).astype(np.float32)
        cover = np.maximum(cover, np.float32(haze) * soft * grain)
    alpha = np.clip(cover * np.float32(wear.opacity), 0, 1) * paint
    tone = 1 - np.float32(0.6) * core + np.float32(0.45) * flank
    effects = Effects.none(alpha.shape)
    effects.scratch[:] = alpha
    effects.scratch_albedo[:] = np.array(wear.albedo, np.float32) * tone[..., None]
    effects.scratch_gloss[:] = np.float32(wear.gloss) * (1 - core)
    return Proposal(window, effects, band)


def _draw_strand(layers: tuple[np.ndarray, np.ndarray, np.ndarray], strand: _Strand, origin: np.ndarray) -> None:
    """Draw a stroke's body, its dark core and its lit flank."""
    points = strand.points + origin + 0.5
    tangent = np.gradient(points, axis=0)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1) / np.maximum(
        np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9
    )
    if normal[:, 1].sum() < 0:
        normal = -normal  # towards the lower side: the flank that faces the sky
    touching = np.flatnonzero(np.diff(np.concatenate([[0], (strand.half_widths > 0).astype(np.int8), [0]])))
    for start, end in zip(touching[::2], touching[1::2], strict=True):
        if end - start < 2:
            continue
        p, n, half = points[start:end], normal[start:end], strand.half_widths[start:end, None]
        for layer, inner, outer, value in ((0, -1, 1, 1.0), (1, -0.55, 0.1, 1.0), (2, 0.35, 0.95, 1.0)):
            if layer and half.max() < 1.1:
                continue
            ribbon = np.concatenate([p + n * half * outer, (p + n * half * inner)[::-1]]) * _FINE - 0.5
            fixed = np.round(ribbon * 16).astype(np.int32)
            cv2.fillPoly(layers[layer], [fixed], 255 * value * strand.strength, cv2.LINE_AA, 4)


def _band(cover: np.ndarray, frame_scale: float) -> np.ndarray:
    """What an annotator outlines: strands closed together, no thinner than four pixels at 480 x 640."""
    reach = max(round(4.5 * frame_scale), 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    padded = np.pad(cover.astype(np.uint8), reach + 1)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disc)
    least = max(round(4 * frame_scale), 1)
    thin = closed & ~cv2.dilate(cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((least, least), np.uint8)), None)
    closed |= cv2.dilate(thin, np.ones((3, 3), np.uint8))
    return closed[reach + 1 : -reach - 1, reach + 1 : -reach - 1].astype(bool)
