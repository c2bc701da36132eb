import numpy as np
import pytest

from models.evaluation.detection.matching import match_photos
from models.evaluation.detection.operating_points import find_highest_f1, measure_operating_point
from tests.models.evaluation.detection.scenes import CLASS_COUNT, annotated, predicted, random_detector, random_truth

BOX, FAR = [0, 0, 10, 10], [50, 50, 60, 60]


def by_hand(preds, gts, score_threshold):
    """Precision, recall and F1 of each class when only what is shown is ever matched."""
    shown = [
        predicted(
            *[
                [*box, c, s]
                for box, c, s in zip(p.boxes_xyxy, p.class_ids, p.scores, strict=True)
                if s >= score_threshold
            ]
        )
        for p in preds
    ]
    matches = match_photos(shown, gts, CLASS_COUNT, iou_thresholds=[0.5])
    rows = []
    for c in range(CLASS_COUNT):
        right = sum(matches.is_match[matches.class_ids == c, 0].tolist())
        positives, truth = (matches.class_ids == c).sum(), sum((gt.class_ids == c).sum() for gt in gts)
        precision, recall = right / positives if positives else 0.0, right / truth
        rows.append((precision, recall, 2 * precision * recall / (precision + recall) if right else 0.0))
    return np.array(rows).T


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(0)
    gts = random_truth(rng, 30)
    return random_detector(rng, gts, score_digits=2), gts


@pytest.mark.parametrize("score_threshold", [0.0, 0.25, 0.5, 0.99])
def test_boxes_below_the_threshold_do_not_matter(scene, score_threshold):
    point = measure_operating_point(match_photos(*scene, CLASS_COUNT), score_threshold=score_threshold)
    np.testing.assert_allclose([point.precision, point.recall, point.f1], by_hand(*scene, score_threshold), atol=1e-12)


def test_box_with_the_threshold_as_its_score_is_shown():
    matches = match_photos([predicted([*BOX, 0, 0.25])], [annotated([*BOX, 0])], 1)
    assert measure_operating_point(matches, score_threshold=0.25).recall.tolist() == [1]


def test_highest_f1_is_the_highest_of_all_scores(scene):
    point = find_highest_f1(match_photos(*scene, CLASS_COUNT))
    scores = sorted({s for p in scene[0] for s in p.scores}, reverse=True)
    means = [by_hand(*scene, s)[2].mean() for s in scores]
    assert point.f1.mean() == pytest.approx(max(means))
    assert point.score_threshold == pytest.approx(scores[int(np.argmax(means))])
    assert 0 < scores.index(point.score_threshold) < len(scores) - 1  # not an end of the range


def test_class_without_truth_has_no_rates_and_no_say():
    preds = [predicted([*BOX, 0, 0.5], [*FAR, 1, 0.9])]
    point = find_highest_f1(match_photos(preds, [annotated([*BOX, 0])], 2))
    assert point.score_threshold == 0.5
    assert point.f1[0] == 1
    assert np.isnan([point.precision[1], point.recall[1], point.f1[1]]).all()


def test_nothing_right_anywhere_shows_nothing():
    for preds in ([predicted()], [predicted([*FAR, 0, 0.4])]):
        point = find_highest_f1(match_photos(preds, [annotated([*BOX, 0])], 1))
        assert (point.score_threshold, point.recall[0]) == (1.0, 0.0)
