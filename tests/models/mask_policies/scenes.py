"""Small painted panels with known damage, for the tests of mask policies."""

import cv2
import numpy as np


def paint_panel(size_hw: tuple[int, int], rng: np.random.Generator, *, noise: float = 3.0) -> np.ndarray:
    """Paint mottled metal with a shade from top to bottom, a dark part below and a round one in it.

    Returns:
        float32 (H, W, 3) RGB, about 0 to 255, with pixel noise of that many grey levels.
    """
    height, width = size_hw
    panel = np.full((height, width, 3), (90.0, 95.0, 120.0), np.float32)
    panel += np.linspace(0.0, 40.0, height, dtype=np.float32)[:, None, None]
    panel[int(height * 0.75) :] -= 50.0
    cv2.ellipse(panel, (width // 3, int(height * 0.8)), (width // 7, width // 7), 0, 0, 360, (30.0, 30.0, 32.0), -1)
    mottle = cv2.GaussianBlur(rng.normal(0.0, 1.0, panel.shape).astype(np.float32), (0, 0), 6.0)
    return panel + 60.0 * mottle + rng.normal(0.0, noise, panel.shape).astype(np.float32)


def damaged_panel(
    size_hw: tuple[int, int], seed: int, *, contrast: float = 30.0, blur_px: float = 3.0, gain: float = 1.4
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Paint a panel with three lines 3 px wide and, apart from them, one patch.

    Args:
        size_hw: height and width, pixels.
        seed: of everything random.
        contrast: grey levels by which damage is brighter.
        blur_px: standard deviation of the blur that turns the truth into probs.
        gain: the blurred truth is multiplied by it before probs are cut off at 1.

    Returns:
        image, uint8 (H, W, 3) RGB; probs, float32 (2, H, W), lines and patch; gt_masks, bool (2, H, W).
    """
    rng = np.random.default_rng(seed)
    height, width = size_hw
    truth = np.zeros((2, height, width), np.uint8)
    for ends in rng.uniform(0.1, 0.9, (3, 2, 2)) * (width, height):
        cv2.line(truth[0], *ends.astype(int).tolist(), 1, 3)
    cv2.ellipse(truth[1], (int(width * 0.7), int(height * 0.4)), (width // 8, height // 10), 20, 0, 360, 1, -1)
    panel = paint_panel(size_hw, rng) + contrast * truth.max(axis=0)[..., None]
    blurred = np.stack([cv2.GaussianBlur(m.astype(np.float32), (0, 0), blur_px) for m in truth])
    doubt = cv2.GaussianBlur(rng.normal(0.0, 1.0, size_hw).astype(np.float32), (0, 0), 3.0)
    probs = np.clip(0.02 + 0.95 * np.minimum(gain * blurred, 1.0) + 0.5 * doubt, 0.0, 1.0)
    return np.clip(panel, 0, 255).astype(np.uint8), probs.astype(np.float32), truth.astype(bool)
