"""Where the photographer stands, and what lens and sensor do to the picture; neither moves a pixel."""

from dataclasses import dataclass

import cv2
import numpy as np

from models.renderer.car import Mesh
from models.renderer.pixels import spread, tint
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
    distance = rng.uniform(0.75, 2.0)
    position = target + direction * distance
    position[2] = max(position[2], 0.35)
    focal_px = max(size_hw) * rng.uniform(0.8, 1.15)
    return PinholeCamera.look_at(position, target, focal_px, size_hw, float(rng.normal(0, np.deg2rad(3))))


@dataclass(frozen=True)
class Exposure:
    """How lens and sensor turn light into a photo.

    Attributes:
        gain: brightness.
        balance: float32 (3,), colour temperature.
        contrast: 1 = neutral.
        vignette: darkening of the corners, share.
        blur_px: sigma of the lens blur.
        motion_px, motion_rad: length and direction of motion blur; below 2 pixels none.
        noise: sigma of the sensor noise, of 255.
        jpeg_quality: 0 = none.
    """

    gain: float
    balance: np.ndarray
    contrast: float
    vignette: float
    blur_px: float
    motion_px: float
    motion_rad: float
    noise: float
    jpeg_quality: int


def sample_exposure(rng: np.random.Generator) -> Exposure:
    """Draw exposure and flaws: most photos are fine, some dark, blown out, blurred or noisy."""
    gain = float(np.exp(rng.normal(0.3, 0.22)))
    kind = rng.random()
    if kind < 0.10:
        gain *= 0.38
    elif kind < 0.16:
        gain *= 1.7
    warmth = rng.normal(0, 0.07)
    tint = rng.normal(0, 0.02)
    return Exposure(
        gain=gain,
        balance=np.array([1 + warmth, 1 + tint, 1 - warmth], np.float32),
        contrast=rng.uniform(0.85, 1.2),
        vignette=rng.uniform(0, 0.35),
        blur_px=float(abs(rng.normal(0, 0.45)) + 0.35),
        motion_px=float(rng.uniform(2, 5)) if rng.random() < 0.08 else 0.0,
        motion_rad=float(rng.uniform(0, np.pi)),
        noise=float(rng.gamma(2.0, 0.8)) + (3.5 if kind < 0.10 else 0.5),
        jpeg_quality=int(rng.integers(55, 96)) if rng.random() < 0.7 else 0,
    )


def develop(light: np.ndarray, exposure: Exposure) -> np.ndarray:
    """Turn light into pixel values without any flaw that spreads from pixel to pixel.

    Args:
        light: float32 (H, W, 3), linear RGB.
        exposure: gain, balance, contrast and vignette are used.

    Returns:
        float32 (H, W, 3), [0, 255], gamma-encoded.
    """
    height, width = light.shape[:2]
    y = ((np.arange(height, dtype=np.float32) / height - 0.5) ** 2)[:, None]
    x = ((np.arange(width, dtype=np.float32) / width - 0.5) ** 2)[None]
    shade = (1 - np.float32(2 * exposure.vignette) * (x + y)) * np.float32(exposure.gain)
    value = tint(light * spread(shade), exposure.balance)
    np.clip(value, 0, None, out=value)
    # a filmic shoulder: linear in the shadows, rolls off towards white
    value = cv2.pow(value / (value + np.float32(0.62)) * np.float32(1.45), 1 / 2.05)
    value = (value - np.float32(0.5)) * np.float32(exposure.contrast) + np.float32(0.5)
    return np.clip(value, 0, 1, out=value) * np.float32(255)


def degrade(picture: np.ndarray, exposure: Exposure, rng: np.random.Generator) -> np.ndarray:
    """Add blur, noise and JPEG damage.

    Args:
        picture: float32 (H, W, 3), [0, 255].
        exposure: blur, motion, noise and quality are used.
        rng: consumed.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    picture = cv2.GaussianBlur(picture, (0, 0), exposure.blur_px)
    if exposure.motion_px >= 2:
        size = int(exposure.motion_px) | 1
        kernel = np.zeros((size, size), np.float32)
        reach = np.array([np.cos(exposure.motion_rad), np.sin(exposure.motion_rad)]) * (size // 2)
        start, end = np.round(size // 2 - reach).astype(int), np.round(size // 2 + reach).astype(int)
        cv2.line(kernel, start.tolist(), end.tolist(), 1.0)
        picture = cv2.filter2D(picture, -1, kernel / kernel.sum())
    grain = rng.standard_normal(picture.shape[:2], np.float32)
    colour_grain = cv2.resize(
        rng.standard_normal((picture.shape[0] // 2, picture.shape[1] // 2, 3), np.float32), picture.shape[1::-1]
    )
    picture = picture + (spread(grain) + colour_grain * np.float32(0.6)) * np.float32(exposure.noise)
    image = np.clip(picture + 0.5, 0, 255).astype(np.uint8)
    if exposure.jpeg_quality:
        _, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, exposure.jpeg_quality])
        image = cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    return image
