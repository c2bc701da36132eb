import numpy as np
import pytest

from models.evaluation.masks import (
    count_overlap,
    count_regions,
    dice_foreground_positives,
    iou_foreground_positives,
    recall_regions,
)
from models.structures import ContractError


def mask(*rows):
    return np.array([[c == "#" for c in row] for row in rows])


GT = mask("##..", "##..", "....", "....")
PRED = mask(".##.", ".##.", "....", "....")
NOTHING = np.zeros((4, 4), bool)


def test_half_shifted_square_has_iou_one_third_and_dice_one_half():
    counts = [count_overlap(PRED[None], GT[None])]
    assert iou_foreground_positives(counts) == pytest.approx([1 / 3])
    assert dice_foreground_positives(counts) == pytest.approx([1 / 2])


def test_photo_without_the_class_changes_no_iou():
    counts = [count_overlap(GT[None], GT[None]), count_overlap(PRED[None], NOTHING[None])]
    assert iou_foreground_positives(counts) == pytest.approx([1.0])


def test_pixels_are_pooled_and_not_photos_averaged():
    one_pixel = mask("#...", "....", "....", "....")
    counts = [count_overlap(NOTHING[None], one_pixel[None]), count_overlap(GT[None], GT[None])]
    assert iou_foreground_positives(counts) == pytest.approx([4 / 5])


def test_class_that_no_photo_shows_has_no_iou():
    counts = [count_overlap(np.stack([GT, PRED]), np.stack([GT, NOTHING]))]
    iou = iou_foreground_positives(counts)
    assert iou[0] == 1
    assert np.isnan(iou[1])


def test_ignored_pixels_count_for_nothing():
    ignored = mask("..#.", "..#.", "....", "....")
    assert iou_foreground_positives([count_overlap(PRED[None], GT[None], ignored)]) == pytest.approx([2 / 4])


def test_patches_that_touch_at_a_corner_are_one_region():
    masks = mask("#...", ".#..", "....", "..##")[None]
    assert count_regions(masks, min_area_px2=1).tolist() == [2]


def test_patch_smaller_than_the_minimum_is_no_region():
    masks = mask("#...", "....", "..##", "..##")[None]
    assert count_regions(masks, min_area_px2=4).tolist() == [1]


def test_region_is_found_when_enough_of_it_is_covered_by_any_class():
    gt = np.stack([mask("####", "....", "....", "####"), NOTHING])
    pred = np.stack([NOTHING, mask("#...", "....", "....", "....")])
    found, annotated = recall_regions(pred, gt, min_overlap=0.25)
    assert (found.tolist(), annotated.tolist()) == ([1, 0], [2, 0])
    assert recall_regions(pred, gt, min_overlap=0.5)[0].tolist() == [0, 0]


def test_masks_of_different_sizes_are_refused():
    with pytest.raises(ContractError, match="gt_masks"):
        count_overlap(GT[None], np.zeros((1, 4, 5), bool))
