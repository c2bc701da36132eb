"""What annotated boxes are taken for: by class, by another class, or by the background."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.evaluation.detection.matching import (
    AnnotatedBoxes,
    PredictedBoxes,
    check_class_range,
    match_greedily,
)
from models.structures import ContractError, pairwise_iou_xyxy

SCORE_THRESHOLD: Final = 0.25
IOU_THRESHOLD: Final = 0.45


@dataclass(frozen=True)
class ConfusionMatrix:
    """Counts of boxes.

    Attributes:
        counts: int64 (C + 1, C + 1), row = predicted class, column = annotated class; the last of each is the
            background: the row of annotated boxes that nothing found, the column of predictions on nothing.
    """

    counts: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """Each column divided by its sum, float64 (C + 1, C + 1); NaN where a column is empty."""
        totals = self.counts.sum(axis=0, keepdims=True).astype(np.float64)
        return np.divide(self.counts, totals, out=np.full(self.counts.shape, np.nan), where=totals > 0)

    @property
    def true_positive_shares(self) -> np.ndarray:
        """Share of each class's annotated boxes found as that class, float64 (C,): "TP" of A12's table."""
        return np.diagonal(self.shares)[:-1].copy()

    @property
    def missed_shares(self) -> np.ndarray:
        """Share of each class's annotated boxes that nothing found, float64 (C,): "FN→background" of A12's table."""
        return self.shares[-1, :-1].copy()


def count_confusions(
    preds: Sequence[PredictedBoxes],
    gts: Sequence[AnnotatedBoxes],
    class_count: int,
    *,
    score_threshold: float = SCORE_THRESHOLD,
    iou_threshold: float = IOU_THRESHOLD,
) -> ConfusionMatrix:
    """Match boxes whatever their classes, then compare these.

    Args:
        preds: one entry a photo.
        gts: of the same photos.
        class_count: class_ids are below it.
        score_threshold: a box with this score or less is not shown, as YOLOv5 has it.
        iou_threshold: of a match.

    Raises:
        ContractError: other numbers of photos, or a class_id out of range.

    Source: SEEDS A11; YOLOv5's and ultralytics' ConfusionMatrix.
    """
    if len(preds) != len(gts):
        raise ContractError(f"preds: expected {len(gts)} photos as the annotations, found {len(preds)}")
    check_class_range("pred", preds, class_count)
    check_class_range("gt", gts, class_count)
    counts = np.zeros((class_count + 1, class_count + 1), np.int64)
    for pred, gt in zip(preds, gts, strict=True):
        order = np.argsort(-pred.scores, kind="stable")
        order = order[pred.scores[order] > score_threshold]
        iou = pairwise_iou_xyxy(pred.boxes_xyxy[order], gt.boxes_xyxy)
        taken = match_greedily(iou, [iou_threshold])[0]  # (K,)
        is_found = np.isin(np.arange(len(gt.class_ids)), taken)
        shown = pred.class_ids[order]
        np.add.at(counts, (shown[taken >= 0], gt.class_ids[taken[taken >= 0]]), 1)
        np.add.at(counts, (shown[taken < 0], class_count), 1)
        np.add.at(counts, (class_count, gt.class_ids[~is_found]), 1)
    return ConfusionMatrix(counts)
