import numpy as np
import pytest

from models.evaluation.masks import count_overlap, iou_seed_convention, recall_regions_each
from models.structures import ContractError


def mask(*rows):
    return np.array([[c == "#" for c in row] for row in rows])


GT = mask("##..", "##..", "....", "....")
PRED = mask(".##.", ".##.", "....", "....")
NOTHING = np.zeros((4, 4), bool)


def test_half_shifted_square_shares_two_pixels():
    counts = count_overlap(np.stack([PRED, NOTHING]), np.stack([GT, GT]))
    assert [c.tolist() for c in counts] == [[2, 0], [4, 0], [4, 4]]


def test_ignored_pixels_count_for_nothing():
    ignored = mask("..#.", "..#.", "....", "....")
    assert [c.tolist() for c in count_overlap(PRED[None], GT[None], ignored)] == [[2], [2], [4]]


def test_masks_of_different_sizes_are_refused():
    with pytest.raises(ContractError, match="gt_masks"):
        count_overlap(GT[None], np.zeros((1, 4, 5), bool))


def test_region_is_found_when_enough_of_it_is_covered_by_any_class():
    gt = np.stack([mask("####", "....", "....", "####"), NOTHING])
    pred = np.stack([NOTHING, mask("#...", "....", "....", "....")])
    class_ids, areas, found = recall_regions_each(pred, gt, min_overlap=0.25)
    assert (class_ids.tolist(), areas.tolist(), found.tolist()) == ([1, 1], [4, 4], [True, False])
    assert not recall_regions_each(pred, gt, min_overlap=0.5)[2].any()


def test_patches_that_touch_at_a_corner_are_one_region():
    gt = mask("#...", ".#..", "....", "..##")[None]
    assert recall_regions_each(gt, gt, min_overlap=1.0)[1].tolist() == [2, 2]


def test_seed_convention_averages_foreground_and_background():
    # half-shifted square: foreground 2 / 6; background 10 / 14
    assert iou_seed_convention(np.array(2), np.array(4), np.array(4), np.array(16)) == pytest.approx(
        (2 / 6 + 10 / 14) / 2
    )


def test_seed_convention_calls_two_empty_masks_perfect_and_a_miss_nearly_half():
    assert iou_seed_convention(np.array(0), np.array(0), np.array(0), np.array(16)) == 1
    assert iou_seed_convention(np.array(0), np.array(0), np.array(4), np.array(16)) == pytest.approx((0 + 12 / 16) / 2)
    assert iou_seed_convention(np.array(16), np.array(16), np.array(16), np.array(16)) == 1
