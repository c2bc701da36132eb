"""What the car stands in and mirrors: a panorama of sky, horizon and ground, and the light that it gives.

A panorama's columns are azimuth in the car frame, its rows the signed root of the elevation's sine, so that the
horizon gets most rows. Its values are the square root of linear RGB, uint8.
"""

from dataclasses import dataclass

import cv2
import numpy as np

PLACES = ("car_park", "street", "wall", "garage", "field")
_SIZE_HW = (320, 1152)


@dataclass(frozen=True)
class Surroundings:
    """Light and mirror image around the car.

    Attributes:
        place: one of PLACES.
        panorama: uint8 (R, A, 3), square root of linear RGB.
        mirrored: uint8 (R, A, 3), the panorama as paint mirrors it, a little soft.
        sun_direction: float32 (3,), unit, towards the sun or the strongest lamp.
        sun_colour: float32 (3,), linear RGB.
        sky_light, ground_light: float32 (3,), linear RGB falling from above and from below.
        ground_colour: float32 (3,), linear RGB albedo.
    """

    place: str
    panorama: np.ndarray
    mirrored: np.ndarray
    sun_direction: np.ndarray
    sun_colour: np.ndarray
    sky_light: np.ndarray
    ground_light: np.ndarray
    ground_colour: np.ndarray

    def look_up(self, directions: np.ndarray, *, is_mirrored: bool = False) -> np.ndarray:
        """Light that comes from directions.

        Args:
            directions: float32 (h, w, 3), car frame, unit.
            is_mirrored: as paint or glass mirrors it.

        Returns:
            float32 (h, w, 3), linear RGB.
        """
        rows, columns = self.panorama.shape[:2]
        azimuth = cv2.phase(np.ascontiguousarray(directions[..., 0]), np.ascontiguousarray(directions[..., 1]))
        map_x = azimuth.reshape(directions.shape[:2]) * np.float32(columns / (2 * np.pi))
        rise = np.ascontiguousarray(directions[..., 2])
        map_y = np.float32(rows / 2) - np.copysign(np.sqrt(np.abs(rise)), rise) * np.float32(rows / 2 - 1)
        panorama = self.mirrored if is_mirrored else self.panorama
        seen = cv2.remap(panorama, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        return cv2.LUT(seen, DECODE)


DECODE = ((np.arange(256, dtype=np.float32) / 255) ** 2 * np.float32(1.6)).astype(np.float32)
"""Linear light of each panorama value; 1.6 leaves room for lamps and sun."""


def _encode(colour) -> np.ndarray:
    return np.sqrt(np.clip(np.asarray(colour, float) / 1.6, 0, 1)) * 255


def noise_field(rng: np.random.Generator, size_hw: tuple[int, int], cells: int, octaves: int = 3) -> np.ndarray:
    """Smooth noise, a sum of enlarged random grids: float32 (H, W), mean 0, about [-1, 1]."""
    field = np.zeros(size_hw, np.float32)
    for octave in range(octaves):
        count = cells * 2**octave
        grid = rng.uniform(-1, 1, (max(count * size_hw[0] // size_hw[1], 2), max(count, 2))).astype(np.float32)
        field += cv2.resize(grid, size_hw[::-1], interpolation=cv2.INTER_CUBIC) * np.float32(0.5**octave)
    return field


def sample_surroundings(rng: np.random.Generator, *, is_rainy: bool = False) -> Surroundings:
    """Draw a place, its weather and its light.

    Args:
        rng: consumed.
        is_rainy: in the open, under clouds, on wet ground.

    Returns:
        Surroundings with their panorama.
    """
    place = PLACES[rng.choice(len(PLACES), p=[0.30, 0.22, 0.18, 0.15, 0.15])]
    if is_rainy and place == "garage":
        place = "car_park"
    if place == "garage":
        return _sample_garage(rng)
    overcast = float(rng.beta(0.9, 0.9))
    overcast = 1 - 0.12 * overcast if is_rainy else overcast
    brightness = rng.uniform(0.75, 1.15)
    zenith = (1 - overcast) * np.array([0.16, 0.32, 0.68]) + overcast * np.array([0.66, 0.69, 0.74])
    low_sky = (1 - overcast) * np.array([0.62, 0.72, 0.84]) + overcast * np.array([0.80, 0.81, 0.83])
    if rng.random() < 0.18:  # dusk
        brightness *= 0.55
        low_sky, zenith = low_sky * [1.05, 0.75, 0.55], zenith * [0.7, 0.65, 0.8]
    ground_colour = np.array([0.12, 0.12, 0.125]) * rng.uniform(0.6, 2.2) * rng.uniform(0.93, 1.07, 3)
    if place == "field":
        ground_colour = np.array([0.20, 0.17, 0.12]) * rng.uniform(0.6, 1.4)
    if is_rainy:
        ground_colour = ground_colour * 0.6
    sun_azimuth, sun_height = rng.uniform(0, 2 * np.pi), rng.uniform(0.25, 0.85)
    sun_direction = np.array(
        [np.cos(sun_azimuth) * np.sqrt(1 - sun_height**2), np.sin(sun_azimuth) * np.sqrt(1 - sun_height**2), sun_height]
    )
    sun_colour = np.array([1.0, 0.93, 0.82]) * (1 - overcast) ** 1.3 * brightness * 1.1
    panorama = _sky_and_ground(
        rng, zenith * brightness, low_sky * brightness, ground_colour * brightness * 1.1, overcast
    )
    if sun_colour[0] > 0.15:
        _draw_glow(panorama, sun_azimuth, sun_height, sun_colour)
    _draw_skyline(rng, panorama, place, low_sky * brightness)
    sky_light = (0.15 * zenith + 0.20 * low_sky + 0.65 * low_sky.mean()) * brightness * 0.75
    return Surroundings(
        place,
        panorama,
        _mirror_image(panorama, rng),
        sun_direction.astype(np.float32),
        sun_colour.astype(np.float32),
        sky_light.astype(np.float32),
        (ground_colour * (sky_light + sun_colour * sun_height) * 0.9 + 0.02).astype(np.float32),
        ground_colour.astype(np.float32),
    )


def _rows_of(sine: np.ndarray | float) -> np.ndarray:
    rows = _SIZE_HW[0]
    return rows / 2 - np.sign(sine) * np.sqrt(np.abs(sine)) * (rows / 2 - 1)


def _sky_and_ground(rng, zenith, low_sky, ground, overcast: float) -> np.ndarray:
    rows, columns = _SIZE_HW
    share = np.linspace(1, -1, rows)
    sine = np.sign(share) * share**2
    up = np.clip(sine, 0, 1)[:, None] ** 0.55
    column = np.where(
        sine[:, None] > 0,
        low_sky * (1 - up) + zenith * up,
        ground * (0.55 + 0.75 * (1 - np.clip(-sine[:, None], 0, 1)) ** 3),
    )
    sky = np.repeat(_encode(column).astype(np.float32)[:, None], columns, axis=1)
    clouds = np.clip(noise_field(rng, _SIZE_HW, 9) * 1.2 - 0.15 + 0.4 * overcast, 0, 1)
    clouds[rows // 2 :] = 0
    clouds *= (0.25 + 0.5 * rng.random()) * np.clip(np.linspace(1.4, 0.2, rows), 0, 1)[:, None].astype(np.float32)
    sky += (np.float32(_encode(low_sky * 1.08).mean()) - sky) * clouds[..., None]
    return np.clip(sky, 0, 255).astype(np.uint8)


def _draw_glow(panorama: np.ndarray, azimuth: float, sine: float, colour: np.ndarray) -> None:
    rows, columns = _SIZE_HW
    x = np.arange(columns, dtype=np.float32) - azimuth / (2 * np.pi) * columns
    x -= np.round(x / columns) * columns
    y = np.arange(rows, dtype=np.float32) - np.float32(_rows_of(sine))
    glow = np.exp(-((y[:, None] / 16) ** 2) - (x[None] / 30) ** 2) + 0.35 * np.exp(
        -((y[:, None] / 60) ** 2) - (x[None] / 110) ** 2
    )
    np.copyto(panorama, np.clip(panorama + glow[..., None] * (_encode(colour * 1.5) * 0.8), 0, 255).astype(np.uint8))


def _draw_skyline(rng: np.random.Generator, panorama: np.ndarray, place: str, low_sky: np.ndarray) -> None:
    """Houses, trees and parked cars along the horizon."""
    rows, columns = _SIZE_HW
    light = float(low_sky.mean())
    kinds = {"street": (0.75, 0.5), "car_park": (0.35, 0.7), "wall": (0.5, 0.5), "field": (0.05, 0.9)}[place]
    horizon = rows // 2
    x = int(rng.integers(0, 60))
    while x < columns:
        width = int(rng.integers(45, 190))
        if rng.random() < kinds[0]:
            top = int(_rows_of(rng.uniform(0.06, 0.45 if place == "street" else 0.22)))
            colour = np.array([0.40, 0.375, 0.34]) * rng.uniform(0.3, 1.3) * rng.uniform(0.92, 1.08, 3) * light
            cv2.rectangle(panorama, (x, top), (x + width, horizon), _encode(colour).tolist(), -1)
            step_x, step_y = int(rng.integers(12, 22)), int(rng.integers(12, 24))
            pane = _encode(colour * rng.uniform(0.25, 0.6) if rng.random() < 0.7 else low_sky * 0.6).tolist()
            for wx in range(x + 5, x + width - step_x // 2, step_x):
                for wy in range(top + 6, horizon - 8, step_y):
                    cv2.rectangle(panorama, (wx, wy), (wx + step_x // 2, wy + step_y // 2), pane, -1)
        x += int(width * rng.uniform(0.8, 1.5))
    ridge = _rows_of(0.02) - np.abs(noise_field(rng, (2, columns), 26, 4)[0]) * rng.uniform(10, 50)
    leaves = np.array([0.06, 0.07, 0.038]) * rng.uniform(0.5, 1.8) * light
    if rng.random() < kinds[1]:
        outline = np.concatenate([np.stack([np.arange(columns), ridge], 1), [[columns, horizon], [0, horizon]]])
        overlay = panorama.copy()
        cv2.fillPoly(overlay, [outline.astype(np.int32)], _encode(leaves).tolist())
        speckle = (rng.normal(0, 17, (horizon, columns)) + 24 * noise_field(rng, (horizon, columns), 60, 2)).astype(
            np.float32
        )
        speckle = cv2.GaussianBlur(speckle, (0, 0), 1.1)[..., None] * 1.5
        changed = (overlay[:horizon] != panorama[:horizon]).any(axis=-1, keepdims=True)
        keep = noise_field(rng, (2, columns), 12, 2)[0] > rng.uniform(-0.9, 0.2)
        changed &= keep[None, :, None]
        np.copyto(panorama[:horizon], np.clip(overlay[:horizon] + speckle, 0, 255).astype(np.uint8), where=changed)
    for _ in range(int(rng.integers(0, 9)) if place != "field" else 0):  # other cars, far away
        at, width = int(rng.integers(0, columns)), int(rng.integers(26, 60))
        top = int(_rows_of(rng.uniform(0.004, 0.012)))
        colour = _encode(
            np.array([0.3, 0.3, 0.32]) * rng.uniform(0.05, 2.2) * rng.uniform(0.8, 1.2, 3) * light
        ).tolist()
        cv2.rectangle(panorama, (at, top), (at + width, int(_rows_of(-0.035))), colour, -1)
        cv2.rectangle(
            panorama,
            (at + width // 5, top - 9),
            (at + width * 4 // 5, top),
            _encode(np.full(3, 0.06) * light).tolist(),
            -1,
        )


def _mirror_image(panorama: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The panorama as paint mirrors it: a little soft, with near things that only the paint shows."""
    mirrored = panorama.copy()
    rows, columns = _SIZE_HW
    for _ in range(int(rng.integers(0, 6))):  # poles and trunks
        at, width, tone = int(rng.integers(columns)), int(rng.integers(3, 12)), rng.uniform(0.15, 0.7)
        top = int(_rows_of(rng.uniform(0.2, 0.8)))
        mirrored[top : rows // 2 + 8, at : at + width] = mirrored[top : rows // 2 + 8, at : at + width] * tone
    for _ in range(int(rng.integers(0, 5))):  # bright windows, doors and light panels
        at, width, top = int(rng.integers(columns)), int(rng.integers(20, 110)), rng.uniform(0.05, 0.5)
        low, high = int(_rows_of(top * rng.uniform(0.1, 0.6))), int(_rows_of(top))
        cv2.rectangle(mirrored, (at, high), (at + width, low), rng.uniform(150, 245) * np.ones(3), -1)
        if rng.random() < 0.6:  # glazing bars
            middle = (high + low) // 2
            cv2.line(mirrored, (at, middle), (at + width, middle), (60, 60, 60), 3)
            cv2.line(mirrored, (at + width // 2, high), (at + width // 2, low), (60, 60, 60), 3)
    return cv2.GaussianBlur(mirrored, (0, 0), 1.8)


def _sample_garage(rng: np.random.Generator) -> Surroundings:
    rows, columns = _SIZE_HW
    brightness = rng.uniform(0.35, 0.9)
    warm = np.array([1.0, rng.uniform(0.9, 1.02), rng.uniform(0.72, 1.05)])
    wall = np.array([0.30, 0.30, 0.29]) * rng.uniform(0.5, 1.5) * brightness * warm
    ceiling, floor_colour = wall * rng.uniform(0.4, 0.9), np.array([0.19, 0.19, 0.185]) * rng.uniform(0.5, 1.6)
    panorama = _sky_and_ground(rng, ceiling, wall, floor_colour * brightness * warm * 0.8, 0.0)
    for _ in range(int(rng.integers(3, 8))):  # pillars, doors
        at, width = int(rng.integers(0, columns)), int(rng.integers(12, 70))
        cv2.rectangle(
            panorama,
            (at, int(_rows_of(0.5))),
            (at + width, rows // 2 + 6),
            _encode(wall * rng.uniform(0.3, 1.6)).tolist(),
            -1,
        )
    for _ in range(int(rng.integers(4, 11))):  # lamp strips
        at, length, height = int(rng.integers(0, columns)), int(rng.integers(25, 130)), rng.uniform(0.25, 0.9)
        top = int(_rows_of(height))
        cv2.rectangle(
            panorama,
            (at, top),
            (at + length, top + int(rng.integers(3, 9))),
            _encode(warm * 1.5 * max(brightness, 0.6)).tolist(),
            -1,
        )
    panorama = cv2.GaussianBlur(panorama, (0, 0), 1.2)
    azimuth = rng.uniform(0, 2 * np.pi)
    return Surroundings(
        "garage",
        panorama,
        _mirror_image(panorama, rng),
        np.array([0.35 * np.cos(azimuth), 0.35 * np.sin(azimuth), 0.937], np.float32),
        (warm * 0.25 * brightness).astype(np.float32),
        (warm * 0.55 * brightness).astype(np.float32),
        (floor_colour * brightness * 0.5 + 0.01).astype(np.float32),
        floor_colour.astype(np.float32),
    )
