"""The row of a detector in a table like A12's: P, R, AP at .50 and .50:.95, TP share, FN→background."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.evaluation.detection.average_precision import average_precision
from models.evaluation.detection.confusion import ConfusionMatrix, count_confusions
from models.evaluation.detection.matching import AnnotatedBoxes, DetectionMatches, PredictedBoxes, match_photos
from models.evaluation.detection.operating_points import find_highest_f1, measure_operating_point


@dataclass(frozen=True)
class DetectionRow:
    """Quality of one detector, of one class or averaged over the classes that have truth; NaN without any truth.

    Attributes:
        gt_count: annotated boxes.
        precision: at the highest mean F1 over classes, IoU 0.50.
        recall: there.
        precision_at_25: at score_threshold 0.25, IoU 0.50.
        recall_at_25: there.
        ap_50: average precision at IoU 0.50.
        ap_50_95: mean of it over .50:.95.
        true_positive_share: found as its class, at score 0.25 and IoU 0.45, any class competing.
        missed_share: found as nothing, there.
    """

    gt_count: int
    precision: float
    recall: float
    precision_at_25: float
    recall_at_25: float
    ap_50: float
    ap_50_95: float
    true_positive_share: float
    missed_share: float


@dataclass(frozen=True)
class DetectionTable:
    """All measures of one detector on one sample.

    Attributes:
        overall: means over the classes that have truth.
        per_class: by class name, in the classes' order.
        score_threshold: where precision and recall were taken.
        confusion: boxes, as SEEDS A11 counts them.
        matches: for the comparison with other detectors.
    """

    overall: DetectionRow
    per_class: dict[str, DetectionRow]
    score_threshold: float
    confusion: ConfusionMatrix
    matches: DetectionMatches


def evaluate_detections(
    preds: Sequence[PredictedBoxes], gts: Sequence[AnnotatedBoxes], class_names: Sequence[str]
) -> DetectionTable:
    """Measure one detector by SEEDS A11's protocol.

    Args:
        preds: one entry a photo, after suppression at IoU 0.6, scores from 0.001 up.
        gts: of the same photos.
        class_names: of class_id 0, 1, …

    Raises:
        ContractError: other numbers of photos, or a class_id without a name.
    """
    matches = match_photos(preds, gts, len(class_names))
    confusion = count_confusions(preds, gts, len(class_names))
    ap = average_precision(matches)
    at_f1, at_25 = find_highest_f1(matches), measure_operating_point(matches, score_threshold=0.25)
    measured = np.stack(
        [
            at_f1.precision,
            at_f1.recall,
            at_25.precision,
            at_25.recall,
            ap[:, 0],
            ap.mean(axis=1),
            confusion.true_positive_shares,
            confusion.missed_shares,
        ]
    )  # (8, C)
    gt_counts = matches.gt_counts.sum(axis=0)
    with_truth = measured[:, gt_counts > 0]
    means = with_truth.mean(axis=1) if with_truth.size else np.full(len(measured), np.nan)
    return DetectionTable(
        DetectionRow(int(gt_counts.sum()), *means.tolist()),
        {
            name: DetectionRow(int(count), *column.tolist())
            for name, count, column in zip(class_names, gt_counts, measured.T, strict=True)
        },
        at_f1.score_threshold,
        confusion,
        matches,
    )
