"""Polygons to masks and back, on patches small enough to check by eye."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.structures import CLASS_IDS, DAMAGE_CLASSES, ContractError, class_name_of, rasterise_polygons, trace_polygon


def patch_of(*rows: str) -> np.ndarray:
    return np.array([[cell == "#" for cell in row] for row in rows])


def test_a_square_is_filled_with_its_border():
    mask = rasterise_polygons([[(1, 1), (2, 1), (2, 2), (1, 2)]], (4, 4))
    assert (mask == patch_of("....", ".##.", ".##.", "....")).all()


def test_a_triangle_by_hand():
    mask = rasterise_polygons([[(0, 0), (3, 0), (0, 3)]], (4, 4))
    assert (mask == patch_of("####", "###.", "##..", "#...")).all()


def test_polygons_that_overlap_are_one_mask_and_not_a_hole():
    square = [(0, 0), (2, 0), (2, 2), (0, 2)]
    shifted = [(1, 1), (3, 1), (3, 3), (1, 3)]
    assert (rasterise_polygons([square, shifted], (4, 4)) == patch_of("###.", "####", "####", ".###")).all()


def test_what_lies_outside_the_frame_is_cut_off():
    assert rasterise_polygons([[(-9, -9), (1, -9), (1, 1), (-9, 1)]], (4, 4)).sum() == 4
    assert not rasterise_polygons([[(9, 9), (12, 9), (12, 12)]], (4, 4)).any()
    assert not rasterise_polygons([], (4, 4)).any()


def test_points_between_pixels_go_to_the_nearest():
    assert (
        rasterise_polygons([[(0.6, 0.6), (2.4, 0.6), (2.4, 2.4)]], (4, 4)) == patch_of("....", ".##.", "..#.", "....")
    ).all()


@pytest.mark.parametrize(
    ("patch", "corners"),
    [
        (patch_of("#"), {(0, 0)}),
        (patch_of("##"), {(0, 0), (1, 0)}),
        (patch_of("....", ".##.", ".##.", "...."), {(1, 1), (2, 1), (2, 2), (1, 2)}),
        (patch_of("####"), {(0, 0), (3, 0)}),
    ],
)
def test_a_border_is_traced_with_at_least_three_points(patch: np.ndarray, corners: set[tuple[int, int]]):
    border = trace_polygon(patch)
    assert {tuple(point) for point in border.tolist()} == corners
    assert len(border) >= 3


def test_the_larger_of_two_parts_is_traced():
    border = trace_polygon(patch_of("#....", "..###", "..###", "..###"))
    assert {tuple(point) for point in border.tolist()} == {(2, 1), (4, 1), (4, 3), (2, 3)}


def test_a_patch_that_is_no_mask_is_a_broken_contract():
    with pytest.raises(ContractError, match=r"^patch: expected dtype bool"):
        trace_polygon(np.zeros((4, 4), np.uint8))


@given(st.integers(0, 10_000), st.integers(3, 20), st.integers(3, 20))
def test_a_traced_border_drawn_again_is_the_patch_without_its_holes(seed: int, height: int, width: int):
    random = np.random.default_rng(seed)
    patch = np.zeros((height, width), bool)
    patch[height // 2] = True
    for x in range(width):
        y0, y1 = random.integers(0, height // 2 + 1), random.integers(height // 2, height)
        patch[y0 : y1 + 1, x] = True
    assert (rasterise_polygons([trace_polygon(patch)], (height, width)) == patch).all()


def test_classes_and_their_ids_are_the_seeds():
    assert CLASS_IDS == {"scratch": 1, "dent": 2, "spacing": 3}
    assert [class_name_of(class_id) for class_id in (1, 2, 3)] == list(DAMAGE_CLASSES)


@pytest.mark.parametrize("class_id", [0, -1, 4])
def test_background_and_unknown_ids_have_no_name(class_id: int):
    with pytest.raises(ValueError, match=f"expected 1 to 3, found {class_id}"):
        class_name_of(class_id)
