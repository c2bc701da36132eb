"""Kernel distance: two clouds of features without any model of them; unbiased at every sample size."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.evaluation.generation.features import check_features, check_same_width

DEGREE: Final = 3
COEFFICIENT: Final = 1.0


@dataclass(frozen=True)
class KernelDistance:
    """Squared distances of subsets.

    Attributes:
        mean: over subsets; about 0, and as often below, where both samples have one distribution.
        std: standard deviation of the subsets' values, not of their mean; 0 for a single one.
        subset_size: images of each sample in a subset.
        subsets: how many.
    """

    mean: float
    std: float
    subset_size: int
    subsets: int


def kernel_distance(
    generated: np.ndarray,
    real: np.ndarray,
    rng: np.random.Generator,
    *,
    subset_size: int = 1000,
    subsets: int = 100,
) -> KernelDistance:
    """Measure subsets of two samples.

    Args:
        generated: float (N, F), N >= 2.
        real: float (M, F), M >= 2.
        rng: draws the subsets, without replacement inside each.
        subset_size: at most; no more than the smaller sample has.
        subsets: at least one.

    Raises:
        ContractError: not finite, other widths, or too few rows.
        ValueError: subset_size below 2 or subsets below 1.

    Source: Bińkowski et al. 2018, arXiv 1801.01401, section 4.
    """
    if subset_size < 2 or subsets < 1:
        raise ValueError(f"subset_size, subsets: expected at least 2 and 1, found {subset_size}, {subsets}")
    fake, true = check_features("generated", generated, at_least=2), check_features("real", real, at_least=2)
    check_same_width(fake, true)
    size = min(subset_size, len(fake), len(true))
    values = [
        squared_mmd(
            fake[rng.choice(len(fake), size, replace=False)],
            true[rng.choice(len(true), size, replace=False)],
        )
        for _ in range(subsets)
    ]
    return KernelDistance(float(np.mean(values)), float(np.std(values)), size, subsets)


def squared_mmd(generated: np.ndarray, real: np.ndarray) -> float:
    """Estimate the squared maximum mean discrepancy without bias; it may be negative.

    Args:
        generated: float64 (N, F), N >= 2.
        real: float64 (M, F), M >= 2.

    Source: Gretton et al. 2012, eq. 3, with the kernel (x·y / F + 1)³.
    """

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a @ b.T / a.shape[1] + COEFFICIENT) ** DEGREE

    n, m = len(generated), len(real)
    own, others = kernel(generated, generated), kernel(real, real)
    within = (own.sum() - np.trace(own)) / (n * (n - 1)) + (others.sum() - np.trace(others)) / (m * (m - 1))
    return float(within - 2 * kernel(generated, real).mean())
