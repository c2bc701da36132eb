"""upright: which quarter turn a photo has been given, learnt from photos that are known to stand.

In:   features of photos in all four turns. Out: turns; turned images, boxes and outlines.
Must not know: files, feature networks, annotation formats.

Some collections come with quarter turns as augmentation. Whoever learns what a person looks like from them learns
persons that hang from the ceiling. A linear probe on a pretrained network's features sorts them out; all four turns of
a photo are looked at, so one doubtful view is outvoted by three.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from models.structures import check_array

TURNS: Final = 4
RIDGE: Final = 1000.0
FOLDS: Final = 6


@dataclass(frozen=True)
class UprightProbe:
    """A ridge regression onto the four turns.

    Attributes:
        mean: float (F,), of the features it was fitted on.
        spread: float (F,), their standard deviations.
        weights: float (F + 1, 4).
        accuracy: share of the known photos whose turn it found when they were left out of its fit.
    """

    mean: np.ndarray
    spread: np.ndarray
    weights: np.ndarray
    accuracy: float

    @classmethod
    def fit(cls, features: np.ndarray) -> Self:
        """Learn from photos that stand.

        Args:
            features: float32 (N, 4, F); [n, k] of photo n turned by k quarters against the clock. N is at least FOLDS.

        Raises:
            ContractError: another shape.
            ValueError: too few photos.
        """
        check_array("features", features, (None, TURNS, None), np.float32)
        if len(features) < FOLDS:
            raise ValueError(f"features: expected at least {FOLDS} photos, found {len(features)}")
        number = np.arange(len(features))
        fold, given = number % FOLDS, number // FOLDS % TURNS
        # Shown in all turns alike, or a probe that cannot tell and says 0 would look as if it could.
        shown = np.stack([np.roll(own, -turn, axis=0) for own, turn in zip(features, given, strict=True)])
        right = 0
        for left_out in range(FOLDS):
            probe = cls(*_ridge(features[fold != left_out]), 0.0)
            right += int((probe.find_turns(shown[fold == left_out]) == given[fold == left_out]).sum())
        return cls(*_ridge(features), right / len(features))

    def find_turns(self, features: np.ndarray) -> np.ndarray:
        """Tell how photos were turned.

        Args:
            features: float32 (M, 4, F); [m, k] of photo m turned by k further quarters against the clock.

        Returns:
            int64 (M,), quarters against the clock that each has been given, 0 to 3.

        Raises:
            ContractError: another shape.
        """
        check_array("features", features, (None, TURNS, len(self.mean)), np.float32)
        scores = _standardise(features, self.mean, self.spread) @ self.weights  # (M, 4 further turns, 4 classes)
        further = np.arange(TURNS)
        votes = [scores[:, further, (further + given) % TURNS].sum(axis=1) for given in range(TURNS)]
        return np.argmax(np.stack(votes, axis=1), axis=1)


def turn_image(image: np.ndarray, quarters: int) -> np.ndarray:
    """Turn an image against the clock; a copy, every pixel as it was."""
    return np.ascontiguousarray(np.rot90(image, quarters))


def turn_points_xy(points_xy: np.ndarray, size_hw: tuple[int, int], quarters: int) -> np.ndarray:
    """Turn points with their photo, against the clock.

    Args:
        points_xy: float (N, 2), photo frame.
        size_hw: of the photo before the turn.
        quarters: how often.

    Returns:
        float64 (N, 2), in the turned photo's frame.
    """
    points, (height, width) = np.asarray(points_xy, np.float64), size_hw
    for _ in range(quarters % TURNS):
        points = np.stack([points[:, 1], width - points[:, 0]], axis=1)
        height, width = width, height
    return points


def _ridge(features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, spread and weights; solved among the photos or among the features, whichever are fewer."""
    flat = features.reshape(-1, features.shape[-1]).astype(np.float64)
    mean, spread = flat.mean(axis=0), flat.std(axis=0) + 1e-6
    inputs = _standardise(flat, mean, spread)
    truth = np.tile(np.eye(TURNS), (len(features), 1))
    rows, columns = inputs.shape
    if rows <= columns:
        return mean, spread, inputs.T @ np.linalg.solve(inputs @ inputs.T + RIDGE * np.eye(rows), truth)
    return mean, spread, np.linalg.solve(inputs.T @ inputs + RIDGE * np.eye(columns), inputs.T @ truth)


def _standardise(features: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    scaled = (features - mean) / spread
    return np.concatenate([scaled, np.ones((*scaled.shape[:-1], 1))], axis=-1)
