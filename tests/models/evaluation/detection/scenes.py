"""Random photos with boxes, and a detector that finds most of them, misplaces some and sees things."""

import numpy as np

from models.evaluation.detection.matching import AnnotatedBoxes, PredictedBoxes

CLASS_COUNT = 3


def annotated(*rows):
    """Boxes of one photo, each row x0, y0, x1, y1, class_id."""
    table = np.array(rows, np.float64).reshape(-1, 5)
    return AnnotatedBoxes(table[:, :4], table[:, 4].astype(np.int64))


def predicted(*rows):
    """Predictions on one photo, each row x0, y0, x1, y1, class_id, score."""
    table = np.array(rows, np.float64).reshape(-1, 6)
    return PredictedBoxes(table[:, :4], table[:, 5], table[:, 4].astype(np.int64))


def random_boxes(rng, count):
    corners = rng.uniform(0, 60, size=(count, 2))
    return np.concatenate([corners, corners + rng.uniform(8, 40, size=(count, 2))], axis=1)


def random_truth(rng, photos, *, max_boxes=5):
    counts = rng.integers(0, max_boxes + 1, size=photos)
    return [AnnotatedBoxes(random_boxes(rng, n), rng.integers(0, CLASS_COUNT, size=n)) for n in counts]


def random_detector(rng, truth, *, found=0.8, jitter_px=4.0, confused=0.1, extra=2.0, score_digits=6):
    """Predictions for every photo; the parameters are its faults."""
    photos = []
    for gt in truth:
        kept = rng.random(len(gt.class_ids)) < found
        boxes = gt.boxes_xyxy[kept] + rng.normal(0, jitter_px, size=(kept.sum(), 4))
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        class_ids = np.where(
            rng.random(kept.sum()) < confused, rng.integers(0, CLASS_COUNT, size=kept.sum()), gt.class_ids[kept]
        )
        more = rng.poisson(extra)
        boxes = np.concatenate([boxes, random_boxes(rng, more)])
        class_ids = np.concatenate([class_ids, rng.integers(0, CLASS_COUNT, size=more)])
        scores = np.concatenate([rng.uniform(0.2, 1, size=kept.sum()), rng.uniform(0, 0.8, size=more)])
        photos.append(PredictedBoxes(boxes, scores.round(score_digits), class_ids))
    return photos


def ap_by_loops(preds, gts, class_id, iou_threshold):
    """COCO's average precision of one class, box by box; photos may come more than once."""

    def iou(a, b):
        width = min(a[2], b[2]) - max(a[0], b[0])
        height = min(a[3], b[3]) - max(a[1], b[1])
        if width <= 0 or height <= 0:
            return 0.0
        areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
        return width * height / (sum(areas) - width * height)

    answers, total = [], 0
    for pred, gt in zip(preds, gts, strict=True):
        truth = [box for box, own in zip(gt.boxes_xyxy, gt.class_ids, strict=True) if own == class_id]
        total += len(truth)
        own = [i for i in range(len(pred.scores)) if pred.class_ids[i] == class_id]
        taken = set()
        for i in sorted(own, key=lambda i: -pred.scores[i]):
            overlaps = [0.0 if j in taken else iou(pred.boxes_xyxy[i], box) for j, box in enumerate(truth)]
            best = max(range(len(truth)), key=overlaps.__getitem__, default=None)
            is_right = best is not None and overlaps[best] >= iou_threshold
            if is_right:
                taken.add(best)
            answers.append((pred.scores[i], is_right))
    if not total:
        return float("nan")
    answers.sort(key=lambda answer: -answer[0])
    curve, right = [], 0
    for shown, (_, is_right) in enumerate(answers, start=1):
        right += is_right
        curve.append((right / total, right / shown))
    reached = [
        max((precision for recall, precision in curve if recall >= point), default=0.0)
        for point in np.linspace(0, 1, 101)
    ]
    return sum(reached) / 101
