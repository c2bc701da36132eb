"""Fréchet distance: two clouds of features, each taken for a Gaussian."""

from dataclasses import dataclass

import numpy as np

from models.evaluation.generation.features import check_features
from models.structures import ContractError


@dataclass(frozen=True)
class FrechetDistance:
    """A distance, and whether its covariances were fully seen.

    Attributes:
        value: >= 0; 0 for equal moments.
        is_singular: one of the samples has no more images than features, so that its covariance has directions without
            any spread: compare the value with none of another sample size.
    """

    value: float
    is_singular: bool


class FeatureMoments:
    """Count, mean and covariance of features that come in batches; float64 throughout.

    Source: Chan, Golub and LeVeque 1979, eq. 2.1: batches' moments are merged without losing digits.
    """

    def __init__(self) -> None:
        self.count = 0
        self._mean = np.zeros(0)
        self._scatter = np.zeros((0, 0))

    def add(self, features: np.ndarray) -> None:
        """Take a batch in.

        Args:
            features: float (N, F); F as in the first batch.

        Raises:
            ContractError: not finite, or of another width.
        """
        batch = check_features("features", features)
        width = batch.shape[1]
        if not self.count:
            self._mean, self._scatter = np.zeros(width), np.zeros((width, width))
        if width != len(self._mean):
            raise ContractError(f"features: expected {len(self._mean)} a row, found {width}")
        mean = batch.mean(axis=0)
        centred, shift = batch - mean, mean - self._mean
        total = self.count + len(batch)
        self._scatter += centred.T @ centred + np.outer(shift, shift) * (self.count * len(batch) / total)
        self._mean = self._mean + shift * (len(batch) / total)
        self.count = total

    @property
    def mean(self) -> np.ndarray:
        """float64 (F,).

        Raises:
            ContractError: fewer than two rows so far.
        """
        self._check_count()
        return self._mean

    @property
    def covariance(self) -> np.ndarray:
        """float64 (F, F), divided by one less than the count.

        Raises:
            ContractError: fewer than two rows so far.
        """
        self._check_count()
        return self._scatter / (self.count - 1)

    def _check_count(self) -> None:
        if self.count < 2:
            raise ContractError(f"features: expected at least 2 rows for a covariance, found {self.count}")


def frechet_distance(generated: FeatureMoments, real: FeatureMoments) -> FrechetDistance:
    """Compare two samples by the distance of Gaussians with their moments.

    Args:
        generated: at least two rows.
        real: likewise, of the same network.

    Raises:
        ContractError: fewer rows, or other widths.

    Source: Heusel et al. 2017, arXiv 1706.08500, eq. 6: |μr − μg|² + Tr(Σr + Σg − 2 (Σr Σg)^½). Here: Σr Σg has the
    eigenvalues of the symmetric Σr^½ Σg Σr^½, so the root's trace is the sum of their roots; no complex number appears
    where a covariance is singular.
    """
    if len(generated.mean) != len(real.mean):
        raise ContractError(f"real: expected {len(generated.mean)} features a row, found {len(real.mean)}")
    values, vectors = np.linalg.eigh(real.covariance)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    product = root @ generated.covariance @ root
    crossed = np.sqrt(np.clip(np.linalg.eigvalsh((product + product.T) / 2), 0, None)).sum()
    shift = generated.mean - real.mean
    value = shift @ shift + np.trace(real.covariance) + np.trace(generated.covariance) - 2 * crossed
    is_singular = min(generated.count, real.count) <= len(shift)
    return FrechetDistance(max(float(value), 0.0), is_singular)
