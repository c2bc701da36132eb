"""Checks that an array is what its docstring promises; used at stage borders."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike


class ContractError(Exception):
    """An array broke the contract between two parts: a bug, never the photo's fault."""


def check_array(
    name: str,
    array: np.ndarray,
    shape: Sequence[int | None],
    dtype: DTypeLike,
    *,
    value_range: tuple[float, float] | None = None,
) -> None:
    """Refuse an array of another shape, dtype or value range than the contract's.

    Args:
        name: the argument's name, for the message.
        array: the array to check.
        shape: expected length of each axis; None accepts any length there.
        dtype: expected dtype, exactly.
        value_range: inclusive bounds of every value; NaN is outside any range.

    Raises:
        ContractError: naming the argument, what was expected and what was found.
    """
    if not isinstance(array, np.ndarray):
        raise ContractError(f"{name}: expected a numpy array, found {type(array).__name__}")
    if array.dtype != np.dtype(dtype):
        raise ContractError(f"{name}: expected dtype {np.dtype(dtype)}, found {array.dtype}")
    is_shape_right = array.ndim == len(shape) and all(
        expected is None or expected == found for expected, found in zip(shape, array.shape, strict=True)
    )
    if not is_shape_right:
        expected_shape = "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")"
        raise ContractError(f"{name}: expected shape {expected_shape}, found {array.shape}")
    if value_range is not None and array.size:
        low, high = float(array.min()), float(array.max())
        if not (value_range[0] <= low and high <= value_range[1]):
            raise ContractError(f"{name}: expected values in {list(value_range)}, found {low} to {high}")


def check_image(name: str, image: np.ndarray) -> None:
    """Refuse anything but a non-empty image, uint8 (H, W, 3) RGB.

    Raises:
        ContractError: wrong shape or dtype, or no pixels.
    """
    check_array(name, image, (None, None, 3), np.uint8)
    if image.size == 0:
        raise ContractError(f"{name}: expected at least one pixel, found shape {image.shape}")
