"""Quality of masks over a sample of photos, per class and per mask policy, with intervals over groups.

The gate takes no part here, except where a name says so.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.evaluation.bootstrap import Estimate, Resampler, put
from models.evaluation.boundaries import TOLERANCE_PX, boundary_f
from models.evaluation.judgement import PhotoJudgement, variants_of
from models.evaluation.masks import iou_seed_convention
from models.structures import DAMAGE_CLASSES


def evaluate_segmentation(
    judgements: Sequence[PhotoJudgement],
    resampler: Resampler,
    *,
    row: int,
    policies: Sequence[str],
    serving: Sequence[str],
    gate_score_threshold: float,
) -> dict[str, Any]:
    """Measure the masks at one row of thresholds.

    Args:
        judgements: of one sample.
        resampler: over the same photos, in order.
        row: of the thresholds, the nominal one.
        policies: those that were judged.
        serving: the policy of each class that serves.
        gate_score_threshold: for what counts after the gate.

    Returns:
        Measures of what serves, and under "by_policy" of each policy for all classes; empty where nothing is annotated.
    """
    known = np.array([j.masks is not None for j in judgements], bool)
    is_damaged = np.array([j.photo.damage_level == 1 for j in judgements], bool)
    if not known.any():
        return {}
    variants = variants_of(serving, policies)
    table = _stack([j.masks.overlap_px[:, row] if j.masks else None for j in judgements])  # (N, P, C, 3)
    regions = _stack([j.masks.regions[:, row] if j.masks else None for j in judgements])  # (N, P, C)
    boundary = _stack([j.masks.boundary_px if j.masks else None for j in judgements])  # (N, P, C, 4)
    counted = np.array([j.masks.counted_px if j.masks else 1 for j in judgements])
    passes = np.array([j.gate_score >= gate_score_threshold for j in judgements], bool)
    classes = range(len(DAMAGE_CLASSES))
    measured: dict[str, dict[str, Any]] = {}
    for name, chosen in variants.items():
        measures: dict[str, Any] = {}
        own = table[:, list(chosen), classes]  # (N, C, 3)
        for channel, class_name in enumerate(DAMAGE_CLASSES):
            _put_overlap(measures, class_name, own[:, channel], resampler)
            put(
                measures,
                f"{class_name}_boundary_f_{TOLERANCE_PX}px",
                _boundary(boundary[:, chosen[channel], channel], own[:, channel, 2] > 0, resampler),
            )
            _put_region_recall(measures, class_name, name, judgements, resampler)
        _put_seed_convention(measures, own, counted, known, passes, resampler)
        false_regions = regions[:, list(chosen), classes].sum(axis=1) * ~is_damaged
        is_judged = known & ~is_damaged
        false_name = "false_regions_per_undamaged_photo"
        put(measures, f"{false_name}_without_gate", resampler.mean(false_regions, is_judged))
        put(measures, false_name, resampler.mean(false_regions * passes, is_judged))
        measured[name] = measures
    return {**measured.pop("serving"), "by_policy": measured}


def _stack(rows: Sequence[np.ndarray | None]) -> np.ndarray:
    """Stack counts of photos, 0 for those whose damaged pixels are not known."""
    shape = next(row.shape for row in rows if row is not None)
    return np.stack([np.zeros(shape, np.int64) if row is None else row for row in rows])


def _put_overlap(measures: dict[str, Any], class_name: str, own: np.ndarray, resampler: Resampler) -> None:
    """IoU and Dice of one class; own is int64 (N, 3). Only photos that show the class count, pixels pooled."""
    intersection, predicted, annotated = (own * (own[:, 2:] > 0)).T
    union = predicted + annotated - intersection
    put(measures, f"{class_name}_iou_foreground_positives", resampler.ratio(intersection, union))
    put(measures, f"{class_name}_dice_foreground_positives", resampler.ratio(2 * intersection, predicted + annotated))


def _boundary(counts: np.ndarray, shows: np.ndarray, resampler: Resampler) -> Estimate:
    """Boundary F of one class, borders pooled over the photos that show it; counts is int64 (N, 4)."""
    return resampler.measure(lambda weights: boundary_f(weights @ counts[shows]), shows)


def _put_region_recall(
    measures: dict[str, Any], class_name: str, variant: str, judgements: Sequence[PhotoJudgement], resampler: Resampler
) -> None:
    """Share of one class's annotated regions that are found."""
    class_id = DAMAGE_CLASSES.index(class_name) + 1
    own = [[r for r in (j.masks.annotated if j.masks else ()) if r.class_id == class_id] for j in judgements]
    annotated = np.array([len(regions) for regions in own])
    found = np.array([sum(r.is_found[variant] for r in regions) for regions in own])
    put(measures, f"{class_name}_region_recall_overlap_25", resampler.ratio(found, annotated))
    if annotated.sum():
        measures[f"{class_name}_regions"] = int(annotated.sum())


def _put_seed_convention(
    measures: dict[str, Any],
    own: np.ndarray,
    counted: np.ndarray,
    known: np.ndarray,
    passes: np.ndarray,
    resampler: Resampler,
) -> None:
    """The seed's IoU, over all photos; own is int64 (N, C, 3)."""
    intersection, predicted, annotated = np.moveaxis(own, 2, 0)  # (N, C) each
    for name, is_kept in (("iou_seed_convention", np.ones(len(own), bool)), ("iou_seed_convention_after_gate", passes)):
        kept = is_kept[:, None]
        values = iou_seed_convention(intersection * kept, predicted * kept, annotated, counted[:, None])
        put(measures, name, resampler.mean(values.mean(axis=1), known))
    union = predicted + annotated - intersection
    sound = (counted[:, None] - union) * known[:, None]  # background on both sides
    sound_union = (counted[:, None] - intersection) * known[:, None]
    pooled = resampler.ratio((intersection + sound).sum(axis=1), (union + sound_union).sum(axis=1))
    put(measures, "iou_seed_convention_pixels_pooled", pooled)
