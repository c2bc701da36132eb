"""Near duplicates, between sets of photos and within one, by a perceptual hash."""

from collections.abc import Sequence

import cv2
import numpy as np

HASH_BITS = 63
ROWS_AT_ONCE = 512
"""Pairs are compared in blocks of rows: a folder of many thousand photos fits into memory."""


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
    is_copy = np.zeros(len(hashes), bool)
    if not len(hashes) or not len(reference_hashes):
        return is_copy
    ours, theirs = np.stack(hashes), np.stack([h[0] for h in reference_hashes])
    for start in range(0, len(ours), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        is_copy[rows] = (_differing_bits(ours[rows], theirs) <= max_bits).any(axis=1)
    return is_copy


def group_near_duplicates(hashes: Sequence[np.ndarray], *, max_bits: int = 10) -> np.ndarray:
    """Sort the photos of one set into clusters; whoever looks like a member of a cluster belongs to it.

    Args:
        hashes: bool (2, 63) each, by hash_both_ways.
        max_bits: two photos whose hashes differ in so many bits or fewer are the same.

    Returns:
        int64 (N,): of each photo, the index of its cluster's first photo; a photo like no other is its own.
    """
    firsts = np.arange(len(hashes))
    if not len(hashes):
        return firsts
    stacked = np.stack(hashes)
    for start in range(0, len(stacked), ROWS_AT_ONCE):
        is_pair = _differing_bits(stacked[start : start + ROWS_AT_ONCE], stacked[:, 0]) <= max_bits
        for row, other in np.argwhere(is_pair):
            join(firsts, start + int(row), int(other))
    return np.array([find_first(firsts, index) for index in range(len(firsts))])


def choose_firsts(firsts: np.ndarray) -> np.ndarray:
    """Keep one photo a cluster.

    Args:
        firsts: int64 (N,), by group_near_duplicates.

    Returns:
        bool (N,): True for the first photo of each cluster.
    """
    return firsts == np.arange(len(firsts))


def join(firsts: np.ndarray, a: int, b: int) -> None:
    """Make one cluster of those of items a and b; firsts, int64 (N,), starts as arange and is changed in place."""
    low, high = sorted((find_first(firsts, a), find_first(firsts, b)))
    firsts[high] = low


def find_first(firsts: np.ndarray, index: int) -> int:
    """The first item of the cluster of an item, after any number of join; shortens the way there in passing."""
    while firsts[index] != index:
        firsts[index] = firsts[firsts[index]]
        index = int(firsts[index])
    return index


def _differing_bits(both_ways: np.ndarray, one_way: np.ndarray) -> np.ndarray:
    """Count differing bits; bool (R, 2, 63) and (M, 63) to int (R, M), the lesser of a photo and its mirror image.

    With bits as -1 and 1 the dot product is 63 minus twice their number.
    """
    ours, theirs = both_ways * np.float32(2) - 1, one_way * np.float32(2) - 1
    return ((HASH_BITS - (ours @ theirs.T).max(axis=1)) / 2).round().astype(np.int64)
