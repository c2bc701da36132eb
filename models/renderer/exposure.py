"""What lens and sensor do to the picture; nothing here moves a pixel."""

from dataclasses import dataclass

import cv2
import numpy as np

from models.renderer.conditions import Conditions
from models.renderer.pixels import spread, tint

Window = tuple[slice, slice]
_LUMA = np.array([[0.299, 0.587, 0.114]], np.float32)


@dataclass(frozen=True)
class Exposure:
    """How lens and sensor turn light into a photo.

    Attributes:
        gain: brightness.
        balance: float32 (3,), colour temperature.
        contrast: 1 = neutral.
        saturation: 1 = neutral.
        vignette: darkening of the corners, share.
        blur_px: sigma of the lens blur.
        motion_px, motion_rad: length and direction of motion blur; below 2 pixels none.
        noise: sigma of the sensor noise, of 255.
        jpeg_quality: 0 = none.
    """

    gain: float
    balance: np.ndarray
    contrast: float
    saturation: float
    vignette: float
    blur_px: float
    motion_px: float
    motion_rad: float
    noise: float
    jpeg_quality: int

    def soften(self, picture: np.ndarray) -> np.ndarray:
        """Blur a picture, float32 (h, w, 3), as lens and hand do."""
        picture = cv2.GaussianBlur(picture, (0, 0), self.blur_px)
        if self.motion_px < 2:
            return picture
        size = int(np.ceil(self.motion_px)) | 1
        kernel = np.zeros((size, size), np.float32)
        reach = np.array([np.cos(self.motion_rad), np.sin(self.motion_rad)]) * (self.motion_px / 2)
        start, end = np.round((size // 2 - reach) * 16).astype(int), np.round((size // 2 + reach) * 16).astype(int)
        cv2.line(kernel, start.tolist(), end.tolist(), 1.0, 1, cv2.LINE_8, 4)
        return cv2.filter2D(picture, -1, kernel / kernel.sum())


def sample_exposure(conditions: Conditions, frame_scale: float, rng: np.random.Generator) -> Exposure:
    """Draw exposure and flaws.

    Args:
        conditions: night and blur are obeyed.
        frame_scale: photo size relative to 480 x 640; blur scales with it.
        rng: consumed; as much under any conditions.
    """
    gain = float(np.exp(rng.normal(0.3, 0.2)))
    kind, darkness = rng.random(), rng.uniform(0.26, 0.42)
    if conditions.light == "dark":
        gain *= darkness
    elif kind < 0.06:
        gain *= 1.5
    elif kind < 0.12:
        gain *= 0.7
    warmth, green = rng.normal(0, 0.07), rng.normal(0, 0.02)
    contrast, saturation, vignette = rng.uniform(0.95, 1.25), rng.uniform(1.0, 1.35), rng.uniform(0, 0.35)
    blur, defocus = float(min(abs(rng.normal(0, 0.4)), 0.9) + 0.35), float(rng.uniform(1.3, 2.1))
    is_motion, motion, angle = rng.random() < 0.6, float(rng.uniform(4.5, 9)), float(rng.uniform(0, np.pi))
    noise, night_noise = float(min(rng.gamma(2.0, 0.7), 4)) + 0.5, float(rng.uniform(2, 4))
    quality, is_jpeg = int(rng.integers(50, 96)), rng.random() < 0.75
    return Exposure(
        gain=gain,
        balance=np.array([1 + warmth, 1 + green, 1 - warmth], np.float32),
        contrast=contrast,
        saturation=saturation,
        vignette=vignette,
        blur_px=(defocus if conditions.is_blurred and not is_motion else blur) * max(frame_scale, 0.3),
        motion_px=motion * frame_scale if conditions.is_blurred and is_motion else 0.0,
        motion_rad=angle,
        noise=noise + (night_noise if conditions.light == "dark" else 0.0),
        jpeg_quality=quality if is_jpeg else 0,
    )


@dataclass(frozen=True)
class LensLayer:
    """What lies between the scene and the sensor: flare, rain in the air, drops on the lens.

    Attributes:
        colour: float32 (H, W, 3), [0, 255].
        opacity: float32 (H, W), [0, 1].
    """

    colour: np.ndarray
    opacity: np.ndarray


class Darkroom:
    """Turns any window of a photo's light into pixel values, the same as it would within the whole photo."""

    def __init__(self, exposure: Exposure, size_hw: tuple[int, int]) -> None:
        height, width = size_hw
        y = ((np.arange(height, dtype=np.float32) / height - 0.5) ** 2)[:, None]
        x = ((np.arange(width, dtype=np.float32) / width - 0.5) ** 2)[None]
        self.exposure = exposure
        self.lens: LensLayer | None = None
        self._shade = (1 - np.float32(2 * exposure.vignette) * (x + y)) * np.float32(exposure.gain)

    def develop(self, light: np.ndarray, window: Window) -> np.ndarray:
        """Turn light into pixel values without any flaw that spreads from pixel to pixel.

        Args:
            light: float32 (h, w, 3), linear RGB.
            window: where in the photo it lies.

        Returns:
            float32 (h, w, 3), [0, 255], gamma-encoded.
        """
        exposure = self.exposure
        value = tint(light * spread(self._shade[window]), exposure.balance)
        np.clip(value, 0, None, out=value)
        # a filmic shoulder: linear in the shadows, rolls off towards white
        value = cv2.pow(value / (value + np.float32(0.62)) * np.float32(1.45), 1 / 2.05)
        grey = spread(cv2.transform(value, _LUMA))
        value = grey + (value - grey) * np.float32(exposure.saturation)
        value = (value - np.float32(0.45)) * np.float32(exposure.contrast) + np.float32(0.45)
        return np.clip(value, 0, 1, out=value) * np.float32(255)

    def look_through_lens(self, picture: np.ndarray, window: Window) -> np.ndarray:
        """Lay the lens layer over developed pixels, float32 (h, w, 3); a new array."""
        if self.lens is None:
            return picture.copy()
        opacity = spread(self.lens.opacity[window])
        return picture + (self.lens.colour[window] - picture) * opacity


def degrade(picture: np.ndarray, exposure: Exposure, rng: np.random.Generator) -> np.ndarray:
    """Add blur, noise and JPEG damage.

    Args:
        picture: float32 (H, W, 3), [0, 255].
        exposure: blur, motion, noise and quality are used.
        rng: consumed.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    image = expose(picture, exposure, rng)
    if exposure.jpeg_quality:
        _, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, exposure.jpeg_quality])
        image = cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    return image


def expose(picture: np.ndarray, exposure: Exposure, rng: np.random.Generator) -> np.ndarray:
    """Add blur and noise; arguments and value as in degrade."""
    picture = exposure.soften(picture)
    grain = rng.standard_normal(picture.shape[:2], np.float32)
    colour_grain = cv2.resize(
        rng.standard_normal((picture.shape[0] // 2, picture.shape[1] // 2, 3), np.float32), picture.shape[1::-1]
    )
    picture = picture + (spread(grain) + colour_grain * np.float32(0.6)) * np.float32(exposure.noise)
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8)
