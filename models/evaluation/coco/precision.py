"""Average precision as COCO has it: AP, AP50, AP75 and by size, of boxes or masks.

In:   boxes and run-length masks of each photo, in the photo's own pixels. Out: six numbers, and every match.
Must not know: detectors, files.

Sizes are those of the photo as it is, before any detector resizes it: an object is small below 32², medium below 96²
square pixels of its mask.

Source: Lin et al. 2014, arXiv 1405.0312; pycocotools computes it.
"""

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from models.structures import ContractError

MEASURES: Final = ("AP", "AP50", "AP75", "AP_S", "AP_M", "AP_L")
IOU_TYPES: Final = {"box": "bbox", "mask": "segm"}
Rle = Mapping[str, Any]


@dataclass(frozen=True)
class CocoAnnotations:
    """The truth of one photo.

    Attributes:
        size_hw: of the photo.
        class_ids: int (G,), from 1.
        boxes_xyxy: float (G, 4).
        masks: G run-length codes, of encode_masks; their areas decide who is small.
    """

    size_hw: tuple[int, int]
    class_ids: np.ndarray
    boxes_xyxy: np.ndarray
    masks: Sequence[Rle]

    def __post_init__(self) -> None:
        _check_counts("gt", self.class_ids, self.boxes_xyxy, self.masks)


@dataclass(frozen=True)
class CocoDetections:
    """A detector's answer for one photo.

    Attributes:
        class_ids: int (K,), from 1.
        scores: float (K,).
        boxes_xyxy: float (K, 4).
        masks: K run-length codes.
    """

    class_ids: np.ndarray
    scores: np.ndarray
    boxes_xyxy: np.ndarray
    masks: Sequence[Rle]

    def __post_init__(self) -> None:
        _check_counts("pred", self.class_ids, self.boxes_xyxy, self.masks)
        _check_counts("pred scores", self.scores, self.boxes_xyxy, self.masks)


@dataclass(frozen=True)
class CocoOutcome:
    """What pycocotools found.

    Attributes:
        measures: by name of MEASURES; NaN where no annotated object bears on it.
        matches: of photo p, class c and size a (all, small, medium, large) at [c][a][p], as COCOeval.evalImgs has
            them; None where there is nothing.
        iou_thresholds: float (T,).
    """

    measures: Mapping[str, float]
    matches: Sequence[Sequence[Sequence[Mapping[str, Any] | None]]]
    iou_thresholds: np.ndarray


def encode_masks(masks: np.ndarray) -> list[Rle]:
    """Code masks, bool (n, H, W), as run lengths."""
    if not len(masks):
        return []
    return coco_mask.encode(np.asfortranarray(masks.transpose(1, 2, 0).astype(np.uint8)))


def evaluate_coco(
    preds: Sequence[CocoDetections], gts: Sequence[CocoAnnotations], class_count: int, *, kind: str = "box"
) -> CocoOutcome:
    """Judge detections.

    Args:
        preds: one entry a photo; the 100 of highest score of each class count.
        gts: of the same photos.
        class_count: class_ids are 1 to class_count.
        kind: box or mask.

    Raises:
        ContractError: other numbers of photos.
        ValueError: unknown kind.
    """
    if kind not in IOU_TYPES:
        raise ValueError(f"kind: expected one of {', '.join(IOU_TYPES)}, found {kind!r}")
    if len(preds) != len(gts):
        raise ContractError(f"preds: expected {len(gts)} photos as the annotations, found {len(preds)}")
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        judge = COCOeval(
            _index(_rows_of_truth(gts), gts, class_count),
            _index(_rows_of_detections(preds, kind), gts, class_count),
            IOU_TYPES[kind],
        )
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    measures = {
        name: float(value) if value >= 0 else float("nan") for name, value in zip(MEASURES, judge.stats, strict=False)
    }
    sizes, photos = len(judge.params.areaRng), len(gts)
    rows = [judge.evalImgs[start : start + photos] for start in range(0, class_count * sizes * photos, photos)]
    matches = [rows[start : start + sizes] for start in range(0, len(rows), sizes)]
    return CocoOutcome(measures, matches, np.asarray(judge.params.iouThrs))


def _rows_of_truth(gts: Sequence[CocoAnnotations]) -> Iterator[dict[str, Any]]:
    ids = count(1)  # pycocotools takes 0 for no match
    for image_id, gt in enumerate(gts):
        for class_id, box, mask in zip(gt.class_ids, gt.boxes_xyxy, gt.masks, strict=True):
            area = float(coco_mask.area(mask))
            yield _row(next(ids), image_id, class_id, box, mask) | {"area": area}


def _rows_of_detections(preds: Sequence[CocoDetections], kind: str) -> Iterator[dict[str, Any]]:
    ids = count(1)
    for image_id, pred in enumerate(preds):
        columns = (pred.class_ids, pred.scores, pred.boxes_xyxy, pred.masks)
        for class_id, score, box, mask in zip(*columns, strict=True):
            row = _row(next(ids), image_id, class_id, box, mask)
            area = row["bbox"][2] * row["bbox"][3] if kind == "box" else float(coco_mask.area(mask))
            yield row | {"area": area, "score": float(score)}


def _row(number: int, image_id: int, class_id: int, box_xyxy: np.ndarray, mask: Rle) -> dict[str, Any]:
    left, top, right, bottom = (float(value) for value in box_xyxy)
    return {
        "id": number,
        "image_id": image_id,
        "category_id": int(class_id),
        "bbox": [left, top, right - left, bottom - top],
        "segmentation": mask,
        "iscrowd": 0,
    }


def _index(rows: Iterator[dict[str, Any]], gts: Sequence[CocoAnnotations], class_count: int) -> COCO:
    coco = COCO()
    coco.dataset = {
        "images": [{"id": i, "height": gt.size_hw[0], "width": gt.size_hw[1]} for i, gt in enumerate(gts)],
        "annotations": list(rows),
        "categories": [{"id": class_id, "name": str(class_id)} for class_id in range(1, class_count + 1)],
    }
    coco.createIndex()
    return coco


def _check_counts(name: str, column: np.ndarray, boxes_xyxy: np.ndarray, masks: Sequence[Rle]) -> None:
    if not len(column) == len(boxes_xyxy) == len(masks):
        raise ContractError(f"{name}: expected as many as boxes, found {len(column)}, {len(boxes_xyxy)}, {len(masks)}")
