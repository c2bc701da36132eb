import numpy as np
import pytest

from models.evaluation.boxes import iou_of_largest


def test_largest_box_is_judged_and_not_the_best_fitting():
    boxes = np.array([[0, 0, 4, 4], [0, 0, 8, 8]], np.float32)
    assert iou_of_largest(boxes, (0, 0, 4, 4)) == pytest.approx(16 / 64)


def test_photo_without_a_box_counts_as_a_miss():
    assert iou_of_largest(np.zeros((0, 4), np.float32), (0, 0, 4, 4)) == 0
