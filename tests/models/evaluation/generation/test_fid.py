import numpy as np
import pytest
from scipy.linalg import sqrtm

from models.evaluation.generation.fid import FeatureMoments, frechet_distance
from models.structures import ContractError


def moments(features):
    found = FeatureMoments()
    found.add(features)
    return found


def exact_sample(mean, covariance, count=40):
    """Rows whose mean and covariance are exactly these."""
    raw = np.random.default_rng(len(mean)).normal(size=(count, len(mean)))
    raw -= raw.mean(axis=0)
    white = raw @ np.linalg.inv(np.linalg.cholesky(np.cov(raw.T).reshape(len(mean), -1))).T
    return white @ np.linalg.cholesky(covariance).T + mean


def random_covariance(seed, size):
    root = np.random.default_rng(seed).normal(size=(size, size))
    return root @ root.T + 0.1 * np.eye(size)


def test_one_dimension_is_the_distance_of_means_and_spreads():
    found = frechet_distance(
        moments(exact_sample([1.0], np.array([[4.0]]))), moments(exact_sample([4.0], np.array([[0.25]])))
    )
    assert found.value == pytest.approx(3**2 + (2 - 0.5) ** 2)


def test_diagonal_covariances_have_a_closed_form():
    a, b = np.array([1.0, 4.0, 9.0]), np.array([4.0, 4.0, 0.25])
    found = frechet_distance(
        moments(exact_sample([0, 0, 0], np.diag(a))), moments(exact_sample([1, 0, -2], np.diag(b)))
    )
    assert found.value == pytest.approx(5 + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum())


def test_scaled_covariance_has_a_closed_form():
    covariance = random_covariance(1, 4)
    found = frechet_distance(
        moments(exact_sample(np.zeros(4), covariance)), moments(exact_sample(np.ones(4), 9 * covariance))
    )
    assert found.value == pytest.approx(4 + (1 - 3) ** 2 * np.trace(covariance))


def test_full_covariances_agree_with_the_matrix_root():
    a, b = random_covariance(2, 6), random_covariance(3, 6)
    found = frechet_distance(moments(exact_sample(np.zeros(6), a)), moments(exact_sample(np.arange(6.0), b)))
    expected = (np.arange(6.0) ** 2).sum() + np.trace(a + b - 2 * np.real(sqrtm(a @ b)))
    assert found.value == pytest.approx(expected, rel=1e-9)
    assert not found.is_singular


def test_distance_is_symmetric_and_zero_to_itself():
    one = moments(np.random.default_rng(0).normal(size=(50, 8)))
    other = moments(np.random.default_rng(1).normal(2, 3, size=(60, 8)))
    assert frechet_distance(one, one).value == pytest.approx(0, abs=1e-9)
    assert frechet_distance(one, other).value == pytest.approx(frechet_distance(other, one).value)


@pytest.mark.parametrize(("count", "is_singular"), [(5, True), (6, True), (7, False)])
def test_too_few_images_for_a_covariance_are_told(count, is_singular):
    rng = np.random.default_rng(4)
    found = frechet_distance(moments(rng.normal(size=(count, 6))), moments(rng.normal(size=(100, 6))))
    assert found.is_singular == is_singular
    assert np.isfinite(found.value)


def test_batches_give_the_moments_of_the_whole():
    features = np.random.default_rng(5).normal(1000, 1, size=(23, 4)).astype(np.float32)
    streamed = FeatureMoments()
    for start, stop in ((0, 1), (1, 8), (8, 23)):
        streamed.add(features[start:stop])
    assert streamed.count == 23
    np.testing.assert_allclose(streamed.mean, features.astype(np.float64).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(streamed.covariance, np.cov(features.astype(np.float64).T), rtol=1e-9)


def test_what_has_no_covariance_is_refused():
    with pytest.raises(ContractError, match="at least 2 rows"):
        frechet_distance(FeatureMoments(), moments(np.zeros((3, 2))))
    with pytest.raises(ContractError, match="at least 2 rows"):
        frechet_distance(moments(np.zeros((3, 2))), moments(np.zeros((1, 2))))


def test_nan_and_other_widths_are_refused():
    with pytest.raises(ContractError, match="NaN"):
        moments(np.array([[0.0, np.nan]]))
    found = moments(np.zeros((3, 2)))
    with pytest.raises(ContractError, match="expected 2 a row, found 3"):
        found.add(np.zeros((3, 3)))
    with pytest.raises(ContractError, match="real"):
        frechet_distance(found, moments(np.zeros((3, 3))))
