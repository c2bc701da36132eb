"""Small canvases with something like a person in a scene, painted here."""

import cv2
import numpy as np


def paint_canvases(count: int, rng: np.random.Generator, canvas_px: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Paint instances on black.

    Returns:
        images, uint8 (N, C, C, 3) RGB; content, int64 (N, 4), xyxy.
    """
    images = np.zeros((count, canvas_px, canvas_px, 3), np.uint8)
    content = np.empty((count, 4), np.int64)
    for image, box in zip(images, content, strict=True):
        height, width = rng.integers(canvas_px // 2, canvas_px + 1), rng.integers(canvas_px // 4, canvas_px // 2 + 1)
        noise = rng.normal(0, 1, (height, width, 3)).astype(np.float32)
        coarse = cv2.resize(rng.normal(0, 1, (4, 3, 3)).astype(np.float32), (width, height))
        picture = rng.uniform(80, 140) + 30 * coarse + 12 * cv2.GaussianBlur(noise, (0, 0), 1.2) + noise
        centre = (int(width // 2 + rng.integers(-2, 3)), int(height // 2))
        cv2.ellipse(picture, centre, (width // 3, height // 3), 0, 0, 360, rng.uniform(20, 200, 3).tolist(), -1)
        cv2.circle(picture, (centre[0], height // 6), max(width // 6, 2), (200, 160, 140), -1)
        picture = cv2.GaussianBlur(picture + rng.normal(0, 3, picture.shape).astype(np.float32), (0, 0), 0.6)
        left, top = (canvas_px - width) // 2, (canvas_px - height) // 2
        image[top : top + height, left : left + width] = picture.clip(1, 255)
        box[:] = left, top, left + width, top + height
    return images, content
