"""Regions say where the damage is: hand-drawn masks with known areas, boxes and scales."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.structures import ContractError, CropWindow, Region, rasterise_polygons
from service.stages.describe import describe_regions

EMPTY = """
........
........
........
........
"""
DRAWN = """
##......
##....#.
.....#..
........
"""
RING = """
........
.#####..
.#...#..
.#####..
"""
BORDERS = """
########
#......#
#......#
########
"""
ISLAND = """
#######
#.....#
#..#..#
#.....#
#######
"""


def drawn(text: str) -> np.ndarray:
    return np.array([[cell == "#" for cell in row] for row in text.split()])


def masks_of(scratch: str = EMPTY, dent: str = EMPTY, spacing: str = EMPTY) -> np.ndarray:
    return np.stack([drawn(text) for text in (scratch, dent, spacing)])


def describe(
    masks: np.ndarray, probs: np.ndarray | None = None, window: CropWindow | None = None, *, min_area_px2: int = 1
) -> list[Region]:
    probs = masks.astype(np.float32) if probs is None else probs
    return describe_regions(masks, probs, window or CropWindow.whole(masks.shape[1:]), min_area_px2=min_area_px2)


def test_no_damage_gives_no_region():
    assert describe(masks_of()) == []


def test_each_connected_patch_is_one_region_and_the_largest_comes_first():
    square, diagonal = describe(masks_of(dent=DRAWN))
    assert (square.class_id, square.area_px2, square.box_xyxy) == (2, 4, (0, 0, 2, 2))
    assert set(square.points) == {(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)}
    assert (diagonal.class_id, diagonal.area_px2, diagonal.box_xyxy) == (2, 2, (5, 1, 7, 3))


def test_classes_are_told_apart_where_they_lie_on_each_other():
    regions = describe(masks_of(DRAWN, RING, DRAWN))
    assert sorted((region.class_id, region.area_px2) for region in regions) == [(1, 2), (1, 4), (2, 12), (3, 2), (3, 4)]


def test_a_hole_counts_neither_for_the_area_nor_for_the_score():
    probs = np.where(masks_of(RING), np.float32(0.8), np.float32(0.1))
    (ring,) = describe(masks_of(RING), probs)
    assert (ring.area_px2, ring.box_xyxy) == (12, (1, 1, 6, 4))
    assert ring.score == pytest.approx(0.8)


def test_a_patch_inside_the_hole_of_another_is_a_region_of_its_own():
    island = drawn(ISLAND)
    masks = np.stack([island, np.zeros_like(island), np.zeros_like(island)])
    assert [(region.area_px2, region.box_xyxy) for region in describe(masks)] == [(20, (0, 0, 7, 5)), (1, (3, 2, 4, 3))]


def test_the_score_is_the_mean_over_the_patch_of_its_own_class():
    probs = np.zeros((3, 4, 8), np.float32)
    probs[0, :2, :2] = [[0.2, 0.4], [0.6, 0.8]]
    probs[1] = 1
    square, diagonal = describe(masks_of(DRAWN), probs)
    assert square.score == pytest.approx(0.5)
    assert diagonal.score == 0


@pytest.mark.parametrize(("min_area_px2", "areas"), [(1, [4, 2]), (2, [4, 2]), (3, [4]), (4, [4]), (5, [])])
def test_patches_below_the_least_area_are_dropped(min_area_px2: int, areas: list[int]):
    assert [region.area_px2 for region in describe(masks_of(DRAWN), min_area_px2=min_area_px2)] == areas


def test_damage_that_touches_every_border_stays_inside_the_photo():
    (frame,) = describe(masks_of(BORDERS))
    assert (frame.area_px2, frame.box_xyxy) == (20, (0, 0, 8, 4))
    assert all(0 <= x <= 7 and 0 <= y <= 3 for x, y in frame.points)


@pytest.mark.parametrize("pixels", [[(1, 1)], [(1, 1), (1, 2)]])
def test_the_smallest_patches_have_three_points_too(pixels: list[tuple[int, int]]):
    masks = np.zeros((3, 4, 8), bool)
    for y, x in pixels:
        masks[2, y, x] = True
    (region,) = describe(masks)
    assert len(region.points) >= 3
    assert region.area_px2 == len(pixels)


def test_regions_lie_where_the_crop_lay_in_the_photo():
    square, _ = describe(masks_of(DRAWN), window=CropWindow(100, 50, 108, 54))
    assert square.box_xyxy == (100, 50, 102, 52)
    assert set(square.points) == {(100.0, 50.0), (101.0, 50.0), (101.0, 51.0), (100.0, 51.0)}


def test_a_shrunken_crop_is_scaled_back_to_the_photos_pixels():
    square, diagonal = describe(masks_of(DRAWN), window=CropWindow(10, 20, 30, 30))  # 20 x 10 pixels in 8 x 4: 2.5
    assert (square.box_xyxy, square.area_px2) == ((10, 20, 15, 25), 25)
    assert (diagonal.box_xyxy, diagonal.area_px2) == ((22, 22, 27, 27), 12)  # 2 x 3 and 3 x 2
    xs, ys = zip(*square.points, strict=True)
    assert (min(xs), max(xs), min(ys), max(ys)) == (10, 14, 20, 24)


def blob(seed: int, size_hw: tuple[int, int]) -> np.ndarray:
    """A patch without holes, drawn from overlapping rectangles."""
    random = np.random.default_rng(seed)
    height, width = size_hw
    mask = np.zeros(size_hw, bool)
    y, x = height // 2, width // 2
    for _ in range(6):
        y0, x0 = random.integers(0, y + 1), random.integers(0, x + 1)
        y1, x1 = random.integers(y, height), random.integers(x, width)
        mask[y0 : y1 + 1, x - 1 : x + 2] = mask[y - 1 : y + 2, x0 : x1 + 1] = True
        mask[y0 : y + 1, x0 : x + 1] |= random.random() < 0.4
    return mask


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


@given(st.integers(0, 10_000))
def test_the_polygons_give_the_mask_back(seed: int):
    mask = blob(seed, (30, 40))
    masks = np.stack([mask, np.zeros_like(mask), np.zeros_like(mask)])
    regions = describe(masks, window=CropWindow(5, 7, 45, 37))
    in_photo = rasterise_polygons([region.points for region in regions], (50, 60))
    assert (in_photo[7:37, 5:45] == mask).all()
    assert in_photo.sum() == mask.sum()


def enlarged(mask: np.ndarray, scale: float) -> np.ndarray:
    """Each photo pixel takes the cell that its middle lies in."""
    rows, columns = (((np.arange(round(n * scale)) + 0.5) / scale).astype(int) for n in mask.shape)
    return mask[np.ix_(rows, columns)]


def drawn_back(mask: np.ndarray, scale: float) -> np.ndarray:
    """Describe a mask as if its crop had been shrunk by scale, and draw the polygons into the photo."""
    size_hw = enlarged(mask, scale).shape
    masks = np.stack([mask, np.zeros_like(mask), np.zeros_like(mask)])
    return rasterise_polygons([region.points for region in describe(masks, window=CropWindow.whole(size_hw))], size_hw)


def scratch(width_px: int) -> np.ndarray:
    mask = np.zeros((40, 40), bool)
    mask[10 : 10 + width_px, 4:36] = True
    return mask


@given(st.integers(0, 10_000))
def test_a_shrunken_crops_polygons_lie_on_the_damage(seed: int):
    mask = blob(seed, (40, 40))
    (region,) = describe(np.stack([mask, mask & False, mask & False]), window=CropWindow(0, 0, 100, 100))
    assert region.area_px2 == enlarged(mask, 2.5).sum()
    assert (drawn_back(mask, 2.5) & enlarged(mask, 2.5)).sum() > 0.98 * drawn_back(mask, 2.5).sum()


@pytest.mark.parametrize("mask", [scratch(1), scratch(2), scratch(6), blob(7, (40, 40))], ids=["1", "2", "6", "blob"])
@pytest.mark.parametrize("scale", [2.5, 5.0])
def test_the_polygons_give_the_mask_back_at_every_scale(mask: np.ndarray, scale: float):
    assert iou(drawn_back(mask, scale), enlarged(mask, scale)) > 0.95


@given(st.integers(0, 10_000), st.integers(1, 90), st.integers(1, 70))
def test_points_and_boxes_stay_inside_the_window_at_every_scale(seed: int, more_w: int, more_h: int):
    masks = np.random.default_rng(seed).random((3, 12, 16)) < 0.3
    window = CropWindow(3, 4, 3 + 15 + more_w, 4 + 11 + more_h)
    for region in describe(masks, window=window):
        x0, y0, x1, y1 = region.box_xyxy
        assert window.x0 <= x0 < x1 <= window.x1
        assert window.y0 <= y0 < y1 <= window.y1
        assert all(x0 - 0.5 <= x <= x1 - 0.5 and y0 - 0.5 <= y <= y1 - 0.5 for x, y in region.points)


@given(st.integers(0, 10_000))
def test_without_scaling_the_areas_add_up_to_the_masks(seed: int):
    masks = np.random.default_rng(seed).random((3, 12, 16)) < 0.4
    regions = describe(masks)
    for channel in range(3):
        assert sum(region.area_px2 for region in regions if region.class_id == channel + 1) == masks[channel].sum()
    assert [region.area_px2 for region in regions] == sorted((region.area_px2 for region in regions), reverse=True)


@pytest.mark.parametrize(
    ("masks", "probs"),
    [
        (masks_of()[:2], np.zeros((2, 4, 8), np.float32)),
        (masks_of().astype(np.uint8), np.zeros((3, 4, 8), np.float32)),
        (masks_of(), np.zeros((3, 8, 4), np.float32)),
        (masks_of(), np.zeros((3, 4, 8), np.float64)),
        (masks_of(), np.full((3, 4, 8), np.nan, np.float32)),
    ],
)
def test_masks_and_probs_that_do_not_belong_together_are_a_broken_contract(masks: np.ndarray, probs: np.ndarray):
    with pytest.raises(ContractError, match=r"^(masks|probs): expected"):
        describe(masks, probs)


def test_an_empty_list_has_the_type_of_a_full_one():
    assert isinstance(describe(masks_of()), Sequence)
