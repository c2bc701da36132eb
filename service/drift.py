"""drift: how far the last photos are from those that the gate was made with.

In:   a gate card's `reference`; gate score and brightness of each photo. Out: a population stability index of each.
Must not know: messages, storage, settings, metrics, any network.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

OBSERVED: Final[tuple[str, ...]] = ("gate_score", "brightness")
"""What is watched, as the card and the metric's label name it."""
DEFAULT_WINDOW_PHOTOS: Final = 500
LARGE_PSI: Final = 0.25
"""Above it the photos are of another kind, by the convention of who uses the index."""
_PRIOR_PHOTOS: Final = 0.5


class ReferenceHistogram(BaseModel):
    """Shares of the reference photos by bin; a bin holds its lower edge."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    edges: tuple[float, ...] = Field(description="Between the bins, ascending, inside 0 to 1.")
    shares: tuple[float, ...] = Field(description="Of each bin; one more than edges; their sum is 1.")
    photos: float = Field(gt=0, allow_inf_nan=False, description="How many photos they were counted from.")

    @model_validator(mode="after")
    def _check_across(self) -> "ReferenceHistogram":
        edges = np.array((0.0, *self.edges, 1.0))
        if not (np.diff(edges) > 0).all():
            raise ValueError(f"edges: expected ascending numbers inside 0 to 1, found {list(self.edges)}")
        if len(self.shares) != len(self.edges) + 1:
            raise ValueError(f"shares: expected {len(self.edges) + 1}, one more than edges, found {len(self.shares)}")
        if min(self.shares) < 0 or not abs(sum(self.shares) - 1) < 1e-3:
            raise ValueError(f"shares: expected parts of 1, found {list(self.shares)}")
        return self


def measure_psi(counts: np.ndarray, reference_counts: np.ndarray) -> float:
    """Population stability index of two histograms over the same bins.

    Args:
        counts: float64 (B,), photos by bin.
        reference_counts: float64 (B,), the same of the reference.

    Returns:
        sum over bins of (q - p) ln(q / p), q and p the shares of counts and of reference_counts; 0 for equal shares.
        This is Jeffreys' divergence.

    Source: Siddiqi 2006, Credit Risk Scorecards: below 0.1 no change, above LARGE_PSI a large one.
        Yurdakul and Naranjo 2020, Journal of Risk Model Validation 14(4): for n and m photos of the same population it
        averages (B - 1)(1/n + 1/m). Here: half a photo is added to each bin of both (Jeffreys' prior), so that an empty
        bin is finite.
    """
    q = (counts + _PRIOR_PHOTOS) / (counts.sum() + _PRIOR_PHOTOS * len(counts))
    p = (reference_counts + _PRIOR_PHOTOS) / (reference_counts.sum() + _PRIOR_PHOTOS * len(reference_counts))
    return float(((q - p) * np.log(q / p)).sum())


class DriftMonitor:
    """Compares a sliding window of photos with the reference; one thread at a time."""

    def __init__(self, reference: Mapping[str, Any], window: int = DEFAULT_WINDOW_PHOTOS) -> None:
        """Read the reference.

        Args:
            reference: of the gate's card; empty, or without one of OBSERVED: that is not watched.
            window: how many photos are compared; nothing is said before there are so many.

        Raises:
            ValueError: naming what of the reference is wrong, or a window below 1.
        """
        if window < 1:
            raise ValueError(f"window: expected 1 or more, found {window}")
        if unknown := sorted(set(reference) - set(OBSERVED)):
            raise ValueError(f"reference: expected {', '.join(OBSERVED)}, found {', '.join(unknown)}")
        self._windows = {name: _Window(_parse(name, reference[name]), window) for name in OBSERVED if name in reference}

    def observe(self, gate_score: float, brightness: float) -> dict[str, float]:
        """Take in one photo.

        Args:
            gate_score: [0, 1].
            brightness: mean luma of the photo, [0, 1].

        Returns:
            Index by name, of OBSERVED, of the last photos; empty until the window is full or without a reference.
        """
        observed = dict(zip(OBSERVED, (gate_score, brightness), strict=True))
        for name, window in self._windows.items():
            window.add(observed[name])
        return {name: window.measure() for name, window in self._windows.items() if window.is_full}


class _Window:
    """The bins of the last photos."""

    def __init__(self, reference: ReferenceHistogram, photos: int) -> None:
        self._edges: Sequence[float] = reference.edges
        self._reference_counts = np.array(reference.shares) * reference.photos
        self._counts = np.zeros(len(reference.shares))
        self._bins: deque[int] = deque()
        self._photos = photos

    @property
    def is_full(self) -> bool:
        return len(self._bins) == self._photos

    def add(self, value: float) -> None:
        if self.is_full:
            self._counts[self._bins.popleft()] -= 1
        position = int(np.searchsorted(self._edges, value, side="right"))
        self._counts[position] += 1
        self._bins.append(position)

    def measure(self) -> float:
        return measure_psi(self._counts, self._reference_counts)


def _parse(name: str, found: object) -> ReferenceHistogram:
    try:
        return ReferenceHistogram.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join((name, *(str(part) for part in first["loc"])))
        raise ValueError(f"reference: {where}: {first['msg'].removeprefix('Value error, ')}") from error
