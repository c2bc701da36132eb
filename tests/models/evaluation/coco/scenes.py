"""Photos of 128 x 128 pixels whose objects are filled boxes."""

import numpy as np

from models.evaluation.coco import CocoAnnotations, CocoDetections, encode_masks

SIZE_HW = (128, 128)


def fill(boxes):
    masks = np.zeros((len(boxes), *SIZE_HW), bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes.astype(int), strict=True):
        mask[top:bottom, left:right] = True
    return encode_masks(masks)


def annotate(*rows):
    """Rows of x0, y0, x1, y1, class."""
    values = np.array(rows, np.float64).reshape(-1, 5)
    return CocoAnnotations(SIZE_HW, values[:, 4].astype(int), values[:, :4], fill(values[:, :4]))


def detect(*rows):
    """Rows of x0, y0, x1, y1, class, score."""
    values = np.array(rows, np.float64).reshape(-1, 6)
    return CocoDetections(values[:, 4].astype(int), values[:, 5], values[:, :4], fill(values[:, :4]))


def random_scenes(photos, seed):
    """Two classes; some objects found well, some badly, some not, some invented."""
    rng = np.random.default_rng(seed)
    preds, gts = [], []
    for _ in range(photos):
        corner, side = rng.integers(0, 60, (4, 2)), rng.integers(8, 60, (4, 2))
        truth = np.concatenate([corner, corner + side, rng.integers(1, 3, (4, 1))], axis=1)
        guess = truth[:3, :4] + rng.integers(-4, 5, (3, 4))
        guess = np.concatenate([guess.clip(0, 128), rng.integers(0, 40, (1, 4)) + np.array([0, 0, 50, 50])])
        classes = np.append(truth[:3, 4], 1)
        gts.append(annotate(*truth))
        preds.append(detect(*np.column_stack([guess, classes, rng.permutation(4) / 4 + rng.random() / 5])))
    return preds, gts
