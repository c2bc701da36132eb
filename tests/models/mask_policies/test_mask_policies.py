"""The contract of every mask policy, and building one by the name in a model card."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.mask_policies import MASK_POLICIES, DenseCrfPolicy, ThresholdPolicy, build_mask_policy
from models.structures import ContractError
from tests.models.mask_policies.scenes import damaged_panel

EVERY_POLICY = pytest.mark.parametrize(
    "policy",
    [
        ThresholdPolicy(),
        DenseCrfPolicy(),
        DenseCrfPolicy(margin_sigmas=None, bilateral_weight=10.0, bilateral_sigma_px=80.0, bilateral_sigma_rgb=13.0),
        DenseCrfPolicy(bilateral_weight=0.0),
        DenseCrfPolicy(gaussian_weight=0.0),
    ],
    ids=["threshold", "crf", "crf_strong", "crf_smoothness_only", "crf_bilateral_only"],
)
TINY_SIZES_HW = [(1, 1), (1, 7), (7, 1), (2, 2), (3, 40)]


@EVERY_POLICY
def test_masks_are_bool_and_as_large_as_the_probs(policy):
    image, probs, _ = damaged_panel((48, 56), 0)

    masks = policy.refine(probs, image)

    assert masks.dtype == np.bool_
    assert masks.shape == (2, 48, 56)


@EVERY_POLICY
def test_damage_is_mostly_found_and_sound_metal_mostly_left_alone(policy):
    image, probs, gt_masks = damaged_panel((96, 128), 1, contrast=60.0)

    patch = policy.refine(probs, image)[1]

    assert (patch & gt_masks[1]).sum() >= 0.9 * gt_masks[1].sum()
    assert (patch & ~gt_masks.any(axis=0)).sum() <= 0.25 * gt_masks[1].sum()


@EVERY_POLICY
@pytest.mark.parametrize("maps", [0, 1, 4])
def test_any_number_of_maps_is_accepted(policy, maps):
    image, probs, _ = damaged_panel((20, 24), 2)

    assert policy.refine(np.repeat(probs[:1], maps, axis=0), image).shape == (maps, 20, 24)


@EVERY_POLICY
@pytest.mark.parametrize("size_hw", [*TINY_SIZES_HW, (31, 33)])
def test_certain_maps_stay_as_they_are(policy, size_hw):
    image = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), np.uint8)
    probs = np.stack([np.zeros(size_hw, np.float32), np.ones(size_hw, np.float32)])

    masks = policy.refine(probs, image)

    assert not masks[0].any()
    assert masks[1].all()


@EVERY_POLICY
@pytest.mark.parametrize("size_hw", TINY_SIZES_HW)
def test_tiny_crops_with_mixed_probs_have_masks(policy, size_hw):
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (*size_hw, 3), np.uint8)
    probs = rng.integers(0, 2, (3, *size_hw)).astype(np.float32)

    masks = policy.refine(probs, image)

    assert masks.shape == probs.shape
    assert masks.dtype == np.bool_


@EVERY_POLICY
@pytest.mark.parametrize("level", [0, 255])
def test_on_one_colour_a_certain_half_stays_a_half(policy, level):
    image = np.full((40, 60, 3), level, np.uint8)
    probs = np.zeros((1, 40, 60), np.float32)
    probs[:, :, :30] = 1.0

    masks = policy.refine(probs, image)

    assert np.array_equal(masks, probs >= 0.5)


@EVERY_POLICY
def test_arguments_are_not_modified_and_may_be_read_only_views(policy):
    image, probs, _ = damaged_panel((40, 50), 3)
    image_view, probs_view = image[4:36, 5:45], probs[:, 4:36, 5:45]
    image.flags.writeable = probs.flags.writeable = False
    image_before, probs_before = image.copy(), probs.copy()

    masks = policy.refine(probs_view, image_view)

    assert np.array_equal(masks, policy.refine(probs_view.copy(), image_view.copy()))
    assert np.array_equal(image, image_before)
    assert np.array_equal(probs, probs_before)


@EVERY_POLICY
def test_the_same_arguments_give_the_same_masks_whatever_came_before(policy):
    image, probs, _ = damaged_panel((40, 50), 4)
    other_image, other_probs, _ = damaged_panel((33, 70), 5)

    masks = policy.refine(probs, image)
    policy.refine(other_probs, other_image)

    assert np.array_equal(policy.refine(probs, image), masks)


@EVERY_POLICY
@pytest.mark.parametrize("bad_prob", [np.nan, -0.001, 1.001, np.inf])
def test_probs_that_are_none_are_refused(policy, bad_prob):
    image, probs, _ = damaged_panel((12, 14), 6)
    probs[1, 3, 4] = bad_prob

    with pytest.raises(ContractError, match="probs: expected values in"):
        policy.refine(probs, image)


@EVERY_POLICY
@pytest.mark.parametrize(
    ("probs", "image", "named"),
    [
        (np.zeros((1, 4, 5), np.float64), np.zeros((4, 5, 3), np.uint8), "probs: expected dtype float32"),
        (np.zeros((4, 5), np.float32), np.zeros((4, 5, 3), np.uint8), "probs: expected shape"),
        (np.zeros((1, 5, 4), np.float32), np.zeros((4, 5, 3), np.uint8), "probs: expected shape"),
        (np.zeros((1, 4, 5), np.float32), np.zeros((4, 5), np.uint8), "image: expected shape"),
        (np.zeros((1, 4, 5), np.float32), np.zeros((4, 5, 3), np.float32), "image: expected dtype uint8"),
        (np.zeros((1, 0, 5), np.float32), np.zeros((0, 5, 3), np.uint8), "image: expected at least one pixel"),
    ],
)
def test_arrays_that_break_the_contract_are_refused_by_name(policy, probs, image, named):
    with pytest.raises(ContractError, match=named):
        policy.refine(probs, image)


@EVERY_POLICY
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 12), width=st.integers(1, 12))
def test_a_map_without_a_pixel_at_the_threshold_stays_empty(policy, seed, height, width):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    probs = rng.uniform(0.0, 0.499, (1, height, width)).astype(np.float32)

    assert not policy.refine(probs, image).any()


def test_every_policy_is_built_by_its_name_with_its_parameters():
    assert set(MASK_POLICIES) == {"threshold", "crf"}
    threshold = build_mask_policy("threshold", score_threshold=0.25)
    crf = build_mask_policy("crf", iterations=3, bilateral_weight=7.0)

    assert isinstance(threshold, ThresholdPolicy)
    assert threshold.score_threshold == 0.25
    assert isinstance(crf, DenseCrfPolicy)
    assert (crf.iterations, crf.bilateral_weight) == (3, 7.0)
    assert crf.gaussian_weight == DenseCrfPolicy().gaussian_weight


def test_an_unknown_policy_is_refused_with_the_known_names():
    with pytest.raises(ValueError, match="expected one of threshold, crf, found 'otsu'"):
        build_mask_policy("otsu")


def test_an_unknown_parameter_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="threshold: expected parameters score_threshold, found iterations"):
        build_mask_policy("threshold", iterations=3)


def test_a_value_out_of_bounds_is_refused_when_building_by_name():
    with pytest.raises(ValueError, match="iterations: expected a whole number of at least 1, found 0"):
        build_mask_policy("crf", iterations=0)
