import numpy as np
import pytest
from scipy import stats

from models.training.sr_rcnn.report import summarise, tell_of_small_objects


def measures(plain, added, replicates=200):
    """Every measure has one value a variant, its resamples scattered around."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.01, replicates)

    def spread(value):
        return np.concatenate([[value], value + noise])

    kinds = {"mask-rcnn": spread(plain), "sr-rcnn": spread(added) + np.append(0, rng.normal(0, 0.001, replicates))}
    names = ("AP", "AP50", "AP75", "AP_S", "AP_M", "AP_L")
    return {v: {kind: dict.fromkeys(names, values) for kind in ("box", "mask")} for v, values in kinds.items()}


def test_means_and_paired_differences_are_those_of_the_seeds():
    plain, added = np.array([0.20, 0.25, 0.24]), np.array([0.26, 0.29, 0.29])
    told = summarise([measures(*pair) for pair in zip(plain, added, strict=True)])
    own = told["sr-rcnn"]["mask"]["AP_S"]
    assert own["value"] == pytest.approx(0.28)
    assert own["by_seed"] == pytest.approx(added)
    gain = own["minus_mask_rcnn"]
    assert gain["value"] == pytest.approx(0.05)
    expected = stats.ttest_rel(added, plain).confidence_interval(0.95)
    assert gain["interval_95_seeds"] == pytest.approx([expected.low, expected.high])
    low, high = gain["interval_95"]
    assert 0 < low < 0.05 < high
    assert high - low < 0.06  # the photos' common noise is gone
    assert "minus_mask_rcnn" not in told["mask-rcnn"]["box"]["AP"]


def test_what_no_photo_shows_has_no_number():
    nothing = measures(np.nan, np.nan)
    told = summarise([nothing, nothing])["sr-rcnn"]["box"]["AP_S"]
    assert told["value"] is None
    assert told["minus_mask_rcnn"]["interval_95"] is None


@pytest.mark.parametrize(
    ("added", "verdict"),
    [((0.3, 0.31, 0.3), "gained"), ((0.1, 0.11, 0.1), "lost"), ((0.15, 0.3, 0.2), "no difference")],
)
def test_sentence_says_plainly_what_the_interval_allows(added, verdict):
    summary = summarise([measures(0.2, value) for value in added])
    told = tell_of_small_objects(summary, seeds=3, small_objects=41)
    assert told.startswith("Box AP of 41 small objects")
    assert verdict in told
    assert f"sr-rcnn {100 * (np.mean(added) - 0.2):+.1f} points" in told


def test_one_seed_shows_nothing():
    told = tell_of_small_objects(summarise([measures(0.2, 0.4)]), seeds=1, small_objects=3)
    assert "+20.0 points (no interval: not shown)" in told
    assert "No small object" in tell_of_small_objects({}, seeds=1, small_objects=0)
