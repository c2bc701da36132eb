"""How far an exported network and its torch original differ, in numbers and in what would be decided.

Must not know: files, formats.
"""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import torch
from torch import nn

from models.localizer.nms import suppress_boxes
from models.runtime import Runtime
from models.structures import DAMAGE_CLASSES, largest_box, pairwise_iou_xyxy

SAME_BOX_IOU: Final = 0.9


def measure_parity(
    wrapped: nn.Module,
    runtime: Runtime,
    batch: np.ndarray,
    *,
    thresholds: Mapping[str, float] | None = None,
    compare: Callable[..., dict[str, float]] | None = None,
) -> dict[str, float]:
    """Compare an exported network with its torch original in f32, one input at a time.

    Args:
        wrapped: the original.
        runtime: runs the exported one.
        batch: float32 (N, 3, H, W).
        thresholds: the card's; None leaves the decisions out.
        compare: how; None: compare_answers.

    Returns:
        As compare.
    """
    with torch.no_grad():  # a head that keeps its grid must stay trainable
        original = np.concatenate([wrapped(torch.from_numpy(row[None])).float().numpy() for row in batch])
    exported = np.concatenate([runtime.run(row[None]) for row in batch])
    return (compare or compare_answers)(original, exported, thresholds=thresholds)


def compare_answers(
    original: np.ndarray, exported: np.ndarray, *, thresholds: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Compare two answers of one network to the same batch.

    Args:
        original: float32, (N, 1) scores, (N, 4 + C, A) boxes cxcywh and scores, or (N, 3, H, W) probs.
        exported: the same shape.
        thresholds: the card's; None leaves the decisions out.

    Returns:
        score_max_difference, score_mean_difference: absolute. box_max_difference_px: input pixels, boxes that score
        above 0.25. decision_agreement, 1 = the same: of scores, the share on the same side of the threshold; of boxes,
        the share of images whose largest boxes have an IoU of 0.9 or more, or that both have none; of probs, the Dice
        coefficient of the two masks, pooled over images and classes.
    """
    difference = np.abs(exported - original)
    if original.ndim == 3:
        measures = _compare_boxes(original, difference)
    else:
        measures = {"score_max_difference": float(difference.max()), "score_mean_difference": float(difference.mean())}
    if thresholds is not None:
        measures["decision_agreement"] = _agree(original, exported, thresholds)
    return measures


def _compare_boxes(original: np.ndarray, difference: np.ndarray) -> dict[str, float]:
    likely = original[:, 4:].max(axis=1) > 0.25  # (N, A): boxes of empty cells are never read
    boxes = difference[:, :4].max(axis=1)[likely]
    return {
        "score_max_difference": float(difference[:, 4:].max()),
        "score_mean_difference": float(difference[:, 4:].mean()),
        "box_max_difference_px": float(boxes.max()) if boxes.size else 0.0,
    }


def _agree(original: np.ndarray, exported: np.ndarray, thresholds: Mapping[str, float]) -> float:
    if original.ndim == 2:
        limit = thresholds["score_threshold"]
        return float(((original >= limit) == (exported >= limit)).mean())
    if original.ndim == 3:
        pairs = zip(original, exported, strict=True)
        return float(np.mean([_is_same_box(*(_choose_box(rows, thresholds) for rows in pair)) for pair in pairs]))
    limits = np.array([thresholds[f"{name}_score_threshold"] for name in DAMAGE_CLASSES], np.float32)[:, None, None]
    masks, others = original >= limits, exported >= limits
    total = int(masks.sum()) + int(others.sum())
    return 2 * int((masks & others).sum()) / total if total else 1.0


def _choose_box(rows: np.ndarray, thresholds: Mapping[str, float]) -> np.ndarray | None:
    """The box that serving would crop, input frame: float (4,), or None."""
    centres, extents = rows[:2].T, rows[2:4].T
    boxes_xyxy_input = np.concatenate([centres - extents / 2, centres + extents / 2], axis=1)
    kept = suppress_boxes(
        boxes_xyxy_input,
        rows[4:].max(axis=0),
        score_threshold=thresholds["score_threshold"],
        iou_threshold=thresholds["iou_threshold"],
        class_ids=rows[4:].argmax(axis=0),
    )
    return largest_box(boxes_xyxy_input[kept]) if len(kept) else None


def _is_same_box(box: np.ndarray | None, other: np.ndarray | None) -> bool:
    if box is None or other is None:
        return box is other
    return bool(pairwise_iou_xyxy(box[None], other[None])[0, 0] >= SAME_BOX_IOU)
