"""Cuts an image into overlapping tiles of one size, and puts tiles together again.

In:   an image or maps, (H, W, …). Out: tiles (T, h, w, …) and their corners, and back.
Must not know: what the pixels mean, networks.
"""

from itertools import product
from typing import Final

import numpy as np

from models.structures import check_array

WEIGHTS: Final[tuple[str, ...]] = ("mean", "hann")

Size = tuple[int, int]


def tile_corners(size_hw: Size, tile_hw: Size, stride_hw: Size) -> np.ndarray:
    """Place tiles so that each pixel lies in one at least; the last of a row or column moves back to end at the border.

    Args:
        size_hw: of the image, pixels.
        tile_hw: of a tile; may exceed the image.
        stride_hw: from tile to tile, 1 to the tile's size.

    Returns:
        int64 (T, 2), x and y of each tile's top left corner, row by row.

    Raises:
        ValueError: a size below 1, or a stride out of range.
    """
    for axis, size, tile, stride in zip("hw", size_hw, tile_hw, stride_hw, strict=True):
        if size < 1 or tile < 1:
            raise ValueError(f"size_{axis}, tile_{axis}: expected 1 or more, found {size} and {tile}")
        if not 1 <= stride <= tile:
            raise ValueError(f"stride_{axis}: expected 1 to the tile's {tile}, found {stride}")
    starts = []
    for size, tile, stride in zip(size_hw, tile_hw, stride_hw, strict=True):
        last = max(size - tile, 0)
        starts.append([*range(0, last, stride), last])
    return np.array([(x, y) for y, x in product(*starts)], np.int64)


def tile_image(image: np.ndarray, tile_hw: Size, stride_hw: Size) -> tuple[np.ndarray, np.ndarray]:
    """Cut an image into tiles.

    Args:
        image: (H, W, …), any dtype; where smaller than a tile, its last row or column is repeated beyond it.
        tile_hw: of a tile, pixels.
        stride_hw: from tile to tile, 1 to the tile's size.

    Returns:
        tiles (T, *tile_hw, …) of the image's dtype, and their corners, int64 (T, 2), x and y, image frame.

    Raises:
        ValueError: as tile_corners.
    """
    corners = tile_corners(image.shape[:2], tile_hw, stride_hw)
    missing = [(0, max(tile - size, 0)) for tile, size in zip(tile_hw, image.shape[:2], strict=True)]
    padded = np.pad(image, missing + [(0, 0)] * (image.ndim - 2), mode="edge")
    height, width = tile_hw
    return np.stack([padded[y : y + height, x : x + width] for x, y in corners]), corners


def recombine(tiles: np.ndarray, corners: np.ndarray, size_hw: Size, weights: str = "mean") -> np.ndarray:
    """Put tiles together; where several overlap, average them.

    Args:
        tiles: (T, h, w, …), any numeric dtype or bool; whatever a tile holds beyond size_hw is dropped.
        corners: int64 (T, 2), x and y of each tile.
        size_hw: of the image.
        weights: "mean", or "hann": a tile counts most at its centre and least at its borders, which hides seams.

    Returns:
        (*size_hw, …) of the tiles' dtype; integers are rounded, a bool is True from half of the weight on.

    Raises:
        ValueError: unknown weights, or a pixel that no tile covers.
        ContractError: corners of another shape or dtype.
    """
    if weights not in WEIGHTS:
        raise ValueError(f"weights: expected one of {', '.join(WEIGHTS)}, found {weights!r}")
    check_array("corners", corners, (len(tiles), 2), np.int64)
    height, width = tiles.shape[1:3]
    window = _window((height, width), weights).reshape(height, width, *(1,) * (tiles.ndim - 3))
    total = np.zeros((*size_hw, *tiles.shape[3:]), np.float64)
    weight = np.zeros((*size_hw, *window.shape[2:]), np.float64)
    for tile, (x, y) in zip(tiles, corners, strict=True):
        rows, columns = slice(y, min(y + height, size_hw[0])), slice(x, min(x + width, size_hw[1]))
        inside = slice(0, rows.stop - y), slice(0, columns.stop - x)
        total[rows, columns] += tile[inside] * window[inside]
        weight[rows, columns] += window[inside]
    if not weight.all():
        raise ValueError(f"corners: expected tiles over every pixel, found {int((weight == 0).sum())} bare")
    mean = total / weight
    if tiles.dtype == np.bool_:
        return mean >= 0.5
    return (np.rint(mean) if np.issubdtype(tiles.dtype, np.integer) else mean).astype(tiles.dtype)


def _window(tile_hw: Size, weights: str) -> np.ndarray:
    """Weight of each pixel of a tile; float64 (h, w), above 0 everywhere."""
    if weights == "mean":
        return np.ones(tile_hw)
    rows, columns = (np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 for n in tile_hw)
    return rows[:, None] * columns
