"""The reference says what share of the stream's photos lies in each bin."""

import json

import numpy as np
import pytest

from models.evaluation.reference import BINS, build_reference
from models.structures import ContractError

TENTHS = np.arange(10) / 10
UNDAMAGED = np.zeros(10, bool)


def test_bins_hold_equal_shares_of_photos_of_equal_weight():
    reference = build_reference(TENTHS, TENTHS, UNDAMAGED, prevalence=0.0, bins=5)
    assert reference["gate_score"] == {"edges": [0.15, 0.35, 0.55, 0.75], "shares": [0.2] * 5, "photos": 10}


def test_damaged_photos_weigh_what_they_weigh_in_the_stream():
    scores = np.array([0.1, 0.1, 0.9, 0.9])
    reference = build_reference(scores, scores, scores > 0.5, prevalence=0.25, bins=2)
    found = reference["gate_score"]
    assert found["edges"] == [0.5]
    assert found["shares"] == [0.75, 0.25]
    assert found["photos"] == pytest.approx(1 / (2 * 0.375**2 + 2 * 0.125**2), abs=0.05)


def test_values_that_repeat_share_a_bin():
    scores = np.array([0.0] * 9 + [0.7])
    found = build_reference(scores, TENTHS, UNDAMAGED, prevalence=0.0)["gate_score"]
    assert found["edges"] == [0.35]
    assert found["shares"] == [0.9, 0.1]


def test_photos_that_are_all_alike_share_the_only_bin():
    found = build_reference(np.full(10, 0.3), TENTHS, UNDAMAGED, prevalence=0.0)["gate_score"]
    assert (found["edges"], found["shares"]) == ([], [1.0])


def test_shares_are_counted_from_the_edges_as_they_are_written():
    rng = np.random.default_rng(5)
    scores = rng.uniform(size=777) ** 2
    found = json.loads(json.dumps(build_reference(scores, scores, np.zeros(777, bool), prevalence=0.0)))["gate_score"]
    counted, _ = np.histogram(scores, [0, *found["edges"], 1])
    assert len(found["edges"]) == BINS - 1
    assert found["shares"] == pytest.approx(list(counted / 777), abs=1e-6)


@pytest.mark.parametrize(
    ("scores", "is_damaged", "prevalence", "message"),
    [
        (TENTHS[:9], UNDAMAGED, 0.0, "gate_scores: expected shape"),
        (TENTHS + 0.2, UNDAMAGED, 0.0, "gate_scores: expected values"),
        (np.full(10, np.nan), UNDAMAGED, 0.0, "gate_scores: expected values"),
        (TENTHS, UNDAMAGED, 0.02, "expected damaged photos for a prevalence of 0.02"),
        (TENTHS, ~UNDAMAGED, 0.02, "expected undamaged photos"),
    ],
)
def test_wrong_arrays_are_refused(scores, is_damaged, prevalence: float, message: str):
    with pytest.raises(ContractError, match=message):
        build_reference(scores, TENTHS, is_damaged, prevalence=prevalence)


@pytest.mark.parametrize(("more", "message"), [({"bins": 1}, "bins"), ({"prevalence": 1.5}, "prevalence")])
def test_wrong_options_are_refused(more: dict, message: str):
    with pytest.raises(ValueError, match=message):
        build_reference(TENTHS, TENTHS, UNDAMAGED, **{"prevalence": 0.0, **more})
