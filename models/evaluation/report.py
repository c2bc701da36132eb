"""Judges a set of predictors on annotated photos, by the path that serving takes.

localizer → crop of the largest car, or the whole photo → gate, segmenter → masks by plain thresholds → photo frame.
Real and rendered photos are reported apart, and a photo is judged only by what its annotation says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.data.photos import AnnotatedPhoto, load_ignored, load_image, load_masks
from models.evaluation.boxes import iou_of_largest
from models.evaluation.masks import (
    count_overlap,
    count_regions,
    dice_foreground_positives,
    iou_foreground_positives,
    recall_regions,
)
from models.evaluation.scores import precision_at_prevalence, rates_at, roc_auc, skip_rate_at_prevalence
from models.gate.predictor import Gate
from models.localizer.predictor import Localizer
from models.segmenter.predictor import Segmenter
from models.structures import DAMAGE_CLASSES, CropWindow, largest_box

MARGIN_RATIO = 0.05
MIN_AREA_PX2 = 20
PREVALENCE = 0.02


@dataclass(frozen=True)
class PhotoOutcome:
    """What the predictors said about one photo.

    Attributes:
        photo: the photo.
        boxes_xyxy: float32 (K, 4), photo frame.
        window: what the gate and the segmenter saw.
        gate_score: [0, 1].
        probs: float16 (3, h, w), crop frame; None if the photo's damaged pixels are not known.
    """

    photo: AnnotatedPhoto
    boxes_xyxy: np.ndarray
    window: CropWindow
    gate_score: float
    probs: np.ndarray | None


def predict_photo(
    photo: AnnotatedPhoto, localizer: Localizer, gate: Gate, segmenter: Segmenter, *, margin_ratio: float = MARGIN_RATIO
) -> PhotoOutcome:
    """Run every predictor on one photo; the segmenter also where the gate would have let the photo go."""
    image = load_image(photo.path)
    boxes = localizer.predict_boxes([image])[0].boxes_xyxy_photo
    window = CropWindow.whole(image.shape[:2])
    if len(boxes):
        window = CropWindow.around(largest_box(boxes), image.shape[:2], margin_ratio=margin_ratio)
    crop = np.ascontiguousarray(window.cut(image))
    probs = segmenter.predict_probs([crop])[0].astype(np.float16) if photo.has_regions else None
    return PhotoOutcome(photo, boxes, window, float(gate.predict_scores([crop])[0]), probs)


def masks_of(outcome: PhotoOutcome, class_thresholds: Sequence[float]) -> np.ndarray:
    """The masks of one outcome; bool (3, H, W), photo frame."""
    photo, window = outcome.photo, outcome.window
    masks = np.zeros((len(DAMAGE_CLASSES), photo.height, photo.width), bool)
    limits = np.asarray(class_thresholds, np.float16)[:, None, None]
    masks[:, window.y0 : window.y1, window.x0 : window.x1] = outcome.probs >= limits
    return masks


def evaluate_outcomes(
    outcomes: Sequence[PhotoOutcome], *, gate_score_threshold: float, class_thresholds: Sequence[float]
) -> dict[str, Any]:
    """Measure what can be measured on a sample.

    Args:
        outcomes: of one sample, for example the real val photos.
        gate_score_threshold: a photo scoring this or more goes on.
        class_thresholds: per DAMAGE_CLASSES; a pixel with this prob or more is damaged.

    Returns:
        Measure name to number, only those that the sample allows.
    """
    return {
        "photos": len(outcomes),
        **_evaluate_boxes(outcomes),
        **_evaluate_gate(outcomes, gate_score_threshold),
        **_evaluate_masks(outcomes, gate_score_threshold, class_thresholds),
    }


def _evaluate_boxes(outcomes: Sequence[PhotoOutcome]) -> dict[str, Any]:
    boxed = [o for o in outcomes if o.photo.car_box_xyxy is not None]
    if not boxed:
        return {}
    overlaps = np.array([iou_of_largest(o.boxes_xyxy, o.photo.car_box_xyxy) for o in boxed])
    return {
        "localizer_photos_with_box": len(boxed),
        "localizer_iou50_rate": float((overlaps >= 0.5).mean()),
        "localizer_mean_iou": float(overlaps.mean()),
        "localizer_no_box_rate": float(np.mean([len(o.boxes_xyxy) == 0 for o in boxed])),
    }


def _evaluate_gate(outcomes: Sequence[PhotoOutcome], score_threshold: float) -> dict[str, Any]:
    scores = np.array([o.gate_score for o in outcomes])
    is_damaged = np.array([o.photo.damage_level == 1 for o in outcomes], bool)
    if not is_damaged.any() or is_damaged.all():
        return {}
    recall, false_rate = rates_at(scores, is_damaged, score_threshold=score_threshold)
    return {
        "gate_damaged_photos": int(is_damaged.sum()),
        "gate_undamaged_photos": int((~is_damaged).sum()),
        "gate_roc_auc": roc_auc(scores, is_damaged),
        "gate_recall": recall,
        "gate_false_positive_rate": false_rate,
        "gate_skip_rate_at_2_percent_prevalence": skip_rate_at_prevalence(recall, false_rate, prevalence=PREVALENCE),
        "gate_precision_at_2_percent_prevalence": precision_at_prevalence(recall, false_rate, prevalence=PREVALENCE),
    }


def _evaluate_masks(
    outcomes: Sequence[PhotoOutcome], gate_score_threshold: float, class_thresholds: Sequence[float]
) -> dict[str, Any]:
    counts, found, annotated = [], np.zeros(3, np.int64), np.zeros(3, np.int64)
    false_regions, false_regions_passed, undamaged = 0, 0, 0
    for outcome in outcomes:
        if outcome.probs is None:
            continue
        pred_masks, gt_masks = masks_of(outcome, class_thresholds), load_masks(outcome.photo)
        if outcome.photo.damage_level == 0:
            regions = int(count_regions(pred_masks, min_area_px2=MIN_AREA_PX2).sum())
            undamaged += 1
            false_regions += regions
            false_regions_passed += regions * (outcome.gate_score >= gate_score_threshold)
            continue
        counts.append(count_overlap(pred_masks, gt_masks, load_ignored(outcome.photo)))
        hits, total = recall_regions(pred_masks, gt_masks, min_overlap=0.25)
        found, annotated = found + hits, annotated + total
    measures: dict[str, Any] = {}
    if counts:
        iou, dice = iou_foreground_positives(counts), dice_foreground_positives(counts)
        for channel, name in enumerate(DAMAGE_CLASSES):
            if annotated[channel]:
                measures[f"{name}_iou_foreground_positives"] = float(iou[channel])
                measures[f"{name}_dice_foreground_positives"] = float(dice[channel])
                measures[f"{name}_region_recall_overlap_25"] = float(found[channel] / annotated[channel])
                measures[f"{name}_regions"] = int(annotated[channel])
    if undamaged:
        measures["false_regions_per_undamaged_photo_without_gate"] = false_regions / undamaged
        measures["false_regions_per_undamaged_photo"] = false_regions_passed / undamaged
    return measures
