"""Spacing: panels that stand apart, a dark gap along what was a thin panel line."""

import cv2
import numpy as np

from models.renderer.effects import Effects, Proposal
from models.renderer.site import LINE_STEP_M, Site

_MOST_TURN_RAD = 0.6


def propose_gap(site: Site, level: int, rng: np.random.Generator) -> Proposal | None:
    """Widen a stretch of a panel line.

    Args:
        site: where; it has at least one visible line.
        level: 0 as it comes; wider from 1 on.
        rng: consumed.

    Returns:
        The proposal; None where too little of it shows.
    """
    weights = np.array([len(run) for _, run in site.line_runs], float)
    weights[weights < 0.5 * min(weights.max(), 40)] = 0
    zone, run = site.line_runs[int(rng.choice(len(weights), p=weights / weights.sum()))]
    sight = site.sight.zones[zone]
    frame_scale = site.frame_scale
    scale = min(sight.canvas.scale) / 1.4  # photo pixels per metre on this zone
    count = min(len(run), max(int(rng.uniform(0.2, 0.8) / LINE_STEP_M), int(45 * frame_scale / scale / LINE_STEP_M)))
    start = int(rng.integers(len(run) - count + 1))
    middle = _straight_part(run[start : start + count])
    count = len(middle)
    if count * LINE_STEP_M * scale < 30 * frame_scale:
        return None
    widest = max(rng.uniform(0.012, 0.026), rng.uniform(7.0, 11.0) * frame_scale / scale) * (1 + 0.3 * level)
    shape = _shape(count, rng)
    lip = max(rng.uniform(0.004, 0.009), 1.5 * frame_scale / scale)
    sideways = _sideways(middle) * (1.0 if rng.random() < 0.5 else -1.0)
    wide = (widest * shape)[:, None] * sideways
    outer, inner = middle + wide * 0.8, middle - wide * 0.2
    beyond = outer + sideways * lip * (shape > 0.3)[:, None]
    gap_canvas, lip_canvas = np.zeros(sight.canvas.size_hw, np.uint8), np.zeros(sight.canvas.size_hw, np.uint8)
    sight.canvas.draw(lip_canvas, np.concatenate([outer, beyond[::-1]]), 255)
    sight.canvas.draw(gap_canvas, np.concatenate([outer, inner[::-1]]), 255)
    gap = sight.look_through(gap_canvas)
    edge = sight.look_through(lip_canvas)
    rows = np.flatnonzero(gap.any(axis=1) | edge.any(axis=1))
    columns = np.flatnonzero(gap.any(axis=0) | edge.any(axis=0))
    tone = float(rng.choice([-0.5, 0.5, 0.8]))
    if len(rows) == 0:
        return None
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    free = site.is_paint[window].astype(np.float32)
    effects = Effects.none(free.shape)
    effects.gap[:] = gap[window].astype(np.float32) / 255 * free
    effects.edge[:] = np.float32(tone) * edge[window].astype(np.float32) / 255 * free * (1 - effects.gap)
    area = effects.gap >= 0.5
    if not area.any() or _width_px(area) < 5 * frame_scale:
        return None
    return Proposal(window, effects, area)


def _shape(count: int, rng: np.random.Generator) -> np.ndarray:
    """Width along the gap, as a share of the widest: even, swollen or tapered, with short ends."""
    t = np.linspace(0, 1, count)
    kind, is_turned, least = rng.random(), rng.random() < 0.5, rng.uniform(0.5, 0.8)
    if kind < 0.4:
        shape = np.ones(count)
    elif kind < 0.7:
        shape = least + (1 - least) * np.sin(np.pi * t)
    else:
        shape = least + (1 - least) * (1 - t if is_turned else t)
    return shape * np.clip(np.minimum(t, 1 - t) * 25, 0, 1) ** 0.5


def _straight_part(middle: np.ndarray) -> np.ndarray:
    """The stretch about the line's middle before it turns a corner: a panel does not stand off around one."""
    step = np.diff(middle, axis=0)
    heading = np.unwrap(np.arctan2(step[:, 1], step[:, 0]))
    half = len(heading) // 2
    bent = np.abs(heading - heading[half]) > _MOST_TURN_RAD
    before, after = np.flatnonzero(bent[:half]), np.flatnonzero(bent[half:])
    return middle[before[-1] + 1 if len(before) else 0 : half + after[0] + 1 if len(after) else len(middle)]


def _sideways(middle: np.ndarray) -> np.ndarray:
    """Unit vectors across a line: float64 (R, 2)."""
    tangent = np.gradient(middle, axis=0)
    kernel = np.ones(9) / 9
    tangent = np.stack(
        [np.convolve(np.pad(column, 4, mode="edge"), kernel, mode="valid") for column in tangent.T], axis=1
    )
    across = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    return across / np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)


def _width_px(area: np.ndarray) -> float:
    """Typical width of a band: from the upper depth of its pixels."""
    depth = cv2.distanceTransform(np.pad(area.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    return 2 * float(np.percentile(depth[area], 92)) - 1  # depth counts from the neighbour's middle
