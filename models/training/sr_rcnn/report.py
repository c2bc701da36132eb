"""What a comparison says: averages with intervals, gains over plain Mask R-CNN, cost, a sentence on small objects.

In:   measures of every seed and variant. Out: JSON values.
Must not know: files, networks.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from scipy import stats

from models.evaluation.bootstrap import INTERVAL_SHARE
from models.evaluation.coco import IOU_TYPES, MEASURES
from models.evaluation.proof.gain import PairedGain, own_seed_error, paired_gain
from models.sr_rcnn.options import MASK_RCNN
from models.training.sr_rcnn.measuring import Measures

PROTOCOL: Final = (
    "COCO's evaluation by pycocotools on the judged photos, 100 detections a photo and class; small < 32², "
    "medium < 96² square pixels of the object's mask in the photo as it is, before any resize. value: mean over the "
    "seeds. interval_95: over photos (bootstrap of whole scenes) and seeds (Student's t) together; interval_95_seeds: "
    "Student's t over the seeds alone; neither holds the luck of a base, which all seeds share. All numbers are shares "
    "of 1."
)


def summarise(measures_by_seed: Sequence[Measures]) -> dict[str, Any]:
    """Average the seeds and compare each variant with plain Mask R-CNN, pair by pair.

    Args:
        measures_by_seed: one entry a seed, every variant in each.

    Returns:
        By variant: box and mask, by name of COCO's measures: value, interval_95, interval_95_seeds, by_seed; and, but
        for mask-rcnn, minus_mask_rcnn with the same, paired. None where no judged object bears on a number, and for
        intervals that a single seed or scene cannot have.
    """
    report: dict[str, Any] = {}
    for variant in measures_by_seed[0]:
        report[variant] = {}
        for kind in IOU_TYPES:
            report[variant][kind] = {}
            for name in MEASURES:
                own, plain = (
                    np.stack([measures[which][kind][name] for measures in measures_by_seed])
                    for which in (variant, MASK_RCNN)
                )
                told = _tell(own, np.zeros_like(own))
                if variant != MASK_RCNN:
                    told["minus_mask_rcnn"] = _tell(own, plain)
                report[variant][kind][name] = told
    return report


def tell_of_small_objects(summary: Mapping[str, Any], *, seeds: int, small_objects: int) -> str:
    """Say plainly whether small objects gained.

    Args:
        summary: of summarise.
        seeds: trained pairs.
        small_objects: judged ones.
    """
    if small_objects == 0:
        return "No small object among the judged photos: nothing can be said of them."
    parts = []
    for variant, kinds in summary.items():
        if variant == MASK_RCNN:
            continue
        gain = kinds["box"]["AP_S"]["minus_mask_rcnn"]
        value, interval = gain["value"], gain["interval_95"]
        if interval is None:
            parts.append(f"{variant} {100 * value:+.1f} points (no interval: not shown)")
            continue
        verdict = "gained" if interval[0] > 0 else "lost" if interval[1] < 0 else "no difference shown"
        low, high = (100 * edge for edge in interval)
        parts.append(f"{variant} {100 * value:+.1f} points (95 %: {low:+.1f} to {high:+.1f}; {verdict})")
    told = "; ".join(parts)
    return f"Box AP of {small_objects} small objects, minus plain Mask R-CNN's, {seeds} paired seed(s): {told}."


def _tell(own: np.ndarray, other: np.ndarray) -> dict[str, Any]:
    """Of S seeds and B resamples, float64 (S, 1 + B), own minus other."""
    by_seed = own[:, 0] - other[:, 0]
    if not np.isfinite(by_seed).all():
        return {"value": None, "interval_95": None, "interval_95_seeds": None, "by_seed": None}
    gain: PairedGain = paired_gain(own, other, np.random.default_rng(0))
    return {
        "value": gain.value,
        "interval_95": None if gain.low is None else [gain.low, gain.high],
        "interval_95_seeds": _seed_interval(by_seed),
        "by_seed": by_seed.tolist(),
    }


def _seed_interval(by_seed: np.ndarray) -> list[float] | None:
    if len(by_seed) < 2:
        return None
    error = own_seed_error(by_seed)
    reach = stats.t.ppf((1 + INTERVAL_SHARE) / 2, error.degrees) * error.standard_error
    return [float(by_seed.mean() - reach), float(by_seed.mean() + reach)]
