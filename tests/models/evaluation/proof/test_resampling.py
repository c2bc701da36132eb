import numpy as np
import pytest

from models.evaluation.bootstrap import Resampler
from models.evaluation.proof.resampling import mean_over_classes, resample_ap
from models.structures import ContractError
from tests.models.evaluation.proof.worlds import ap_of_copies, make_matches


def test_every_draw_is_measured_as_if_its_photos_were_the_sample():
    rng = np.random.default_rng(0)
    by_seed = [make_matches(rng, photos=7, class_count=2) for _ in range(3)]
    resampler = Resampler(list("aabcdef"), replicates=5, seed=3)
    values = resample_ap(by_seed, resampler)
    assert values.shape == (3, 6, 2)
    for seed, matches in enumerate(by_seed):
        for row, weights in enumerate(resampler.weights):
            photos = np.repeat(np.arange(7), weights)
            expected = [ap_of_copies(matches, photos, c) for c in range(2)]
            np.testing.assert_allclose(values[seed, row], expected, atol=1e-12)


def test_row_zero_is_the_photos_as_they_are():
    matches = make_matches(np.random.default_rng(1), photos=6)
    value = resample_ap([matches], Resampler(list("abcdef"), replicates=2))[0, 0, 0]
    assert value == pytest.approx(ap_of_copies(matches, range(6), 0))


def test_mean_leaves_out_classes_without_truth():
    found = mean_over_classes(np.array([[0.2, np.nan], [np.nan, np.nan], [0.2, 0.4]]))
    np.testing.assert_allclose(found, [0.2, np.nan, 0.3])


def test_detectors_on_other_photos_are_refused():
    rng = np.random.default_rng(2)
    resampler = Resampler(list("abc"), replicates=2)
    one, other = make_matches(rng, photos=3), make_matches(rng, photos=3, gt=1)
    with pytest.raises(ContractError, match=r"matches_by_seed\[1\]"):
        resample_ap([one, other], resampler)
    with pytest.raises(ContractError, match="groups: expected 4, one a photo, found 3"):
        resample_ap([make_matches(rng, photos=4)], resampler)
    with pytest.raises(ContractError, match="at least one seed"):
        resample_ap([], resampler)
