"""crf: against exact mean field, against pydensecrf, and what it does to scratches."""

from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.mask_policies import DenseCrfPolicy, ThresholdPolicy
from models.mask_policies import crf as crf_module
from tests.conftest import require
from tests.models.mask_policies.scenes import damaged_panel

WEAK = {}
STRONG = {
    "bilateral_sigma_px": 80.0,
    "bilateral_sigma_rgb": 13.0,
    "bilateral_weight": 10.0,
    "gaussian_sigma_px": 3.0,
    "gaussian_weight": 3.0,
}
BETWEEN = {"bilateral_sigma_px": 30.0, "bilateral_sigma_rgb": 13.0, "bilateral_weight": 4.0}
EVERY_STRENGTH = pytest.mark.parametrize("kernels", [WEAK, BETWEEN, STRONG], ids=["weak", "between", "strong"])


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x.astype(np.float64)))


def exact_marginal(probs: np.ndarray, image: np.ndarray, policy: DenseCrfPolicy) -> np.ndarray:
    """Mean field as in the paper's algorithm 1: two labels, N x N kernels, float64.

    Args:
        probs: float32 (H, W).
        image: uint8 (H, W, 3).
        policy: whose parameters are used; score_threshold must be 0.5.

    Returns:
        float64 (H, W), marginal of "damaged".
    """
    size_hw = probs.shape
    rows, columns = np.mgrid[: size_hw[0], : size_hw[1]]
    place = np.stack([columns, rows], axis=-1).reshape(-1, 2).astype(np.float64)
    colour = image.reshape(-1, 3).astype(np.float64)

    def normalised_kernel(features: np.ndarray) -> np.ndarray:
        squares = (features**2).sum(axis=1)
        kernel = np.exp(-0.5 * np.maximum(squares[:, None] + squares - 2.0 * features @ features.T, 0.0))
        scale = kernel.sum(axis=1) ** -0.5
        return scale[:, None] * kernel * scale

    near_and_alike = np.hstack([place / policy.bilateral_sigma_px, colour / policy.bilateral_sigma_rgb])
    pairwise = policy.bilateral_weight * normalised_kernel(near_and_alike)
    pairwise += policy.gaussian_weight * normalised_kernel(place / policy.gaussian_sigma_px)
    p = np.clip(probs.ravel().astype(np.float64), policy.prob_floor, 1.0 - policy.prob_floor)
    unary = -np.log(np.stack([1.0 - p, p], axis=1))  # (N, 2)
    energy = unary
    for step in range(policy.iterations + 1):
        marginals = np.exp(-energy) / np.exp(-energy).sum(axis=1, keepdims=True)
        if step < policy.iterations:
            energy = unary + pairwise @ (1.0 - marginals)  # Potts: the other label's marginal
    return marginals[:, 1].reshape(size_hw)


def pydensecrf_marginals(probs: np.ndarray, image: np.ndarray, policy: DenseCrfPolicy) -> np.ndarray:
    """The same model by pydensecrf; float32 (K, H, W)."""
    import pydensecrf.densecrf as pydensecrf  # noqa: PLC0415 - a laptop may lack it

    height, width = image.shape[:2]
    marginals = []
    for p in np.clip(probs, policy.prob_floor, 1.0 - policy.prob_floor):
        reference = pydensecrf.DenseCRF2D(width, height, 2)
        unary = -np.log(np.stack([1.0 - p, p]).reshape(2, -1))
        reference.setUnaryEnergy(np.ascontiguousarray(unary, dtype=np.float32))
        reference.addPairwiseGaussian(sxy=policy.gaussian_sigma_px, compat=policy.gaussian_weight)
        reference.addPairwiseBilateral(
            sxy=policy.bilateral_sigma_px,
            srgb=policy.bilateral_sigma_rgb,
            rgbim=np.ascontiguousarray(image),
            compat=policy.bilateral_weight,
        )
        marginals.append(np.array(reference.inference(policy.iterations))[1].reshape(height, width))
    return np.stack(marginals)


@EVERY_STRENGTH
def test_marginals_are_near_exact_mean_field(kernels):
    policy = DenseCrfPolicy(margin_sigmas=None, **kernels)
    differing, changed, errors = 0, 0, []
    for seed in range(6):
        image, probs, _ = damaged_panel((24, 26), seed)

        marginal = sigmoid(policy.infer_log_odds(probs[:1], image)[0])

        exact = exact_marginal(probs[0], image, policy)
        differing += ((marginal >= 0.5) != (exact >= 0.5)).sum()
        changed += ((exact >= 0.5) != (probs[0] >= 0.5)).sum()
        errors.append(np.abs(marginal - exact).mean())
    assert changed >= 150  # the CRF has something to do
    assert differing <= 0.014 * 6 * 24 * 26  # what pydensecrf differs by from exact
    assert differing <= 0.15 * changed
    assert np.mean(errors) <= 0.015


@EVERY_STRENGTH
@pytest.mark.parametrize("seed", [0, 1])
def test_labels_are_those_of_pydensecrf(kernels, seed):
    require(find_spec("pydensecrf"), "pydensecrf; pip install pydensecrf2")
    image, probs, _ = damaged_panel((200, 260), seed)
    policy = DenseCrfPolicy(margin_sigmas=None, **kernels)

    marginals = sigmoid(policy.infer_log_odds(probs, image))

    expected = pydensecrf_marginals(probs, image, policy)
    is_different = (marginals >= 0.5) != (expected >= 0.5)
    changed = ((probs >= 0.5) != (expected >= 0.5)).sum()
    assert changed >= 500
    assert is_different.mean() <= 0.001
    assert is_different.sum() <= 0.02 * changed
    assert np.abs(marginals - expected).mean() <= 0.001


@EVERY_STRENGTH
def test_one_filtered_channel_equals_two(kernels):
    image, probs, _ = damaged_panel((40, 44), 7)
    policy = DenseCrfPolicy(margin_sigmas=None, **kernels)
    pixels = np.arange(probs[0].size)
    bilateral = crf_module._BilateralKernel(image, pixels, policy.bilateral_sigma_px, policy.bilateral_sigma_rgb)
    smoothness = crf_module._SmoothnessKernel(image.shape[:2], pixels, policy.gaussian_sigma_px)
    p = np.clip(probs[0].ravel(), np.float32(policy.prob_floor), np.float32(1.0 - policy.prob_floor))
    negative_unary = np.log(np.stack([1.0 - p, p]))  # (2, N)
    scores = negative_unary
    for _ in range(policy.iterations):
        marginals = np.exp(scores - scores.max(axis=0))
        marginals /= marginals.sum(axis=0)
        scores = negative_unary + policy.bilateral_weight * bilateral.apply(marginals)
        scores = scores + policy.gaussian_weight * smoothness.apply(marginals)

    log_odds = policy.infer_log_odds(probs[:1], image)[0].ravel()

    np.testing.assert_allclose(log_odds, scores[1] - scores[0], atol=2e-3)


@given(
    numerators=st.lists(st.integers(0, 64), min_size=12, max_size=12),
    threshold_numerator=st.integers(1, 63),
)
def test_without_kernels_it_is_the_threshold_policy(numerators, threshold_numerator):
    probs = (np.array(numerators, np.float32) / 64.0).reshape(1, 3, 4)
    image = np.zeros((3, 4, 3), np.uint8)
    score_threshold = threshold_numerator / 64.0

    masks = DenseCrfPolicy(score_threshold, bilateral_weight=0.0, gaussian_weight=0.0).refine(probs, image)

    assert np.array_equal(masks, ThresholdPolicy(score_threshold).refine(probs, image))


@EVERY_STRENGTH
def test_a_lower_threshold_never_takes_a_pixel_away(kernels):
    image, probs, _ = damaged_panel((60, 70), 8)

    masks = [
        DenseCrfPolicy(score_threshold, margin_sigmas=None, **kernels).refine(probs, image)
        for score_threshold in (0.3, 0.5, 0.7)
    ]

    assert (masks[0] >= masks[1]).all()
    assert (masks[1] >= masks[2]).all()
    assert masks[0].sum() > masks[2].sum()


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), strength=st.sampled_from([WEAK, BETWEEN, STRONG]))
def test_mean_field_itself_leaves_a_one_sided_map_one_sided(seed, strength):
    # What allows such maps to be left out: the full iteration is run here, by the exact formulation.
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (8, 9, 3), np.uint8)
    below = rng.uniform(0.0, 0.499, (8, 9)).astype(np.float32)
    policy = DenseCrfPolicy(**strength)

    assert exact_marginal(below, image, policy).max() < 0.5
    assert exact_marginal(1.0 - below, image, policy).min() > 0.5
    assert DenseCrfPolicy(**strength).refine((1.0 - below)[None], image).all()


def test_maps_refined_together_are_those_refined_apart():
    image, probs, _ = damaged_panel((70, 90), 9)
    policy = DenseCrfPolicy(margin_sigmas=None)
    above, below = np.full((1, 70, 90), 0.9, np.float32), np.full((1, 70, 90), 0.1, np.float32)

    together = policy.infer_log_odds(np.concatenate([above, probs, below]), image)

    apart = [policy.infer_log_odds(p[None], image)[0] for p in (above[0], *probs, below[0])]
    assert np.array_equal(together, np.stack(apart))


def test_one_lattice_serves_all_maps_of_a_crop(monkeypatch):
    built = []

    class CountedLattice(crf_module.PermutohedralLattice):
        def __init__(self, features):
            built.append(len(features))
            super().__init__(features)

    monkeypatch.setattr(crf_module, "PermutohedralLattice", CountedLattice)
    image, probs, _ = damaged_panel((60, 70), 10)

    DenseCrfPolicy(margin_sigmas=None).refine(probs, image)
    assert built == [60 * 70]

    DenseCrfPolicy().refine(np.zeros_like(probs), image)
    assert built == [60 * 70]  # an empty map needs none


def test_pixels_far_from_any_damage_are_left_out_with_the_same_labels():
    image, _, _ = damaged_panel((240, 320), 11)
    _, small_probs, _ = damaged_panel((80, 90), 12)
    probs = np.full((1, 240, 320), 0.02, np.float32)
    probs[:, 100:180, 200:290] = small_probs[:1]

    near = DenseCrfPolicy().refine(probs, image)
    whole = DenseCrfPolicy(margin_sigmas=None).refine(probs, image)

    assert whole.sum() >= 200
    assert (near != whole).sum() <= 0.0001 * whole.size
    far_log_odds = DenseCrfPolicy().infer_log_odds(probs, image)[0, :40, :100]
    np.testing.assert_allclose(far_log_odds, np.log(0.02 / 0.98), rtol=1e-5)  # their unary: they took no part


def test_a_mask_snaps_to_the_border_that_the_image_shows():
    image = np.full((60, 80, 3), 90, np.uint8)
    image[:, 40:] = 150
    probs = np.full((1, 60, 80), 0.1, np.float32)
    probs[..., 37:40] = 0.75  # three columns too many
    probs[..., 40:] = 0.9
    truth = np.zeros((1, 60, 80), bool)
    truth[..., 40:] = True

    assert np.array_equal(DenseCrfPolicy(bilateral_weight=4.0).refine(probs, image), truth)


def line_quality(policy, *, contrast: float, blur_px: float, gain: float) -> tuple[float, float]:
    """Recall and precision of three 3 px lines, over three panels."""
    hits = found = expected = 0
    for seed in range(3):
        image, probs, gt_masks = damaged_panel((160, 160), seed, contrast=contrast, blur_px=blur_px, gain=gain)
        mask = policy.refine(probs[:1], image)[0]
        hits += (mask & gt_masks[0]).sum()
        found += mask.sum()
        expected += gt_masks[0].sum()
    return hits / expected, hits / max(found, 1)


@pytest.mark.parametrize("contrast", [15.0, 30.0])
def test_thin_scratches_survive_the_defaults(contrast):
    recall, precision = line_quality(DenseCrfPolicy(), contrast=contrast, blur_px=1.5, gain=1.0)

    assert recall >= 0.95
    assert precision >= 0.95


def test_scratches_that_the_network_made_too_broad_become_narrow():
    broad = {"contrast": 30.0, "blur_px": 3.0, "gain": 2.0}

    threshold_recall, threshold_precision = line_quality(ThresholdPolicy(), **broad)
    recall, precision = line_quality(DenseCrfPolicy(), **broad)

    assert threshold_precision <= 0.65
    assert precision >= threshold_precision + 0.15
    assert recall >= threshold_recall - 0.02


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("score_threshold", 0.0),
        ("score_threshold", 1.0),
        ("score_threshold", float("nan")),
        ("iterations", 0),
        ("iterations", 2.5),
        ("bilateral_sigma_px", 0.5),
        ("bilateral_sigma_px", float("inf")),
        ("bilateral_sigma_rgb", 0.0),
        ("bilateral_weight", -1.0),
        ("gaussian_sigma_px", 0.0),
        ("gaussian_weight", float("nan")),
        ("margin_sigmas", 0.5),
        ("prob_floor", 0.0),
        ("prob_floor", 0.5),
    ],
)
def test_parameters_out_of_bounds_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"^{name}: expected .*, found "):
        DenseCrfPolicy(**{name: value})
