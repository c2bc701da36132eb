"""Average precision of every seed's detector on every draw of photos: the same draws for all arms and seeds."""

from collections.abc import Sequence

import numpy as np

from models.evaluation.bootstrap import Resampler
from models.evaluation.detection.average_precision import weighted_average_precision
from models.evaluation.detection.matching import DetectionMatches
from models.structures import ContractError


def resample_ap(
    matches_by_seed: Sequence[DetectionMatches], resampler: Resampler, *, iou_threshold: float = 0.5
) -> np.ndarray:
    """Recompute average precision from matches, photos weighted.

    Args:
        matches_by_seed: S detectors on the same P photos.
        resampler: weights of the P photos, 1 + B rows.
        iou_threshold: one of the matches'.

    Returns:
        float64 (S, 1 + B, C), [0, 1]; row 0 is the photos as they are; NaN where a class has no annotated box.

    Raises:
        ContractError: no seed, or detectors on other photos.
    """
    if not matches_by_seed:
        raise ContractError("matches_by_seed: expected at least one seed, found none")
    gt_counts = matches_by_seed[0].gt_counts
    for seed, matches in enumerate(matches_by_seed):
        if not np.array_equal(matches.gt_counts, gt_counts):
            raise ContractError(f"matches_by_seed[{seed}]: expected the photos of seed 0, found other annotations")
    if len(gt_counts) != resampler.weights.shape[1]:
        raise ContractError(f"groups: expected {len(gt_counts)}, one a photo, found {len(resampler.group_ids)}")
    return np.stack(
        [weighted_average_precision(m, resampler.weights, iou_threshold=iou_threshold) for m in matches_by_seed]
    )


def mean_over_classes(values: np.ndarray) -> np.ndarray:
    """Average over the classes that have a value; float (…, C) to (…,), NaN where none has."""
    is_known = np.isfinite(values)
    counts = is_known.sum(axis=-1)
    sums = np.where(is_known, values, 0).sum(axis=-1)
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
