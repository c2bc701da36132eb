"""The lattice against the Gaussian sum it approximates, and the algebra it must keep exactly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.mask_policies import permutohedral
from models.mask_policies.permutohedral import PermutohedralLattice
from models.structures import ContractError
from tests.models.mask_policies.scenes import damaged_panel

SEEDS = st.integers(0, 2**32 - 1)
DIMENSIONS = st.integers(1, 6)


def gaussian_sums(features: np.ndarray, values: np.ndarray) -> np.ndarray:
    """sum_j exp(-|f_i - f_j|^2 / 2) values_j in float64, pair by pair; float (N, C)."""
    differences = features[:, None].astype(np.float64) - features[None]  # (N, N, D)
    return np.exp(-0.5 * (differences**2).sum(axis=2)) @ values


def normalised(lattice: PermutohedralLattice, values: np.ndarray) -> np.ndarray:
    return lattice.filter(values) / lattice.filter(np.ones((len(values), 1), np.float32))


def scattered(seed: int, points: int, dimensions: int, spread: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Random features, float32 (N, D), and values, float32 (N, 2)."""
    rng = np.random.default_rng(seed)
    features = rng.normal(0.0, spread, (points, dimensions)).astype(np.float32)
    return features, rng.uniform(-1.0, 1.0, (points, 2)).astype(np.float32)


def image_features(sigma_px: float, sigma_rgb: float) -> tuple[np.ndarray, np.ndarray]:
    """Place and colour of a 32 x 32 panel, float32 (1024, 5), and two maps of it, float32 (1024, 2)."""
    image, probs, _ = damaged_panel((32, 32), 0)
    rows, columns = np.mgrid[:32, :32]
    place = np.stack([columns, rows], axis=-1).reshape(-1, 2) / sigma_px
    features = np.concatenate([place, image.reshape(-1, 3) / sigma_rgb], axis=1)
    return features.astype(np.float32), probs.reshape(2, -1).T.copy()


def test_in_two_dimensions_a_grid_is_filtered_like_by_the_gaussian():
    rows, columns = np.mgrid[:32, :32]
    features = (np.stack([columns, rows], axis=-1).reshape(-1, 2) / 3.0).astype(np.float32)
    values = np.random.default_rng(0).uniform(0.0, 1.0, (1024, 2)).astype(np.float32)
    ones = np.ones((1024, 1), np.float32)

    filtered = normalised(PermutohedralLattice(features), values)

    expected = gaussian_sums(features, values) / gaussian_sums(features, ones)
    assert np.abs(filtered - expected).max() <= 0.05
    assert np.abs(filtered - expected).mean() <= 0.1 * np.abs(expected - expected.mean(axis=0)).mean()


@pytest.mark.parametrize(("dimensions", "side", "sigma"), [(1, 400, 5.0), (2, 40, 3.0), (3, 14, 1.5)])
def test_where_points_are_many_the_mass_is_that_of_the_gaussian(dimensions, side, sigma):
    grid = np.stack(np.mgrid[(slice(0, side),) * dimensions], axis=-1).reshape(-1, dimensions)
    features = (grid / sigma).astype(np.float32)
    ones = np.ones((len(features), 1), np.float32)

    mass = PermutohedralLattice(features).filter(ones)

    assert np.median(mass / gaussian_sums(features, ones)) == pytest.approx(1.0, abs=0.04)


@pytest.mark.parametrize(("sigma_px", "sigma_rgb"), [(8.0, 8.0), (20.0, 13.0), (80.0, 13.0)])
def test_in_five_dimensions_an_image_is_filtered_like_by_the_gaussian(sigma_px, sigma_rgb):
    features, values = image_features(sigma_px, sigma_rgb)
    ones = np.ones((1024, 1), np.float32)

    filtered = normalised(PermutohedralLattice(features), values)

    expected = gaussian_sums(features, values) / gaussian_sums(features, ones)
    error = np.abs(filtered - expected)
    assert error.mean() <= 0.01
    assert error.max() <= 0.15
    assert error.mean() <= 0.15 * np.abs(expected - expected.mean(axis=0)).mean()


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_the_kernel_of_one_point_has_variance_one_along_each_axis(dimensions):
    # Vertices exist only around points, so the plane is filled with points; the lattice is averaged over its phases.
    offsets = np.linspace(-6.0, 6.0, 97, dtype=np.float32)
    rng = np.random.default_rng(0)
    axis = rng.normal(size=dimensions)
    axis = (axis / np.linalg.norm(axis)).astype(np.float32)
    fill = rng.uniform(-5.0, 5.0, (40_000, dimensions)).astype(np.float32)
    variances = []
    for _ in range(12):
        phase = rng.uniform(0.0, 4.0, dimensions).astype(np.float32)
        features = np.concatenate([np.zeros((1, dimensions), np.float32), offsets[:, None] * axis, fill]) + phase
        impulse = np.zeros((len(features), 1), np.float32)
        impulse[0] = 1.0
        kernel = PermutohedralLattice(features).filter(impulse)[1 : 1 + len(offsets), 0]
        variances.append((kernel * offsets**2).sum() / kernel.sum())
    assert np.mean(variances) == pytest.approx(1.0, abs=0.12)


def test_points_far_apart_do_not_touch():
    features = np.array([[0.0, 0.0], [50.0, -50.0]], np.float32)

    filtered = PermutohedralLattice(features).filter(np.array([[1.0], [0.0]], np.float32))

    assert filtered[0, 0] > 0.1
    assert filtered[1, 0] == 0.0


def test_coincident_points_add_up():
    features = np.full((3, 5), 0.7, np.float32)

    filtered = PermutohedralLattice(features).filter(np.array([[1.0], [2.0], [4.0]], np.float32))

    alone = PermutohedralLattice(features[:1]).filter(np.ones((1, 1), np.float32))
    np.testing.assert_allclose(filtered, 7.0 * np.repeat(alone, 3, axis=0), rtol=1e-5)


@settings(deadline=None)
@given(seed=SEEDS, dimensions=DIMENSIONS, points=st.integers(1, 60), scale=st.floats(-3.0, 3.0, width=32))
def test_filtering_is_linear(seed, dimensions, points, scale):
    features, values = scattered(seed, points, dimensions)
    lattice = PermutohedralLattice(features)
    u, v = values[:, :1].copy(), values[:, 1:].copy()

    mixed = lattice.filter(u + np.float32(scale) * v)

    np.testing.assert_allclose(mixed, lattice.filter(u) + scale * lattice.filter(v), atol=1e-4 * points)


@settings(deadline=None)
@given(seed=SEEDS, dimensions=DIMENSIONS, points=st.integers(1, 60))
def test_the_transposed_filter_is_the_adjoint(seed, dimensions, points):
    features, values = scattered(seed, points, dimensions)
    lattice = PermutohedralLattice(features)
    identity = np.eye(points, dtype=np.float32)

    kernel = lattice.filter(identity)

    np.testing.assert_allclose(lattice.filter(identity, transposed=True), kernel.T, atol=1e-5)
    np.testing.assert_allclose(lattice.filter(values), kernel @ values, atol=1e-4)


@settings(deadline=None)
@given(seed=SEEDS, dimensions=DIMENSIONS, points=st.integers(1, 60))
def test_no_weight_is_negative_and_a_point_always_sees_itself(seed, dimensions, points):
    features, _ = scattered(seed, points, dimensions)

    kernel = PermutohedralLattice(features).filter(np.eye(points, dtype=np.float32))

    assert kernel.min() >= 0.0
    assert np.diag(kernel).min() > 0.0


def test_the_kernel_of_an_image_is_symmetric_within_a_tenth():
    features, _ = image_features(20.0, 13.0)

    kernel = PermutohedralLattice(features).filter(np.eye(1024, dtype=np.float32))

    assert np.abs(kernel - kernel.T).sum() <= 0.1 * kernel.sum()


def test_channels_are_filtered_apart():
    features, values = scattered(0, 50, 5)
    lattice = PermutohedralLattice(features)

    together = lattice.filter(values)

    assert np.array_equal(together[:, :1], lattice.filter(values[:, :1].copy()))
    assert np.array_equal(together[:, 1:], lattice.filter(values[:, 1:].copy()))
    assert lattice.filter(values[:, :0]).shape == (50, 0)


def test_moving_all_points_by_a_lattice_vector_changes_nothing_but_rounding():
    features, values = scattered(1, 80, 2)
    embedding = permutohedral._embedding(2).astype(np.float64)
    shift, *_ = np.linalg.lstsq(embedding, np.array([1.0, -1.0, 0.0]), rcond=None)

    moved = PermutohedralLattice((features + shift).astype(np.float32)).filter(values)

    np.testing.assert_allclose(moved, PermutohedralLattice(features).filter(values), atol=1e-4)


def test_codes_too_wide_to_carry_their_index_are_sorted_all_the_same():
    features, values = scattered(2, 80, 5)
    outliers = np.array([[3000.0] * 5, [-3000.0, 3000.0, -3000.0, 3000.0, -3000.0]], np.float32)
    wide = np.concatenate([features, outliers])
    lattice = PermutohedralLattice(wide)
    codes, _ = permutohedral._vertex_codes(*permutohedral._enclosing_simplices(wide)[:2])
    assert int(codes.max()).bit_length() > 63 - len(wide).bit_length()

    filtered = lattice.filter(np.concatenate([values, np.zeros((2, 2), np.float32)]))

    np.testing.assert_allclose(filtered[:80], PermutohedralLattice(features).filter(values), atol=1e-5)


def test_neighbours_are_found_when_lookup_slots_collide(monkeypatch):
    features, values = scattered(3, 200, 5)
    expected = PermutohedralLattice(features).filter(values)

    monkeypatch.setattr(permutohedral, "_LOOKUP_SLOTS", 8)

    assert np.array_equal(PermutohedralLattice(features).filter(values), expected)


@pytest.mark.parametrize(
    ("features", "named"),
    [
        (np.zeros((3, 2), np.float64), "expected dtype float32"),
        (np.zeros(3, np.float32), "expected shape"),
        (np.zeros((0, 2), np.float32), "at least one number"),
        (np.zeros((3, 0), np.float32), "at least one number"),
        (np.full((1, 2), np.nan, np.float32), "expected values in"),
        (np.full((1, 2), 1e6, np.float32), "expected values in"),
        (np.outer([-1.0, 1.0], np.full(6, 9e4)).astype(np.float32), "codes of 62 bits"),
    ],
)
def test_features_that_cannot_be_embedded_are_refused(features, named):
    with pytest.raises(ContractError, match=f"features: .*{named}"):
        PermutohedralLattice(features)


def test_values_of_another_length_are_refused():
    with pytest.raises(ContractError, match="values: expected shape"):
        PermutohedralLattice(np.zeros((3, 2), np.float32)).filter(np.zeros((2, 1), np.float32))
