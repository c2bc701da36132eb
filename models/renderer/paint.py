"""Shading of the body: light that falls on it, what its clear coat mirrors, and the paint between."""

from dataclasses import dataclass

import numpy as np

from models.renderer.car import Vehicle
from models.renderer.pixels import dot, spread, tint
from models.renderer.surroundings import Surroundings


@dataclass(frozen=True)
class Light:
    """Light at surface points.

    Attributes:
        falling: float32 (h, w, 3), linear RGB that a matt white surface would send back.
        mirrored: float32 (h, w, 3), linear RGB that a mirror would show.
        facing: float32 (h, w), cosine between normal and the way to the camera, [0, 1].
    """

    falling: np.ndarray
    mirrored: np.ndarray
    facing: np.ndarray


def light_surface(
    position: np.ndarray,
    normal: np.ndarray,
    camera_position: np.ndarray,
    surroundings: Surroundings,
    sunlit: np.ndarray,
) -> Light:
    """Light a surface.

    Args:
        position: float32 (h, w, 3), car frame, metres.
        normal: float32 (h, w, 3), unit.
        camera_position: float (3,), car frame, metres.
        surroundings: the light.
        sunlit: float32 (h, w), [0, 1], share of the sun that reaches each point.

    Returns:
        Light at every point.
    """
    sun_direction = surroundings.sun_direction
    height, width = position.shape[:2]
    away = (position.reshape(height, -1) - np.tile(camera_position.astype(np.float32), width)).reshape(position.shape)
    away /= spread(np.sqrt(np.maximum(dot(away, away), 1e-9)))
    facing = -dot(away, normal)
    mirror = normal * spread(2 * facing)
    mirror += away
    facing = np.clip(facing, 0, 1)
    rise, z = np.ascontiguousarray(normal[..., 2]), np.ascontiguousarray(position[..., 2])
    upward = (rise + 1) / 2
    # the ground close to the sill lies in the car's own shadow
    shelter = np.clip(0.35 + z * np.float32(0.9), 0.35, 1)
    ambient = 0.6 + 0.4 * shelter
    falling = tint(spread(upward * ambient), surroundings.sky_light)
    falling += tint(spread((1 - upward) * shelter * ambient), surroundings.ground_light)
    falling += tint(spread(np.clip(dot(normal, sun_direction), 0, 1) * sunlit), surroundings.sun_colour)
    mirrored = surroundings.look_up(mirror, is_mirrored=True)
    dimmed = 0.45 + 0.55 * np.clip(z / np.float32(0.9), 0, 1)
    mirrored *= spread(np.where(mirror[..., 2] < 0, dimmed, np.float32(1)))
    highlight = np.clip(dot(mirror, sun_direction), 0, 1) * (sunlit > 0.5)
    rows, columns = np.nonzero(highlight > 0.96)
    mirrored[rows, columns] += (highlight[rows, columns] ** 220)[:, None] * (9 * surroundings.sun_colour)
    return Light(falling, mirrored, facing)


def fresnel(facing: np.ndarray, straight: float) -> np.ndarray:
    """Schlick's share of mirrored light; straight is the share at right angles."""
    slant = 1 - facing
    slant2 = slant * slant
    return straight + (1 - straight) * slant2 * slant2 * slant


def paint_colour(vehicle: Vehicle, light: Light, flakes: np.ndarray) -> np.ndarray:
    """Colour of painted metal under a clear coat.

    Args:
        vehicle: its paint.
        light: at the points.
        flakes: float32 (h, w), noise about 0, for metallic paint.

    Returns:
        float32 (h, w, 3), linear RGB.
    """
    mirrored_share = fresnel(light.facing, 0.095)
    if vehicle.is_metallic:
        body = light.falling * spread(0.55 + 0.6 * light.facing + np.float32(0.07) * flakes)
        body += light.mirrored * spread(np.float32(0.10) * light.facing)
    else:
        body = light.falling
    colour = tint(body, vehicle.albedo)
    colour *= spread(1 - mirrored_share)
    colour += spread(mirrored_share) * light.mirrored
    return colour


def glass_colour(light: Light, position: np.ndarray) -> np.ndarray:
    """Colour of a window: a dark inside, brighter towards the top, behind a strong reflection.

    Args:
        light: at the points.
        position: float32 (h, w, 3), car frame, metres.

    Returns:
        float32 (h, w, 3), linear RGB.
    """
    share = fresnel(light.facing, 0.13)
    x, z = np.ascontiguousarray(position[..., 0]), np.ascontiguousarray(position[..., 2])
    # seats and headrests: soft darker columns in the lower half of the windows
    seats = np.clip(np.cos(x * np.float32(5.2)) * 1.8 - 0.4, 0, 1) * np.clip((1.28 - z) * 6, 0, 1)
    inside = light.falling * spread((1.25 - 0.9 * seats) * (1 - share) * np.float32(0.035))
    inside += spread(share) * light.mirrored
    return inside


def part_colour(albedo: np.ndarray, light: Light) -> np.ndarray:
    """Colour of lamps, trim and plates; float32 (h, w, 3), linear RGB, for albedo float32 (h, w, 3)."""
    share = fresnel(light.facing, 0.045) * np.float32(0.7)
    colour = albedo * light.falling
    colour *= spread(1.05 * (1 - share))
    colour += spread(share) * light.mirrored
    return colour
