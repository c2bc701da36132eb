"""The permutohedral lattice: Gaussian filtering of scattered values in a few dimensions, in linear time."""

from collections.abc import Iterable

import numpy as np

from models.structures import ContractError, check_array

_MAX_CODE_BITS = 62
_MAX_FEATURE = 1e5  # float32 places a point within 1/100 of a lattice step up to here
_LOOKUP_SLOTS = 1 << 20


class PermutohedralLattice:
    """Adds up, at each point, the values of all points, weighted by a Gaussian of their distance.

    Building costs about as much as nine filters of one channel; one lattice serves any number of values.

    Shapes (N points, D dimensions, d = D, M occupied lattice vertices, C channels):
        features     float32 (N, D), in standard deviations: the kernel is exp(-|f_i - f_j|^2 / 2)
        vertices     int64 (d + 1, N), row k: where among the M vertices a point's vertex of remainder k is
        barycentric  float32 (d + 1, N), >= 0, columns sum to 1
        values       float32 (N, C)

    Source: Adams, Baek, Davis 2010, "Fast High-Dimensional Filtering Using the Permutohedral Lattice": embedding,
    enclosing simplex, barycentric weights (splat); blur 1/4 1/2 1/4 along d + 1 axes; slice.
    Here: no hash table. A simplex has one vertex of each remainder, so a vertex is coded as an integer per
    remainder and the codes are sorted. Vertices are only those that carry weight, so blurring ends at the border of the
    occupied set, as there. The blur's weights are 1/2 1 1/2, with one factor at the end that is derived; the customary
    1 / (1 + 2^-d) loses 12 % of the mass at d = 2.
    """

    def __init__(self, features: np.ndarray) -> None:
        """Embed the points and link the lattice vertices around them.

        Args:
            features: float32 (N, D), within 1e5 of 0, N >= 1, D >= 1, in standard deviations.

        Raises:
            ContractError: wrong shape or dtype, empty, NaN, too far from 0, or so wide that vertex codes leave 62 bits.
        """
        check_array("features", features, (None, None), np.float32, value_range=(-_MAX_FEATURE, _MAX_FEATURE))
        if features.size == 0:
            raise ContractError(f"features: expected at least one number, found shape {features.shape}")
        lowest_vertex, rank, self._barycentric = _enclosing_simplices(features)
        codes, self._strides = _vertex_codes(lowest_vertex, rank)
        self._vertices, codes_by_remainder = _number_vertices(codes)
        self._size = sum(len(codes) for codes in codes_by_remainder)
        self._neighbours = _link_neighbours(codes_by_remainder, self._strides)
        self._dimensions = features.shape[1]

    def filter(self, values: np.ndarray, *, transposed: bool = False) -> np.ndarray:
        """Compute sum_j k(f_i, f_j) values_j for each point i, the point itself included.

        The shape of the kernel is close to the Gaussian's, its mass is not where points are few (half of it
        in five dimensions with 600 points of two standard deviations): divide by the filter of ones, as its users do.

        Args:
            values: float32 (N, C), C may be 0.
            transposed: apply the transposed map. The kernel is symmetric only roughly (within a tenth of its mass),
                because the blur's axes do not commute at the border of the occupied vertices.

        Returns:
            float32 (N, C).

        Raises:
            ContractError: wrong shape or dtype.
        """
        points = self._barycentric.shape[1]
        check_array("values", values, (points, None), np.float32)
        filtered = np.empty_like(values)
        axes = range(self._dimensions + 1)
        for channel in range(values.shape[1]):
            lattice = self._splat(values[:, channel])  # (M + 1,)
            self._blur(lattice, reversed(axes) if transposed else axes)
            filtered[:, channel] = self._slice(lattice)
        return filtered

    def _splat(self, values: np.ndarray) -> np.ndarray:
        """Spread values, (N,), over the vertices, (M + 1,); the last entry is the empty vertex, 0."""
        weighted = self._barycentric * values  # (d + 1, N)
        return np.bincount(self._vertices.ravel(), weighted.ravel(), self._size + 1).astype(np.float32)

    def _blur(self, lattice: np.ndarray, axes: Iterable[int]) -> None:
        """Convolve vertices, (M + 1,), with 1/2 1 1/2 along axes, in place; the empty vertex stays 0."""
        after, before = np.empty_like(lattice), np.empty_like(lattice)
        for axis in axes:
            next_vertex, previous_vertex = self._neighbours[axis]
            np.take(lattice, next_vertex, out=after, mode="clip")
            np.take(lattice, previous_vertex, out=before, mode="clip")
            after += before
            after *= 0.5
            lattice += after

    def _slice(self, lattice: np.ndarray) -> np.ndarray:
        """Read vertices, (M + 1,), at the points, (N,)."""
        filtered = np.zeros(self._vertices.shape[1], np.float32)
        read = np.empty_like(filtered)
        for vertices, weights in zip(self._vertices, self._barycentric, strict=True):
            np.take(lattice, vertices, out=read, mode="clip")
            read *= weights
            filtered += read
        filtered *= np.float32(_mass_factor(self._dimensions))
        return filtered


def _mass_factor(d: int) -> float:
    """What makes the kernel's mass that of the Gaussian, (2 pi)^(d/2), where every vertex around is occupied.

    A vertex collects the points of a volume of (3/2)^(d/2) / sqrt(d + 1), and blurring multiplies by 2^(d + 1).
    """
    return (4.0 * np.pi / 3.0) ** (d / 2) * np.sqrt(d + 1.0) / 2.0 ** (d + 1)


def _enclosing_simplices(features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the simplex of each point and the point's place in it.

    Args:
        features: float32 (N, D).

    Returns:
        lowest_vertex: int32 (D + 1, N), the vertex of remainder 0, divided by d + 1.
        rank: int8 (D + 1, N), each column a permutation of 0 … d: 0 = coordinate that exceeds the vertex most.
        barycentric: float32 (D + 1, N), row k the weight of the vertex of remainder k.

    Source: Adams et al. 2010, the rounding algorithm for the enclosing simplex and its barycentric coordinates.
    Here: everything is divided by d + 1, so that rounding finds the lattice.
    """
    d = features.shape[1]
    embedded = _embedding(d) @ features.T  # (D + 1, N), columns sum to 0
    nearest = np.rint(embedded)
    excess = embedded
    excess -= nearest
    rank = np.zeros(excess.shape, np.int8)
    for i in range(d):
        for j in range(i + 1, d + 1):
            is_less = excess[i] < excess[j]
            rank[i] += is_less
            rank[j] += ~is_less
    lowest_vertex = nearest.astype(np.int32)
    rank += lowest_vertex.sum(axis=0, dtype=np.int32).astype(np.int8)  # off the plane by that many steps
    too_low = rank < 0
    too_high = rank > d
    shift = too_low.astype(np.int8)
    shift -= too_high
    lowest_vertex += shift
    excess -= shift
    shift *= d + 1
    rank += shift

    _sort_rows_descending(excess)
    barycentric = np.empty_like(excess)
    np.subtract(excess[:-1], excess[1:], out=barycentric[:0:-1])
    np.subtract(excess[-1], excess[0], out=barycentric[0])
    barycentric[0] += 1.0
    np.maximum(barycentric, 0.0, out=barycentric)  # rounding may leave -1e-7
    return lowest_vertex, rank, barycentric


def _embedding(d: int) -> np.ndarray:
    """The map from features to the plane of the lattice, divided by d + 1: float32 (d + 1, d).

    Source: Adams et al. 2010, the orthogonal basis E, scaled by sqrt(2/3) (d + 1) for a total variance of 1.
    """
    basis = np.triu(np.ones((d + 1, d)))
    basis[np.arange(1, d + 1), np.arange(d)] = -np.arange(1, d + 1)
    column = np.arange(1, d + 1)
    return (basis * np.sqrt(2.0 / 3.0) / np.sqrt(column * (column + 1))).astype(np.float32)


def _sort_rows_descending(rows: np.ndarray) -> None:
    """Sort each column of rows, (R, N), in place; whole rows are compared, which vectorises for few rows."""
    for last in range(len(rows) - 1, 0, -1):
        for i in range(last):
            smaller = np.minimum(rows[i], rows[i + 1])
            np.maximum(rows[i], rows[i + 1], out=rows[i])
            rows[i + 1] = smaller


def _vertex_codes(lowest_vertex: np.ndarray, rank: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Code the vertices of each simplex as integers, comparable within one remainder.

    The vertex of remainder k is lowest + k where rank <= d - k and lowest + k - (d + 1) elsewhere. Less k and
    divided by d + 1 that is lowest_vertex - [rank > d - k]: small integers, the digits of a mixed-radix number. The
    last coordinate follows from the others.

    Args:
        lowest_vertex: int32 (D + 1, N), divided by d + 1.
        rank: int8 (D + 1, N).

    Returns:
        codes: int64 (D + 1, N), row k for remainder k.
        strides: int64 (D + 1,), what one digit is worth; 0 for the last coordinate.

    Raises:
        ContractError: the codes would leave 62 bits.
    """
    d = len(rank) - 1
    digits = lowest_vertex[:d]
    lowest, highest = digits.min(axis=1) - 2, digits.max(axis=1) + 1  # a vertex may be 1 lower, a neighbour 1 further
    radices = [int(high) - int(low) + 1 for low, high in zip(lowest, highest, strict=True)]
    strides = [1]
    for radix in reversed(radices):
        strides.insert(0, strides[0] * radix)
    if strides[0] >= 2**_MAX_CODE_BITS:
        raise ContractError(f"features: expected a span whose vertices have codes of 62 bits, found radices {radices}")
    strides = np.array([*strides[1:], 0], np.int64)

    codes = np.empty(rank.shape, np.int64)
    np.subtract(digits[0], lowest[0], out=codes[0], dtype=np.int64)
    for i in range(1, d):
        codes[0] *= radices[i]
        codes[0] += digits[i]
        codes[0] -= lowest[i]
    for k in range(1, d + 1):
        codes[k] = codes[k - 1]
        for i in range(d):
            codes[k] -= (rank[i] == d + 1 - k) * strides[i]
    return codes, strides


def _number_vertices(codes: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Give each different vertex a number: remainder by remainder, ascending by code.

    Args:
        codes: int64 (D + 1, N).

    Returns:
        vertices: int64 (D + 1, N), [0, M).
        codes_by_remainder: one ascending int64 array a remainder, M codes in all.
    """
    vertices = np.empty(codes.shape, np.int64)
    codes_by_remainder = []
    offset = 0
    for row, found in zip(codes, vertices, strict=True):
        in_order, order = _sort_with_order(row)
        is_first = np.empty(len(row), bool)
        is_first[0] = True
        np.not_equal(in_order[1:], in_order[:-1], out=is_first[1:])
        numbers = np.cumsum(is_first)
        numbers += offset - 1
        found[order] = numbers
        codes_by_remainder.append(in_order[is_first])
        offset += len(codes_by_remainder[-1])
    return vertices, codes_by_remainder


def _sort_with_order(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort codes, int64 (N,), >= 0; returns them ascending and where each came from, int64 (N,) both."""
    index_bits = max(len(codes) - 1, 1).bit_length()
    if int(codes.max()).bit_length() + index_bits > 63:
        order = np.argsort(codes)
        return codes[order], order
    packed = codes << index_bits  # sorting numbers is three times as fast as sorting their order
    packed |= np.arange(len(codes))
    packed.sort()
    return packed >> index_bits, packed & ((1 << index_bits) - 1)


def _link_neighbours(codes_by_remainder: list[np.ndarray], strides: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Find the two neighbours of each vertex along each axis.

    The step along axis j adds 1 to every coordinate but j, and -d to j: remainder k becomes k + 1 (mod d + 1).
    In digits, that is -1 at j, or, from remainder d to 0, +1 everywhere but at j.

    Args:
        codes_by_remainder: one ascending int64 array a remainder, M codes in all.
        strides: int64 (D + 1,).

    Returns:
        For each axis, next and previous vertex, int64 (M + 1,) each; M = the empty vertex, also its own neighbour.
    """
    remainders = len(codes_by_remainder)
    offsets = np.cumsum([0, *(len(codes) for codes in codes_by_remainder)])
    empty = int(offsets[-1])
    links = [(np.full(empty + 1, empty), np.full(empty + 1, empty)) for _ in range(remainders)]
    slots = np.zeros(_LOOKUP_SLOTS, np.int32)
    for k, codes in enumerate(codes_by_remainder):
        target = (k + 1) % remainders
        targets = codes_by_remainder[target]
        slots[targets & (_LOOKUP_SLOTS - 1)] = np.arange(len(targets))
        wrap = int(strides.sum()) if target == 0 else 0
        for axis, (next_vertex, previous_vertex) in enumerate(links):
            wanted = codes + (wrap - strides[axis])
            guess = slots[wanted & (_LOOKUP_SLOTS - 1)]
            guess[guess >= len(targets)] = 0  # left by the remainder before
            misses = np.flatnonzero(targets[guess] != wanted)
            guess[misses] = np.minimum(np.searchsorted(targets, wanted[misses]), len(targets) - 1)
            hits = np.flatnonzero(targets[guess] == wanted)
            found = guess[hits] + offsets[target]
            hits += offsets[k]
            next_vertex[hits] = found
            previous_vertex[found] = hits
    return links
