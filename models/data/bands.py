"""Instrument data as images of any number of bands: files to channels, gaps cut away, outliers clipped, then resized.

The order is fixed in prepare_bands: an outlier that is resized first has already bled into its neighbours.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from models.data.photos import DataError
from models.structures import CropWindow, check_array


@dataclass(frozen=True)
class BandLimits:
    """What becomes 0 and what becomes 1, one number a band; measured on training data and used in serving alike."""

    low: tuple[float, ...]
    high: tuple[float, ...]


def load_bands(paths: Sequence[Path], *, missing_value: float | None = None) -> np.ndarray:
    """Stack files as channels.

    Args:
        paths: at least one: .npy, .npz (its arrays in order of name), TIFF (pages in order) or any image OpenCV reads
            unchanged; each (H, W) or (H, W, C), all of one height and width. Colour images come as RGB or RGBA.
        missing_value: what the instrument writes where it saw nothing, besides NaN and infinity.

    Returns:
        float32 (H, W, C), the files' own units; NaN where missing.

    Raises:
        DataError: missing, unreadable, no numbers, or of another size than the first, naming the file.
    """
    if not paths:
        raise DataError("paths: expected at least one file, found none")
    planes: list[np.ndarray] = []
    for path in paths:
        for array in _load_arrays(path):
            is_plane = array.ndim in (2, 3) and array.size
            if not is_plane or not (np.issubdtype(array.dtype, np.number) or array.dtype == np.bool_):
                raise DataError(f"{path}: expected numbers (H, W) or (H, W, C), found {array.dtype} {array.shape}")
            if np.iscomplexobj(array):
                raise DataError(f"{path}: expected real numbers, found {array.dtype}")
            plane = array.reshape(*array.shape[:2], -1)
            if planes and plane.shape[:2] != planes[0].shape[:2]:
                raise DataError(f"{path}: expected height and width {planes[0].shape[:2]}, found {plane.shape[:2]}")
            values = plane.astype(np.float32)
            if missing_value is not None:
                values[plane == missing_value] = np.nan
            planes.append(values)
    bands = np.concatenate(planes, axis=2)
    bands[~np.isfinite(bands)] = np.nan
    return bands


def find_complete_window(bands: np.ndarray) -> CropWindow:
    """Find the largest upright rectangle in which no band is missing anything.

    Args:
        bands: float32 (H, W, C), NaN where missing.

    Returns:
        The rectangle, pixels; of equally large ones the topmost.

    Raises:
        DataError: every pixel lacks a band.

    Source: largest rectangle under a histogram by a stack of rising heights, row by row; O(H W).
    """
    check_array("bands", bands, (None, None, None), np.float32)
    is_complete = ~np.isnan(bands).any(axis=2)
    if not is_complete.any():
        raise DataError("bands: expected a pixel that every band saw, found none")
    if is_complete.all():
        return CropWindow.whole(is_complete.shape)
    heights = np.zeros(is_complete.shape[1] + 1, np.int64)  # the last stays 0 and ends every bar
    best_area, best = 0, (0, 0, 0, 0)
    for y, row in enumerate(is_complete):
        heights[:-1] = np.where(row, heights[:-1] + 1, 0)
        rising: list[tuple[int, int]] = []  # (first column, height), heights rising
        for x, height in enumerate(heights.tolist()):
            start = x
            while rising and rising[-1][1] >= height:
                start, tall = rising.pop()
                if tall * (x - start) > best_area:
                    best_area, best = tall * (x - start), (start, y + 1 - tall, x, y + 1)
            rising.append((start, height))
    return CropWindow(*best)


def latitude_band(height: int, north_deg: float, south_deg: float) -> np.ndarray:
    """Latitude of each row's middle, as a share of 90 degrees; float32 (height,), [-1, 1].

    Raises:
        ValueError: edges out of order or beyond the poles.
    """
    if not -90 <= south_deg < north_deg <= 90:
        raise ValueError(f"north_deg, south_deg: expected -90 <= south < north <= 90, found {north_deg}, {south_deg}")
    share = (np.arange(height) + 0.5) / height
    return ((north_deg + (south_deg - north_deg) * share) / 90).astype(np.float32)


def measure_limits(bands: Sequence[np.ndarray], *, percentiles: tuple[float, float] = (1.0, 99.0)) -> BandLimits:
    """Choose where to clip each band.

    Args:
        bands: float32 (H, W, C) each, NaN where missing; the training data, or a sample of it that fits in memory.
        percentiles: of the values seen.

    Raises:
        ValueError: percentiles out of order, or a band without two different values between them.
    """
    if not 0 <= percentiles[0] < percentiles[1] <= 100:
        raise ValueError(f"percentiles: expected 0 <= low < high <= 100, found {percentiles}")
    pixels = np.concatenate([b.reshape(-1, b.shape[2]) for b in bands])
    seen = [column[~np.isnan(column)] for column in pixels.T]
    if empty := [str(band) for band, values in enumerate(seen) if not len(values)]:
        raise ValueError(f"bands: expected at least one value in each, found none in band {', '.join(empty)}")
    low, high = np.array([np.percentile(values, percentiles) for values in seen], np.float64).T
    if flat := [str(band) for band in np.flatnonzero(low >= high)]:
        raise ValueError(
            f"bands: expected two different values between the percentiles, band {', '.join(flat)} is flat"
        )
    return BandLimits(tuple(low.tolist()), tuple(high.tolist()))


def scale_bands(bands: np.ndarray, limits: BandLimits) -> np.ndarray:
    """Clip each band to its limits and bring it to [0, 1]; float32 (H, W, C) to the same, NaN stays.

    Raises:
        ContractError: limits of another number of bands.
    """
    check_array("bands", bands, (None, None, len(limits.low)), np.float32)
    low, high = np.array(limits.low), np.array(limits.high)
    return ((np.clip(bands, low, high) - low) / (high - low)).astype(np.float32)


def prepare_bands(
    bands: np.ndarray,
    limits: BandLimits,
    size_hw: tuple[int, int],
    *,
    latitude_deg: tuple[float, float] | None = None,
) -> np.ndarray:
    """Make bands ready for a network: cut missing areas away, clip outliers and scale, and only then resize.

    Args:
        bands: float32 (H, W, C), NaN where missing.
        limits: by measure_limits, of the training data.
        size_hw: of the result.
        latitude_deg: of the upper and the lower edge of bands: adds a last channel.

    Returns:
        float32 (*size_hw, C) or (*size_hw, C + 1), [0, 1], latitude [-1, 1]; nothing is missing.

    Raises:
        DataError: every pixel lacks a band.
        ContractError: limits of another number of bands.
    """
    window = find_complete_window(bands)
    channels = scale_bands(np.ascontiguousarray(window.cut(bands)), limits)
    if latitude_deg is not None:
        rows = latitude_band(bands.shape[0], *latitude_deg)[window.y0 : window.y1]
        latitude = np.broadcast_to(rows[:, None, None], (*channels.shape[:2], 1))
        channels = np.concatenate([channels, latitude], axis=2)
    shrinks = size_hw[0] < channels.shape[0] or size_hw[1] < channels.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = [
        cv2.resize(np.ascontiguousarray(plane), size_hw[::-1], interpolation=interpolation)
        for plane in np.moveaxis(channels, 2, 0)
    ]
    return np.stack(resized, axis=2)


def _load_arrays(path: Path) -> list[np.ndarray]:
    suffix = path.suffix.lower()
    try:
        if suffix == ".npy":
            return [np.load(path, allow_pickle=False)]
        if suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return [archive[name] for name in sorted(archive.files)]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: missing or no array: {error}") from error
    is_read, pages = cv2.imreadmulti(str(path), flags=cv2.IMREAD_UNCHANGED) if path.is_file() else (False, ())
    if not is_read or not pages:
        raise DataError(f"{path}: missing or no image")
    return [_to_rgb(page) for page in pages]


def _to_rgb(page: np.ndarray) -> np.ndarray:
    """OpenCV reads colour as BGR; two, five or more channels are bands in their own order."""
    if page.ndim == 3 and page.shape[2] in (3, 4):
        return page[..., [2, 1, 0, 3][: page.shape[2]]]
    return page
