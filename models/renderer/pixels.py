"""Fast arithmetic on (h, w, 3) images: numpy broadcasts slowly over a last axis of three."""

import cv2
import numpy as np


def spread(plane: np.ndarray) -> np.ndarray:
    """Repeat a plane, float32 (h, w), into three channels, (h, w, 3)."""
    return cv2.merge((plane, plane, plane))


def tint(image: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Multiply an image, float32 (h, w, 3), by one colour, float (3,); a new array."""
    height, width = image.shape[:2]
    row = np.tile(np.asarray(colour, np.float32), width)
    return (np.ascontiguousarray(image).reshape(height, width * 3) * row).reshape(image.shape)


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Scalar product over the last axis of (h, w, 3) arrays, or with one vector (3,): float32 (h, w)."""
    return np.einsum("hwc,hwc->hw" if b.ndim == 3 else "hwc,c->hw", a, b)


def blend(image: np.ndarray, over: np.ndarray, opacity: np.ndarray) -> None:
    """Lay one image over another in place.

    Args:
        image: float32 (h, w, 3), changed.
        over: float32 (h, w, 3).
        opacity: float32 (h, w), [0, 1].
    """
    step = over - image
    step *= spread(opacity)
    image += step
