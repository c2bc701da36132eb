"""Hard shadows that poles, branches and leaves throw on the body."""

import cv2
import numpy as np

from models.renderer.surroundings import Surroundings, noise_field

_TILE_PX = 384
_TILE_M = 4.0


def throw_shadows(position: np.ndarray, surroundings: Surroundings, rng: np.random.Generator) -> np.ndarray:
    """Find which part of the sun reaches the body; damaged and undamaged photos get the same.

    Args:
        position: float32 (h, w, 3), car frame, metres.
        surroundings: the sun; without one nothing is thrown.
        rng: consumed; as much under any sun.

    Returns:
        float32 (h, w), [0, 1].
    """
    kind, turn, offset = rng.random(), rng.uniform(0, 2 * np.pi), rng.uniform(0, _TILE_PX, 2)
    tile = _shadow_tile(kind, rng)
    if kind >= 0.42 or float(surroundings.sun_colour.max()) < 0.12:
        return np.ones(position.shape[:2], np.float32)
    sun = surroundings.sun_direction
    first = np.cross(sun, [np.cos(turn), np.sin(turn), 0.2])
    first = (first / np.linalg.norm(first)).astype(np.float32)
    second = np.cross(sun, first).astype(np.float32)
    pixels_per_m = np.float32(_TILE_PX / _TILE_M)
    map_x = position @ first * pixels_per_m + np.float32(offset[0])
    map_y = position @ second * pixels_per_m + np.float32(offset[1])
    return cv2.remap(tile, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def _shadow_tile(kind: float, rng: np.random.Generator) -> np.ndarray:
    """Sunlight over a plane across the sun: float32 (T, T), [0, 1]."""
    tile = np.ones((_TILE_PX, _TILE_PX), np.float32)
    if kind < 0.14:  # poles and railings
        for _ in range(int(rng.integers(1, 4))):
            at, width = int(rng.integers(_TILE_PX)), int(rng.integers(6, 30))
            tile[:, at : at + width] = 0
    elif kind < 0.28:  # branches
        for _ in range(int(rng.integers(3, 7))):
            _draw_branch(tile, rng.uniform(0, _TILE_PX, 2), rng.uniform(0, 2 * np.pi), rng.uniform(8, 15), 0, rng)
    else:  # leaves
        field = noise_field(rng, (_TILE_PX, _TILE_PX), 14, 3)
        tile = np.clip((field + rng.uniform(-0.2, 0.25)) * 6 + 0.5, 0, 1).astype(np.float32)
    return cv2.GaussianBlur(tile, (0, 0), float(rng.uniform(1.0, 2.2)))


def _draw_branch(
    tile: np.ndarray, start: np.ndarray, angle: float, width: float, depth: int, rng: np.random.Generator
) -> None:
    length = width * rng.uniform(7, 12)
    end = start + length * np.array([np.cos(angle), np.sin(angle)])
    cv2.line(tile, np.round(start).astype(int).tolist(), np.round(end).astype(int).tolist(), 0.0, max(round(width), 1))
    if depth < 3:
        for side in (-1, 1):
            turn = angle + side * rng.uniform(0.25, 0.7)
            _draw_branch(tile, start + (end - start) * rng.uniform(0.5, 1), turn, width * 0.62, depth + 1, rng)
