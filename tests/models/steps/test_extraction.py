import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from models.steps.extraction import (
    Instance,
    NothingThere,
    extract_instance,
    fill_holes,
    largest_component,
    split_by_otsu,
    tight_box,
)
from models.structures import ContractError


def otsu_by_brute_force(grey):
    """Every threshold t: the variance between values ≤ t and values > t, weighted by their pixels."""
    values = grey.ravel().astype(float)
    best, best_variance = None, -1.0
    for t in range(255):
        dark, bright = values[values <= t], values[values > t]
        if not len(dark) or not len(bright):
            continue
        variance = len(dark) * len(bright) * (dark.mean() - bright.mean()) ** 2
        if variance > best_variance * (1 + 1e-9):
            best, best_variance = t, variance
    return best


@pytest.mark.parametrize("seed", range(6))
def test_otsu_splits_where_the_variance_between_the_sides_is_greatest(seed):
    rng = np.random.default_rng(seed)
    levels = rng.normal([40, 170], [20, 25], (300, 2))
    grey = rng.choice(levels.ravel(), (16, 16)).clip(0, 255).astype(np.uint8)
    is_bright, grey_threshold = split_by_otsu(grey)
    np.testing.assert_array_equal(is_bright, grey > otsu_by_brute_force(grey))
    np.testing.assert_array_equal(is_bright, grey > grey_threshold)


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
@settings(max_examples=30, deadline=None)
def test_components_and_holes_are_scipys(seed, share):
    mask = np.random.default_rng(seed).random((9, 11)) < share
    np.testing.assert_array_equal(fill_holes(mask), ndimage.binary_fill_holes(mask))
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    sizes = ndimage.sum_labels(mask, labels, range(1, count + 1))
    kept = largest_component(mask)
    assert kept.sum() == max(sizes, default=0)
    assert len(np.unique(labels[kept])) <= 1


def draw_canvas():
    """A bright ring with a dark middle, 8 x 10, and a speck far from it."""
    canvas = np.zeros((32, 32, 3), np.uint8)
    canvas[10:20, 8:16] = [180, 200, 160]
    canvas[13:16, 11:14] = 5
    canvas[29, 30] = 255
    return canvas


def test_box_mode_is_the_box_of_all_that_is_bright():
    canvas = draw_canvas()
    instance = extract_instance(canvas, "box")
    assert instance.box_xyxy_canvas.tolist() == [8, 10, 31, 30]  # as the paper: the speck counts
    assert (instance.rgba[..., 3] == 255).all()
    np.testing.assert_array_equal(instance.rgba[..., :3], canvas[10:30, 8:31])


def test_mask_mode_keeps_the_largest_component_and_fills_its_hole():
    canvas = draw_canvas()
    instance = extract_instance(canvas, "mask")
    assert instance.box_xyxy_canvas.tolist() == [8, 10, 16, 20]
    assert (instance.rgba[..., 3] == 255).all()
    np.testing.assert_array_equal(instance.rgba[..., :3], canvas[10:20, 8:16])
    canvas[10:13, 8:11] = 0  # a bite at the corner is no hole
    assert (extract_instance(canvas, "mask").rgba[..., 3] == 0).sum() == 9


def test_alpha_mode_keeps_the_soft_edge_and_drops_far_traces():
    rgba = np.zeros((24, 24, 4), np.uint8)
    rgba[..., :3] = 77
    rgba[8:16, 8:16, 3] = 255
    rgba[8:16, 16, 3] = 100  # soft edge
    rgba[:, 22, 3] = 100  # a trace, 5 px off
    rgba[2, 2, 3] = 255  # another object, smaller
    instance = extract_instance(rgba, "alpha")
    assert instance.box_xyxy_canvas.tolist() == [8, 8, 17, 16]
    assert instance.rgba[0, :, 3].tolist() == [255] * 8 + [100]
    assert (instance.rgba[..., :3] == 77).all()
    wider = extract_instance(rgba, "alpha", alpha_threshold=0.3)  # 100 / 255 = .39 is solid now, the trace is no larger
    assert wider.box_xyxy_canvas.tolist() == [8, 8, 17, 16]
    assert extract_instance(rgba, "alpha", alpha_threshold=1.0).box_xyxy_canvas.tolist() == [8, 8, 17, 16]


@pytest.mark.parametrize("mode", ["box", "mask"])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_an_even_canvas_holds_nothing(mode, value):
    assert extract_instance(np.full((16, 16, 3), value, np.uint8), mode) == NothingThere("blank")


def test_a_transparent_canvas_holds_nothing():
    assert extract_instance(np.zeros((16, 16, 4), np.uint8), "alpha") == NothingThere("blank")


@pytest.mark.parametrize(("side", "kind"), [(3, NothingThere), (4, Instance)])
def test_what_is_too_small_is_nothing(side, kind):
    canvas = np.zeros((16, 16, 3), np.uint8)
    canvas[4 : 4 + side, 2:12] = 220
    assert isinstance(extract_instance(canvas, "mask"), kind)


def test_cut_is_tight():
    canvas = np.zeros((40, 40, 3), np.uint8)
    cv2.circle(canvas, (20, 18), 9, (220, 210, 200), -1)
    instance = extract_instance(canvas, "mask")
    alpha = instance.rgba[..., 3] > 0
    assert tight_box(alpha).tolist() == [0, 0, *alpha.shape[::-1]]
    assert instance.box_xyxy_canvas.tolist() == [11, 9, 30, 28]


@pytest.mark.parametrize(
    ("shape", "mode", "alpha_threshold"), [((8, 8, 3), "crf", 0.5), ((8, 8, 3), "alpha", 0.5), ((8, 8, 4), "alpha", 0)]
)
def test_wrong_arguments_are_refused(shape, mode, alpha_threshold):
    with pytest.raises(ContractError):
        extract_instance(np.zeros(shape, np.uint8), mode, alpha_threshold=alpha_threshold)
