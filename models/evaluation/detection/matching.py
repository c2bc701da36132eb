"""Which predicted box found which annotated one, once for every IoU threshold.

In:   boxes of each photo. Out: all predictions by falling score, each with whether it is right.
Must not know: averages, photos' pixels, files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.structures import ContractError, check_array, pairwise_iou_xyxy

IOU_THRESHOLDS: Final = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
"""COCO's .50:.95."""


@dataclass(frozen=True)
class AnnotatedBoxes:
    """The truth of one photo.

    Attributes:
        boxes_xyxy: float (G, 4), any frame.
        class_ids: int (G,), from 0.
    """

    boxes_xyxy: np.ndarray
    class_ids: np.ndarray

    def __post_init__(self) -> None:
        _check_boxes("gt", self.boxes_xyxy, self.class_ids)


@dataclass(frozen=True)
class PredictedBoxes:
    """A detector's answer for one photo, after its suppression of overlaps.

    Attributes:
        boxes_xyxy: float (K, 4), the annotations' frame.
        scores: float (K,), [0, 1].
        class_ids: int (K,), from 0.
    """

    boxes_xyxy: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray

    def __post_init__(self) -> None:
        _check_boxes("pred", self.boxes_xyxy, self.class_ids)
        check_array("pred scores", self.scores, (len(self.boxes_xyxy),), self.scores.dtype, value_range=(0.0, 1.0))


@dataclass(frozen=True)
class DetectionMatches:
    """All that average precision needs of a sample, photos still apart.

    Attributes:
        photo_ids: int64 (D,), each prediction's photo, 0 to P - 1.
        class_ids: int64 (D,).
        scores: float64 (D,), falling; of equal ones the earlier photo's first, as COCO has it.
        is_match: bool (D, T), right at that IoU.
        gt_counts: int64 (P, C), annotated boxes of each photo and class.
        iou_thresholds: the T of them.
    """

    photo_ids: np.ndarray
    class_ids: np.ndarray
    scores: np.ndarray
    is_match: np.ndarray
    gt_counts: np.ndarray
    iou_thresholds: tuple[float, ...]

    def column(self, iou_threshold: float) -> int:
        """Find a threshold among iou_thresholds.

        Raises:
            ValueError: predictions were not matched at it.
        """
        for index, known in enumerate(self.iou_thresholds):
            if abs(known - iou_threshold) < 1e-9:
                return index
        raise ValueError(f"iou_threshold: expected one of {list(self.iou_thresholds)}, found {iou_threshold}")


def match_photos(
    preds: Sequence[PredictedBoxes],
    gts: Sequence[AnnotatedBoxes],
    class_count: int,
    *,
    iou_thresholds: Sequence[float] = IOU_THRESHOLDS,
) -> DetectionMatches:
    """Match every photo's predictions with annotated boxes of their class.

    Args:
        preds: one entry a photo.
        gts: of the same photos.
        class_count: class_ids are below it.
        iou_thresholds: of the T matchings.

    Raises:
        ContractError: other numbers of photos, or a class_id out of range.
        ValueError: an IoU outside (0, 1].

    Source: Lin et al. 2014, COCO's evaluation. Here: no crowds, and no limit of predictions a photo.
    """
    if len(preds) != len(gts):
        raise ContractError(f"preds: expected {len(gts)} photos as the annotations, found {len(preds)}")
    _check_iou_thresholds(iou_thresholds)
    for name, photos in (("pred", preds), ("gt", gts)):
        check_class_range(name, photos, class_count)
    photo_ids, class_ids, scores = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    is_match = [np.zeros((0, len(iou_thresholds)), bool)]
    gt_counts = np.zeros((len(gts), class_count), np.int64)
    for index, (pred, gt) in enumerate(zip(preds, gts, strict=True)):
        gt_counts[index] = np.bincount(gt.class_ids, minlength=class_count)
        order = np.argsort(-pred.scores, kind="stable")
        iou = pairwise_iou_xyxy(pred.boxes_xyxy[order], gt.boxes_xyxy)  # (K, G)
        iou[pred.class_ids[order][:, None] != gt.class_ids] = 0
        photo_ids.append(np.full(len(order), index))
        class_ids.append(pred.class_ids[order].astype(np.int64))
        scores.append(pred.scores[order].astype(np.float64))
        is_match.append((match_greedily(iou, iou_thresholds) >= 0).T)
    order = np.argsort(-np.concatenate(scores), kind="stable")
    return DetectionMatches(
        np.concatenate(photo_ids)[order],
        np.concatenate(class_ids)[order],
        np.concatenate(scores)[order],
        np.concatenate(is_match)[order],
        gt_counts,
        tuple(float(t) for t in iou_thresholds),
    )


def match_greedily(iou: np.ndarray, iou_thresholds: Sequence[float]) -> np.ndarray:
    """Let each prediction, best score first, take the free annotated box that it covers best.

    Args:
        iou: float64 (K, G), predictions by falling score.
        iou_thresholds: a box is taken at this IoU or more; the matchings at different ones are independent.

    Returns:
        int64 (T, K), the annotated box taken, of equal ones the first; -1 for none.
    """
    thresholds = np.asarray(iou_thresholds, np.float64)
    taken = np.full((len(thresholds), len(iou)), -1, np.int64)
    is_free = np.ones((len(thresholds), iou.shape[1]), bool)
    lowest = min(iou_thresholds)
    for k in np.flatnonzero(iou.max(axis=1, initial=0) >= lowest):
        free_iou = np.where(is_free, iou[k], 0)  # (T, G)
        best = free_iou.argmax(axis=1)
        rows = np.flatnonzero(free_iou.max(axis=1) >= thresholds)
        taken[rows, k] = best[rows]
        is_free[rows, best[rows]] = False
    return taken


def _check_boxes(name: str, boxes_xyxy: np.ndarray, class_ids: np.ndarray) -> None:
    check_array(f"{name} boxes_xyxy", boxes_xyxy, (None, 4), boxes_xyxy.dtype)
    if not np.isfinite(boxes_xyxy).all():
        raise ContractError(f"{name} boxes_xyxy: expected finite numbers, found NaN or infinity")
    check_array(f"{name} class_ids", class_ids, (len(boxes_xyxy),), class_ids.dtype)
    if not np.issubdtype(class_ids.dtype, np.integer):
        raise ContractError(f"{name} class_ids: expected integers, found {class_ids.dtype}")


def check_class_range(name: str, photos: Sequence[PredictedBoxes] | Sequence[AnnotatedBoxes], class_count: int) -> None:
    """Refuse a class_id that has no name.

    Raises:
        ContractError: naming the photo.
    """
    for index, photo in enumerate(photos):
        ids = photo.class_ids
        if len(ids) and (ids.min() < 0 or ids.max() >= class_count):
            raise ContractError(f"{name} {index}: expected class_ids from 0 to {class_count - 1}, found {ids.tolist()}")


def _check_iou_thresholds(iou_thresholds: Sequence[float]) -> None:
    if not len(iou_thresholds) or not all(0 < t <= 1 for t in iou_thresholds):
        raise ValueError(f"iou_thresholds: expected numbers in (0, 1], found {list(iou_thresholds)}")
