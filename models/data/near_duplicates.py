"""Near duplicates between sets of photos, by a perceptual hash."""

from collections.abc import Sequence

import cv2
import numpy as np


def perceptual_hash(image: np.ndarray) -> np.ndarray:
    """Hash what a photo looks like: signs of its lowest frequencies.

    Args:
        image: uint8 (H, W, 3) RGB.

    Returns:
        bool (63,); a resized, recompressed or slightly brightened copy differs in few bits.
    """
    grey = cv2.cvtColor(cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    low = cv2.dct(grey.astype(np.float32))[:8, :8].ravel()[1:]  # without the mean
    return low > np.median(low)


def hash_both_ways(image: np.ndarray) -> np.ndarray:
    """Hash a photo and its mirror image; bool (2, 63)."""
    return np.stack([perceptual_hash(image), perceptual_hash(np.ascontiguousarray(image[:, ::-1]))])


def find_near_duplicates(
    hashes: Sequence[np.ndarray], reference_hashes: Sequence[np.ndarray], *, max_bits: int = 10
) -> np.ndarray:
    """Mark photos that look like one of a reference set, mirrored or not.

    Args:
        hashes: bool (2, 63) each, by hash_both_ways.
        reference_hashes: likewise.
        max_bits: two photos whose hashes differ in so many bits or fewer are the same.

    Returns:
        bool (N,), one an entry of hashes.
    """
    if not len(hashes) or not len(reference_hashes):
        return np.zeros(len(hashes), bool)
    ours = np.stack(hashes)[:, :, None, :]  # (N, 2, 1, 63)
    theirs = np.stack([h[0] for h in reference_hashes])  # (M, 63)
    return (ours != theirs).sum(axis=3).min(axis=(1, 2)) <= max_bits
