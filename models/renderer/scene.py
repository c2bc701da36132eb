"""The picture without the car: ground with texture and shadow, a wall behind, the panorama above."""

import cv2
import numpy as np

from models.renderer.car import Vehicle
from models.renderer.pixels import blend, dot, spread, tint
from models.renderer.raster import PinholeCamera
from models.renderer.surroundings import Surroundings, noise_field

_TILE_PX = 512
_TILE_M = 6.0


def paint_background(
    camera: PinholeCamera, surroundings: Surroundings, vehicle: Vehicle, rng: np.random.Generator
) -> np.ndarray:
    """Paint everything that is not the car.

    Args:
        camera: who looks.
        surroundings: panorama, light and ground colour.
        vehicle: throws the shadow.
        rng: consumed.

    Returns:
        float32 (H, W, 3), linear RGB.
    """
    rays = camera.rays()
    rays /= spread(np.sqrt(dot(rays, rays)))
    image = surroundings.look_up(rays)
    tile = _ground_tile(rng)
    stripes = _stripes(rng, surroundings)
    falls = rays[..., 2] < -0.004
    _paint_ground(image, rays, falls, camera, surroundings, vehicle, tile, stripes)
    wall_distance = rng.uniform(0.3, 2.5) + max(vehicle.half_length_m, 2.0) * 0.9
    wall_turn = rng.normal(0, 0.08)
    if surroundings.place == "wall" or (surroundings.place == "garage" and rng.random() < 0.6):
        _paint_wall(image, rays, camera, surroundings, wall_distance, wall_turn, _wall_tile(rng))
    return image


def _ground_tile(rng: np.random.Generator) -> np.ndarray:
    """Texture of the ground, float32 (T, T), about 1."""
    size = (_TILE_PX, _TILE_PX)
    grain = cv2.GaussianBlur(rng.standard_normal(size, np.float32), (0, 0), 0.8) * np.float32(rng.uniform(0.1, 0.35))
    tile = 1 + grain + noise_field(rng, size, 5, 4) * np.float32(rng.uniform(0.05, 0.22))
    kind = rng.random()
    if kind < 0.25:  # slabs or paving
        step = int(rng.choice([32, 64, 128]))
        tile[::step] *= 0.55
        tile[:, ::step] *= 0.55
    elif kind < 0.5:  # cracks and tar seams
        for _ in range(int(rng.integers(1, 4))):
            path = np.cumsum(rng.normal(0, 14, (40, 2)) + rng.normal(0, 10, 2), axis=0) + rng.uniform(0, _TILE_PX, 2)
            cv2.polylines(tile, [path.astype(np.int32)], False, 0.5, int(rng.integers(1, 4)))
    return np.clip(tile, 0.2, 2.0)


def _stripes(rng: np.random.Generator, surroundings: Surroundings) -> tuple[float, float, float, bool, float]:
    """Parking stripes: spacing, offset and angle, whether there are any, brightness."""
    has_any = surroundings.place in ("car_park", "garage") and rng.random() < 0.75
    return rng.uniform(2.5, 3.2), rng.uniform(-0.3, 0.3), rng.normal(0, 0.06), bool(has_any), rng.uniform(0.35, 0.7)


def _paint_ground(image, rays, falls, camera, surroundings, vehicle, tile, stripes) -> None:
    rows = np.flatnonzero(falls.any(axis=1))
    if len(rows) == 0:
        return
    first = int(rows[0])
    part = rays[first:]
    ray_x, ray_y, ray_z = cv2.split(part)
    distance = np.float32(camera.position[2]) / np.maximum(-ray_z, 0.004)
    x = np.float32(camera.position[0]) + ray_x * distance
    y = np.float32(camera.position[1]) + ray_y * distance
    pixels_per_m = np.float32(_TILE_PX / _TILE_M)
    texture = cv2.remap(tile, x * pixels_per_m, y * pixels_per_m, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    fade = np.clip(9.0 / np.maximum(distance, 1e-3), 0, 1)
    texture = 1 + (texture - 1) * fade
    light = _ground_light(x, y, surroundings, vehicle)
    ground = tint(spread(texture), surroundings.ground_colour)
    spacing, offset, angle, has_stripes, brightness = stripes
    if has_stripes:
        across = (y + x * np.float32(angle) + np.float32(spacing / 2 + offset)) % np.float32(spacing)
        soft = np.float32(0.0025) * distance + np.float32(0.004)
        stripe = np.clip((0.06 - np.abs(across - 0.06)) / soft + 0.5, 0, 1) * (np.abs(x) < 2.9) * fade
        blend(ground, np.full_like(ground, brightness), stripe * np.clip(texture * np.float32(1.1), 0, 1))
    ground *= light
    # far ground melts into the panorama's own
    opacity = (1 - np.clip((distance - 12) / 50, 0, 1)) * falls[first:]
    blend(image[first:], ground, opacity)


def _ground_light(x: np.ndarray, y: np.ndarray, surroundings: Surroundings, vehicle: Vehicle) -> np.ndarray:
    """Light on the ground with the car's soft and hard shadow; float32 (h, w, 3)."""
    small_x, small_y = (np.ascontiguousarray(a[::2, ::2]) for a in (x, y))
    half_x, half_y = np.float32(vehicle.half_length_m * 0.93), np.float32(vehicle.half_width_m * 0.92)

    def outside_m(at_x, at_y):
        dx, dy = np.abs(at_x) - half_x + 0.25, np.abs(at_y) - half_y + 0.25
        return np.sqrt(np.maximum(dx, 0) ** 2 + np.maximum(dy, 0) ** 2) + np.minimum(np.maximum(dx, dy), 0) - 0.25

    under = outside_m(small_x, small_y)
    ambient = (
        1 - 0.93 / (1 + np.exp(np.clip((under - 0.02) / 0.16, -30, 30))) - 0.22 * np.exp(-np.clip(under, 0, None) / 0.5)
    )
    sun = surroundings.sun_direction
    shadow = np.zeros_like(under)
    for height in (0.25, 0.6, 0.95, 1.3):
        shift = height / max(sun[2], 0.2)
        shrink = 0.25 if height > 1 else 0.0
        shadow = np.maximum(
            shadow, np.clip(0.5 - (outside_m(small_x + sun[0] * shift, small_y + sun[1] * shift) + shrink) / 0.18, 0, 1)
        )
    shadow = np.maximum(shadow, np.clip(0.5 - under / 0.2, 0, 1))
    light = tint(spread(np.clip(ambient, 0.04, 1).astype(np.float32)), surroundings.sky_light)
    light += tint(spread((1 - shadow).astype(np.float32)), surroundings.sun_colour * sun[2])
    return cv2.resize(light, x.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _wall_tile(rng: np.random.Generator) -> np.ndarray:
    """Texture of a wall, float32 (T, T, 3), linear RGB; one tile is _TILE_M wide."""
    size = (_TILE_PX, _TILE_PX)
    tint = np.array(
        [[0.5, 0.48, 0.44], [0.28, 0.12, 0.08], [0.30, 0.31, 0.31], [0.62, 0.60, 0.55], [0.20, 0.25, 0.30]]
    )[rng.integers(5)]
    grey = (
        1
        + noise_field(rng, size, 4, 4) * np.float32(rng.uniform(0.05, 0.2))
        + rng.standard_normal(size, np.float32) * 0.04
    )
    kind = rng.random()
    if kind < 0.4:  # bricks
        high, wide = 7, 20
        shade = rng.uniform(0.75, 1.2, (_TILE_PX // high + 1, _TILE_PX // wide + 2)).astype(np.float32)
        row = np.arange(_TILE_PX) // high
        column = (np.arange(_TILE_PX)[None] + (row % 2)[:, None] * (wide // 2)) // wide
        grey *= shade[row[:, None], column]
        grey[np.arange(_TILE_PX) % high == 0] = 1.25
        grey[(np.arange(_TILE_PX)[None] + (row % 2)[:, None] * (wide // 2)) % wide == 0] = 1.25
    elif kind < 0.65:  # corrugated or shutter
        wave = 1 + 0.22 * np.sin(np.arange(_TILE_PX, dtype=np.float32) * np.float32(2 * np.pi / 16))
        grey *= wave[:, None] if rng.random() < 0.5 else wave[None]
    elif kind < 0.85:  # concrete panels
        grey[:, ::128] *= 0.6
        grey[::170] *= 0.6
    return np.clip(grey, 0.1, 2)[..., None] * tint.astype(np.float32) * np.float32(rng.uniform(0.5, 1.2))


def _paint_wall(image, rays, camera, surroundings, distance_m: float, turn_rad: float, tile: np.ndarray) -> None:
    """A wall behind the car, facing the camera."""
    away = -camera.position[:2] / np.linalg.norm(camera.position[:2])
    cos, sin = np.cos(turn_rad), np.sin(turn_rad)
    normal = np.array([cos * away[0] - sin * away[1], sin * away[0] + cos * away[1]], np.float32)
    ray_x, ray_y, ray_z = cv2.split(rays)
    approach = ray_x * normal[0] + ray_y * normal[1]
    gap = np.float32(distance_m - camera.position[:2] @ normal)
    reach = gap / np.maximum(approach, 1e-3)
    z = np.float32(camera.position[2]) + ray_z * reach
    along = (
        np.float32(camera.position[:2] @ np.array([-normal[1], normal[0]]))
        + (ray_y * normal[0] - ray_x * normal[1]) * reach
    )
    is_wall = (approach > 1e-3) & (z > 0) & (z < 6.0)
    scale = np.float32(_TILE_PX / _TILE_M)
    colour = cv2.remap(tile, along * scale, -z * scale, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    facing = max(float(-(normal @ surroundings.sun_direction[:2])), 0.0)
    low = 0.55 + 0.45 * np.clip(z / 0.8, 0, 1)
    light = surroundings.sky_light * 0.7 + surroundings.sun_colour * facing + surroundings.ground_light * 0.4
    blend(image, tint(colour, light), (low * is_wall).astype(np.float32))
