"""Polar to Cartesian and back: a round scan as a rectangle of angles and radii."""

import cv2
import numpy as np


def to_polar(
    image: np.ndarray, size_hw: tuple[int, int], *, centre_xy: tuple[float, float] | None = None, radius_px: float
) -> np.ndarray:
    """Unroll the disc around a point: one row an angle, one column a radius.

    Args:
        image: uint8 or float32 (H, W) or (H, W, C), C at most 4.
        size_hw: number of angles and of radii.
        centre_xy: of the disc, pixels; the middle of the image if None.
        radius_px: of the disc.

    Returns:
        (*size_hw, …) of the image's dtype: row r lies at angle 2 pi r / angles, from the right clockwise on the screen,
        column c at radius radius_px c / radii; 0 where the disc leaves the image.

    Raises:
        ValueError: no positive radius.
    """
    _check_radius(radius_px)
    angles, radii = size_hw
    return cv2.warpPolar(
        image,
        (radii, angles),
        _centre(image.shape[:2]) if centre_xy is None else centre_xy,
        radius_px,
        cv2.WARP_POLAR_LINEAR | cv2.INTER_LINEAR | cv2.WARP_FILL_OUTLIERS,
    )


def to_cartesian(
    polar: np.ndarray, size_hw: tuple[int, int], *, centre_xy: tuple[float, float] | None = None, radius_px: float
) -> np.ndarray:
    """Roll a polar image up again.

    Args:
        polar: uint8 or float32 (angles, radii) or (angles, radii, C), C at most 4, as to_polar gives it.
        size_hw: of the image, pixels.
        centre_xy: of the disc in it; the middle if None.
        radius_px: of the disc.

    Returns:
        (*size_hw, …) of polar's dtype; 0 outside the disc.

    Raises:
        ValueError: no positive radius.
    """
    _check_radius(radius_px)
    height, width = size_hw
    return cv2.warpPolar(
        polar,
        (width, height),
        _centre(size_hw) if centre_xy is None else centre_xy,
        radius_px,
        cv2.WARP_POLAR_LINEAR | cv2.INTER_LINEAR | cv2.WARP_FILL_OUTLIERS | cv2.WARP_INVERSE_MAP,
    )


def _centre(size_hw: tuple[int, int]) -> tuple[float, float]:
    return (size_hw[1] - 1) / 2, (size_hw[0] - 1) / 2


def _check_radius(radius_px: float) -> None:
    if not radius_px > 0:
        raise ValueError(f"radius_px: expected more than 0, found {radius_px}")
