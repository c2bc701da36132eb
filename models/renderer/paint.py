"""Shading of the body: light that falls on it, what its clear coat mirrors, and the paint between."""

from dataclasses import dataclass

import numpy as np

from models.renderer.car import Vehicle
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


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Scalar product over the last axis: float32 (h, w)."""
    return np.einsum("hwc,hwc->hw", a, b)


def light_surface(position: np.ndarray, normal: np.ndarray, camera_position: np.ndarray, surroundings: Surroundings) -> Light:
    """Light a surface.

    Args:
        position: float32 (h, w, 3), car frame, metres.
        normal: float32 (h, w, 3), unit.
        camera_position: float (3,), car frame, metres.
        surroundings: the light.

    Returns:
        Light at every point.
    """
    away = position - camera_position.astype(np.float32)
    away /= np.sqrt(np.maximum(dot(away, away), 1e-9))[..., None]
    facing = -dot(away, normal)
    mirror = normal * (2 * facing)[..., None]
    mirror += away
    facing = np.clip(facing, 0, 1)
    upward = (normal[..., 2:] + 1) / 2
    # the ground close to the sill lies in the car's own shadow
    shelter = np.clip(0.35 + position[..., 2:] * 0.9, 0.35, 1)
    ambient = 0.6 + 0.4 * shelter
    sun = np.clip(normal @ surroundings.sun_direction, 0, 1)[..., None]
    falling = (upward * ambient) * surroundings.sky_light
    falling += ((1 - upward) * shelter * ambient) * surroundings.ground_light
    falling += sun * surroundings.sun_colour
    mirrored = surroundings.look_up(mirror)
    mirrored *= np.where(mirror[..., 2:] < 0, 0.45 + 0.55 * np.clip(position[..., 2:] / 0.9, 0, 1), np.float32(1))
    highlight = np.clip(mirror @ surroundings.sun_direction, 0, 1)
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
    albedo = np.array(vehicle.albedo, np.float32)
    mirrored_share = fresnel(light.facing, 0.095)[..., None]
    colour = light.falling * albedo
    if vehicle.is_metallic:
        colour *= (0.55 + 0.6 * light.facing + 0.07 * flakes)[..., None]
        colour += (0.10 * light.facing)[..., None] * albedo * light.mirrored
    colour *= 1 - mirrored_share
    colour += mirrored_share * light.mirrored
    return colour


def glass_colour(light: Light, position: np.ndarray) -> np.ndarray:
    """Colour of a window: a dark inside, brighter towards the top, behind a strong reflection.

    Args:
        light: at the points.
        position: float32 (h, w, 3), car frame, metres.

    Returns:
        float32 (h, w, 3), linear RGB.
    """
    share = fresnel(light.facing, 0.13)[..., None]
    inside = light.falling * 0.035
    # seats and headrests: soft darker columns in the lower half of the windows
    seats = np.clip(np.cos(position[..., 0] * 5.2) * 1.8 - 0.4, 0, 1) * np.clip((1.28 - position[..., 2]) * 6, 0, 1)
    inside *= (1.25 - 0.9 * seats)[..., None]
    return inside * (1 - share) + share * light.mirrored


def part_colour(albedo: np.ndarray, light: Light) -> np.ndarray:
    """Colour of lamps, trim and plates; float32 (h, w, 3), linear RGB, for albedo float32 (h, w, 3)."""
    share = (fresnel(light.facing, 0.045) * 0.7)[..., None]
    return albedo * light.falling * 1.05 * (1 - share) + share * light.mirrored
