import numpy as np
import pytest

from models.evaluation.bootstrap import Resampler
from models.evaluation.segmentation import evaluate_segmentation
from tests.models.evaluation.outcomes import judged, photo, region


def scratch(intersection, predicted, annotated):
    counts = np.zeros((1, 3, 3), np.int64)
    counts[0, 0] = intersection, predicted, annotated
    return counts


def measure(*judgements):
    return evaluate_segmentation(
        judgements,
        Resampler([j.photo.group for j in judgements]),
        row=0,
        policies=("threshold",),
        serving=("threshold",) * 3,
        gate_score_threshold=0.5,
    )


def test_pixels_are_pooled_and_not_photos_averaged():
    measures = measure(judged(of=photo("a"), overlap=scratch(0, 0, 1)), judged(of=photo("b"), overlap=scratch(4, 4, 4)))
    assert measures["scratch_iou_foreground_positives"] == pytest.approx(4 / 5)
    assert measures["scratch_dice_foreground_positives"] == pytest.approx(8 / 9)
    assert measures["scratch_iou_foreground_positives_interval_95"] == [0, 1]


def test_photo_without_the_class_changes_no_iou_and_a_class_nobody_shows_has_none():
    measures = measure(judged(of=photo("a"), overlap=scratch(4, 4, 4)), judged(of=photo("b"), overlap=scratch(0, 9, 0)))
    assert measures["scratch_iou_foreground_positives"] == 1
    assert "dent_iou_foreground_positives" not in measures


def test_boundaries_are_pooled_over_photos_that_show_the_class():
    measures = measure(
        judged(of=photo("a"), overlap=scratch(1, 1, 1), boundary=[4, 8, 4, 4]),
        judged(of=photo("b"), overlap=scratch(1, 1, 1), boundary=[4, 4, 0, 4]),
        judged(of=photo("c"), overlap=scratch(0, 9, 0), boundary=[0, 99, 0, 0]),
    )
    precision, recall = 8 / 12, 4 / 8
    assert measures["scratch_boundary_f_2px"] == pytest.approx(2 * precision * recall / (precision + recall))


def test_false_regions_are_counted_on_undamaged_photos_with_and_without_the_gate():
    measures = measure(
        judged(of=photo("a", damaged=False), score=0.9, regions=(1,)),
        judged(of=photo("b", damaged=False), score=0.1, regions=(2,)),
        judged(of=photo("c"), score=0.9, regions=(7,)),
    )
    assert measures["false_regions_per_undamaged_photo_without_gate"] == 1.5
    assert measures["false_regions_per_undamaged_photo"] == 0.5
    assert measures["by_policy"]["threshold"]["false_regions_per_undamaged_photo"] == 0.5


def test_region_recall_counts_regions_and_not_photos():
    measures = measure(
        judged(of=photo("a"), annotated=[region(), region(), region(found=False)]),
        judged(of=photo("b"), annotated=[region(found=False)]),
    )
    assert measures["scratch_region_recall_overlap_25"] == 0.5
    assert measures["scratch_regions"] == 4


def test_seed_convention_is_flattered_by_photos_without_damage():
    missed = judged(of=photo("a"), score=0.9, overlap=scratch(0, 0, 40))
    alone = measure(missed)["iou_seed_convention"]
    assert alone == pytest.approx(((0 + 360 / 400) / 2 + 1 + 1) / 3)
    assert measure(missed, judged(of=photo("b", damaged=False)))["iou_seed_convention"] == pytest.approx(
        (alone + 1) / 2
    )


def test_seed_convention_read_over_pixels_pools_every_photo_and_class():
    missed = judged(of=photo("a"), score=0.9, overlap=scratch(0, 0, 40))  # of 400 pixels a class
    halves = judged(of=photo("b"), score=0.9, overlap=scratch(20, 60, 40))
    # scratch: sound on both sides 360 and 320 pixels; dent and spacing: all 400, each photo
    sound, hits = 360 + 320 + 4 * 400, 20
    unions = 40 + 80 + (400 - 0) + (400 - 20) + 4 * 400
    pooled = measure(missed, halves)["iou_seed_convention_pixels_pooled"]
    assert pooled == pytest.approx((sound + hits) / unions)


def test_gate_empties_the_masks_of_what_it_lets_go():
    found = judged(of=photo("a"), score=0.1, overlap=scratch(40, 40, 40))
    measures = measure(found)
    assert measures["iou_seed_convention"] == 1
    assert measures["iou_seed_convention_after_gate"] == pytest.approx(((0 + 360 / 400) / 2 + 1 + 1) / 3)
