"""Where the photographer stands."""

import numpy as np

from models.renderer.car import Mesh
from models.renderer.raster import PinholeCamera
from models.renderer.shapes import Shape

VIEW_AZIMUTHS_DEG = {
    "front": 0.0,
    "front_left": 40.0,
    "left": 90.0,
    "rear_left": 140.0,
    "rear": 180.0,
    "rear_right": -140.0,
    "right": -90.0,
    "front_right": -40.0,
}
VIEWS = tuple(VIEW_AZIMUTHS_DEG)
_VIEW_ZONES = {"front": "front", "rear": "rear", "left": "left", "right": "right"}


def sample_whole_car_camera(mesh: Mesh, view: str, size_hw: tuple[int, int], rng: np.random.Generator) -> PinholeCamera:
    """Stand where the whole car fits the photo.

    Args:
        mesh: the body.
        view: one of VIEWS.
        size_hw: photo's height and width, pixels.
        rng: consumed.
    """
    jitter = 5.0 if view in _VIEW_ZONES else 11.0
    azimuth = np.deg2rad(VIEW_AZIMUTHS_DEG[view] + float(np.clip(rng.normal(0, jitter), -2 * jitter, 2 * jitter)))
    focal_px = max(size_hw) * rng.uniform(0.75, 1.35)
    height_m = rng.uniform(1.0, 1.95)
    fill = rng.uniform(0.66, 0.97)
    roll = float(np.clip(rng.normal(0, np.deg2rad(1.3)), -0.06, 0.06))
    shift = rng.uniform(-1, 1, 2)
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    low[2] = 0.0
    corners = np.array([(x, y, z) for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
    probe = np.concatenate([mesh.vertices[::7], corners[corners[:, 2] == 0] * [0.97, 0.97, 1]])
    direction = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    near_m = abs(direction[0]) * high[0] + abs(direction[1]) * high[1]  # from the middle to the near end
    target, distance = np.array([0.0, 0.0, high[2] * 0.46]), 6.0
    for _ in range(6):
        position = target + direction * distance
        position[2] = height_m
        camera = PinholeCamera.look_at(position, target, focal_px, size_hw, roll)
        pixels, _ = camera.project(probe)
        extent = np.ptp(pixels, axis=0)
        needed = max(extent[0] / (fill * size_hw[1]), extent[1] / (min(fill, 0.88) * size_hw[0]))
        distance = near_m + max((distance - near_m) * needed, 1.2)
    pixels, _ = camera.project(probe)
    # push the car off the middle, inside the free border
    middle = (pixels.min(axis=0) + pixels.max(axis=0)) / 2 - np.array(size_hw[::-1]) / 2
    free = np.maximum(np.array(size_hw[::-1]) - np.ptp(pixels, axis=0), 0) / 2
    wanted = middle - shift * free * 0.8
    aim = target + (camera.axes[0] * wanted[0] + camera.axes[1] * wanted[1]) / focal_px * float(
        np.linalg.norm(target - camera.position)
    )
    return PinholeCamera.look_at(camera.position, aim, focal_px, size_hw, roll)


def sample_close_up_camera(
    mesh: Mesh,
    lines: dict[str, list[Shape]],
    view: str,
    size_hw: tuple[int, int],
    rng: np.random.Generator,
) -> PinholeCamera:
    """Stand an arm's length or two from a panel line, so that a part of the car fills the photo.

    Args:
        mesh: the body.
        lines: panel lines of each zone, in the zone's plane.
        view: one of VIEWS; an oblique one looks at either of its two zones.
        size_hw: photo's height and width, pixels.
        rng: consumed.
    """
    zones = view.split("_")
    zone = zones[int(rng.integers(len(zones)))]
    zone_lines = lines[zone]
    points = zone_lines[int(rng.integers(len(zone_lines)))].points
    corner = int(rng.integers(len(points) - 1))
    along = rng.random()
    flat = points[corner] * (1 - along) + points[corner + 1] * along
    is_side = zone in ("left", "right")
    plane, across = (0, 1) if is_side else (1, 0)
    sign = 1.0 if zone in ("left", "front") else -1.0
    facing = np.flatnonzero(mesh.normals[:, across] * sign > 0.3)
    nearest = facing[np.argmin(np.hypot(mesh.vertices[facing, plane] - flat[0], mesh.vertices[facing, 2] - flat[1]))]
    target, normal = mesh.vertices[nearest].copy(), mesh.normals[nearest].copy()
    target[plane], target[2] = flat
    target += rng.normal(0, 0.12, 3) * (1 - np.abs(normal))
    normal[2] = np.clip(normal[2], -0.1, 0.35)
    direction = normal + rng.normal(0, 0.25, 3) * [1, 1, 0.5] + [0, 0, 0.15]
    direction /= np.linalg.norm(direction)
    distance = rng.uniform(0.5, 1.6)
    position = target + direction * distance
    position[2] = max(position[2], 0.35)
    focal_px = max(size_hw) * rng.uniform(0.8, 1.15)
    return PinholeCamera.look_at(position, target, focal_px, size_hw, float(rng.normal(0, np.deg2rad(3))))
