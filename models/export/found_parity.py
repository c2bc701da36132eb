"""How far an exported detector and its torch original differ: detections are paired first, their order may differ.

Must not know: files, formats.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from models.export.parity import SAME_BOX_IOU
from models.sr_rcnn.predictor import FIELDS
from models.structures import pairwise_iou_xyxy


def compare_found(
    original: np.ndarray,
    exported: np.ndarray,
    *,
    class_names: Sequence[str],
    thresholds: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Compare two answers of one detector to the same batch.

    Args:
        original: float32 (N, D, 6 + S²), rows as FinderForExport gives them.
        exported: the same shape.
        class_names: class_id 1 is the first.
        thresholds: the card's; None: every detection counts.

    Returns:
        paired_share: detections, of any score, that the other answer has too: of the same class, with an IoU of 0.9 or
        more. Over these pairs score_max_difference, score_mean_difference, box_max_difference_px (input pixels),
        mask_max_difference; nothing where nothing is paired. decision_agreement, 1 = the same: twice the pairs that
        count in both, over all that count in either; left out where none does.
    """
    limits = np.array([0.0, *((thresholds or {}).get(f"{name}_score_threshold", 0.0) for name in class_names)])
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    shown = same = found = 0
    for own, other in zip(original, exported, strict=True):
        own_shown, other_shown = _counts(own, limits), _counts(other, limits)
        shown += int(own_shown.sum() + other_shown.sum())
        found += int((own[:, 4] > 0).sum() + (other[:, 4] > 0).sum())
        for i, j in _pair(own, other):
            pairs.append((own[i], other[j]))
            same += int(own_shown[i] and other_shown[j])
    measures = {"paired_share": 2 * len(pairs) / found if found else 1.0}
    if pairs:
        differences = np.abs(np.stack([a - b for a, b in pairs]))
        measures |= {
            "score_max_difference": float(differences[:, 4].max()),
            "score_mean_difference": float(differences[:, 4].mean()),
            "box_max_difference_px": float(differences[:, :4].max()),
            "mask_max_difference": float(differences[:, FIELDS:].max()),
        }
    return {**measures, "decision_agreement": 2 * same / shown} if shown else measures


def _counts(rows: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Which rows are detections that count; bool (D,)."""
    return (rows[:, 4] > 0) & (rows[:, 4] >= limits[rows[:, 5].astype(np.int64)])


def _pair(rows: np.ndarray, others: np.ndarray) -> list[tuple[int, int]]:
    """Indices of the same detection in both, each used once, best score first."""
    iou = pairwise_iou_xyxy(rows[:, :4], others[:, :4])
    iou[(rows[:, 5:6] != others[:, 5]) | (rows[:, 4:5] <= 0) | (others[:, 4] <= 0)] = 0
    pairs = []
    for i in range(len(rows)):
        j = int(iou[i].argmax())
        if iou[i, j] >= SAME_BOX_IOU:
            pairs.append((i, j))
            iou[:, j] = 0
    return pairs
