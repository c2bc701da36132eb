import numpy as np
import pytest

from models.evaluation.detection.average_precision import average_precision
from models.evaluation.detection.table import evaluate_detections
from tests.models.evaluation.detection.scenes import annotated, predicted, random_detector, random_truth

BOX, FAR = [0, 0, 10, 10], [50, 50, 60, 60]


def test_row_of_a_class_is_what_the_parts_measure():
    gts = [annotated([*BOX, 0], [*FAR, 0]), annotated([*BOX, 1])]
    preds = [predicted([*BOX, 0, 0.9]), predicted([0, 0, 10, 7, 1, 0.2], [*FAR, 1, 0.1])]
    table = evaluate_detections(preds, gts, ["person", "forklift"])
    person, forklift = table.per_class["person"], table.per_class["forklift"]
    assert table.score_threshold == 0.2
    assert (person.gt_count, person.precision, person.recall, person.recall_at_25) == (2, 1, 0.5, 0.5)
    assert (person.ap_50, person.true_positive_share, person.missed_share) == (pytest.approx(51 / 101), 0.5, 0.5)
    assert (forklift.ap_50, forklift.ap_50_95) == (1, pytest.approx(0.5))  # IoU 0.7 passes 5 of 10 thresholds
    assert (forklift.recall, forklift.recall_at_25, forklift.precision_at_25, forklift.missed_share) == (1, 0, 0, 1)
    assert (table.overall.gt_count, table.overall.recall, table.overall.ap_50) == (
        3,
        0.75,
        pytest.approx((1 + 51 / 101) / 2),
    )


def test_class_without_truth_is_left_out_of_the_means():
    table = evaluate_detections([predicted([*BOX, 0, 0.9])], [annotated([*BOX, 0])], ["person", "face"])
    assert (table.overall.ap_50, table.overall.precision, table.overall.missed_share) == (1, 1, 0)
    assert np.isnan(table.per_class["face"].ap_50)


def test_sample_without_truth_has_no_numbers():
    table = evaluate_detections([predicted([*BOX, 0, 0.9])], [annotated()], ["person"])
    assert np.isnan([table.overall.ap_50, table.overall.recall]).all()
    assert table.confusion.counts.tolist() == [[0, 1], [0, 0]]


def test_means_are_over_classes():
    rng = np.random.default_rng(0)
    gts = random_truth(rng, 20)
    table = evaluate_detections(random_detector(rng, gts), gts, ["a", "b", "c"])
    assert table.overall.ap_50_95 == pytest.approx(average_precision(table.matches).mean())
