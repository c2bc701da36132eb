"""Detections are compared with their partners, whatever order they come in."""

import numpy as np
import pytest

from models.export.found_parity import compare_found

CLASSES = ("scratch", "dent")
THRESHOLDS = {"scratch_score_threshold": 0.5, "dent_score_threshold": 0.3, "small_px": 32.0}
BOX, OTHER = (0, 0, 20, 20), (50, 50, 70, 90)


def rows(*objects):
    """Objects of (box, score, class_id, mask prob) on one photo, filled up to three."""
    filled = [*objects, *[((0, 0, 0, 0), 0.0, 1, 0.5)] * (3 - len(objects))]
    return np.array([[[*box, score, class_id, mask] for box, score, class_id, mask in filled]], np.float32)


def compare(original, exported, thresholds=THRESHOLDS):
    return compare_found(original, exported, class_names=CLASSES, thresholds=thresholds)


def test_another_order_is_no_difference():
    found = compare(rows((BOX, 0.9, 1, 0.8), (OTHER, 0.6, 2, 0.4)), rows((OTHER, 0.6, 2, 0.4), (BOX, 0.9, 1, 0.8)))
    assert found == {
        "paired_share": 1.0,
        "score_max_difference": 0.0,
        "score_mean_difference": 0.0,
        "box_max_difference_px": 0.0,
        "mask_max_difference": 0.0,
        "decision_agreement": 1.0,
    }


def test_differences_are_those_of_partners():
    found = compare(
        rows((BOX, 0.9, 1, 0.8), (OTHER, 0.6, 2, 0.4)), rows((BOX, 0.8, 1, 0.7), ((50, 50, 70, 91), 0.6, 2, 0.4))
    )
    assert found["score_max_difference"] == pytest.approx(0.1)
    assert found["score_mean_difference"] == pytest.approx(0.05)
    assert found["box_max_difference_px"] == 1
    assert found["mask_max_difference"] == pytest.approx(0.1)
    assert found["decision_agreement"] == 1


@pytest.mark.parametrize(
    "other",
    [
        ((50, 50, 70, 60), 0.6, 2, 0.4),  # an IoU of 0.25
        (OTHER, 0.6, 1, 0.4),  # another class
        (OTHER, 0.29, 2, 0.4),  # under the class' threshold
    ],
)
def test_a_detection_without_its_like_costs_agreement(other):
    found = compare(rows((BOX, 0.9, 1, 0.8), (OTHER, 0.6, 2, 0.4)), rows((BOX, 0.9, 1, 0.8), other))
    shown = 3 if other[1] < 0.3 else 4
    assert found["decision_agreement"] == pytest.approx(2 / shown)
    assert found["paired_share"] == (1 if shown == 3 else 0.5)


def test_detections_under_the_thresholds_differ_too_but_decide_nothing():
    found = compare(rows((BOX, 0.4, 1, 0.8)), rows((BOX, 0.1, 1, 0.2)))
    assert found["score_max_difference"] == pytest.approx(0.3)
    assert "decision_agreement" not in found
    everything = compare(rows((BOX, 0.4, 1, 0.8)), rows((BOX, 0.1, 1, 0.2)), thresholds=None)
    assert everything["decision_agreement"] == 1


def test_where_nothing_is_paired_no_difference_is_told():
    assert compare(rows((BOX, 0.4, 1, 0.8)), rows((OTHER, 0.4, 1, 0.8))) == {"paired_share": 0.0}
    assert compare(rows(), rows()) == {"paired_share": 1.0}
