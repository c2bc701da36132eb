import json

import numpy as np
import pytest
from scipy.optimize import minimize

from models.steps.screening import BREAKAGES, GOOD, LearnedScreen, describe, fit_logistic, judge, make_broken
from models.structures import ContractError
from tests.models.steps.screening.persons import paint_canvases


@pytest.mark.parametrize("is_separable", [False, True])
def test_newton_finds_what_a_general_optimiser_finds(is_separable):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(120, 4))
    logits = features @ [2.0, -1.0, 0.0, 0.5] - 0.7
    is_positive = logits > 0 if is_separable else rng.random(120) < 1 / (1 + np.exp(-logits))

    def loss(weights):
        z = weights[0] + features @ weights[1:]
        return np.sum(np.log1p(np.exp(-np.where(is_positive, z, -z)))) + 0.5 * 0.3 * np.sum(weights[1:] ** 2)

    expected = minimize(loss, np.zeros(5), method="BFGS", options={"gtol": 1e-8})
    weights = fit_logistic(features, is_positive, l2=0.3)
    np.testing.assert_allclose(weights, expected.x, atol=2e-5)
    assert loss(weights) <= expected.fun + 1e-9


def test_one_feature_alone_can_be_worked_out_by_hand():
    # no slope can help where the feature says nothing: the bias is the log odds, ln(30 / 10)
    weights = fit_logistic(np.zeros((40, 1)), np.arange(40) < 30, l2=1.0)
    np.testing.assert_allclose(weights, [np.log(3), 0.0], atol=1e-9)


@pytest.fixture(scope="module")
def screen():
    rng = np.random.default_rng(0)
    images, content = paint_canvases(60, rng)
    features, kinds = [describe(images)], [GOOD] * 60
    for kind in BREAKAGES:
        features.append(describe(make_broken(images, kind, rng, content_xyxy=content)))
        kinds += [kind] * 60
    return LearnedScreen.fit(np.concatenate(features), kinds)


def test_learned_screen_separates_breakages_it_has_not_seen(screen):
    rng = np.random.default_rng(99)
    images, content = paint_canvases(40, rng)
    assert screen.kinds == tuple(sorted(BREAKAGES))
    for kind in BREAKAGES:
        broken = make_broken(images, kind, rng, content_xyxy=content)
        judgement = judge(screen.screen, np.concatenate([images, broken]), np.arange(80) >= 40)
        assert judgement.false_accept.value <= 0.1, kind
        assert judgement.false_reject.value <= 0.1, kind


def test_each_kind_is_recognised_as_itself_more_often_than_by_chance(screen):
    rng = np.random.default_rng(98)
    images, content = paint_canvases(30, rng)
    for kind in ("checkerboard", "noise", "blank", "duplicated"):
        logits = screen.score(describe(make_broken(images, kind, rng, content_xyxy=content)))
        assert (logits.argmax(axis=1) == screen.kinds.index(kind)).mean() > 0.5, kind


@pytest.mark.parametrize(("rate", "allowed"), [(0.0, 0), (0.1, 2), (0.15, 3), (0.99, 19)])
def test_threshold_rejects_at_most_the_share_asked_for(screen, rate, allowed):
    features = describe(paint_canvases(20, np.random.default_rng(5))[0])
    moved = screen.at_false_reject_rate(features, rate)
    assert moved.flag(features).sum() == allowed
    np.testing.assert_array_equal(moved.weights, screen.weights)


def test_screen_survives_json(screen):
    features = describe(paint_canvases(10, np.random.default_rng(6))[0])
    restored = LearnedScreen.from_dict(json.loads(json.dumps(screen.to_dict())))
    np.testing.assert_array_equal(restored.score(features), screen.score(features))
    assert (restored.kinds, restored.logit_threshold) == (screen.kinds, screen.logit_threshold)
    with pytest.raises(ContractError, match="features"):
        LearnedScreen.from_dict(screen.to_dict() | {"features": ["entropy"]})


def test_a_feature_that_never_changes_is_no_harm():
    features = np.column_stack([np.r_[np.zeros(10), np.ones(10)], np.full(20, 7.0)])
    screen = LearnedScreen.fit(features, [GOOD] * 10 + ["noise"] * 10, l2=0.01)
    assert screen.flag(features).tolist() == [False] * 10 + [True] * 10


@pytest.mark.parametrize(
    ("features", "kinds"),
    [
        (np.zeros((3, 2)), [GOOD] * 3),
        (np.zeros((3, 2)), ["noise"] * 3),
        (np.zeros((3, 2)), [GOOD, "noise"]),
        (np.full((2, 2), np.nan), [GOOD, "noise"]),
    ],
)
def test_labels_that_teach_nothing_are_refused(features, kinds):
    with pytest.raises(ContractError, match=r"kinds|features"):
        LearnedScreen.fit(features, kinds)


def test_one_kind_only_fits_no_regression():
    with pytest.raises(ContractError, match="is_positive"):
        fit_logistic(np.zeros((3, 2)), np.ones(3, bool), l2=1.0)
    with pytest.raises(ContractError, match="l2"):
        fit_logistic(np.zeros((3, 2)), np.array([True, False, True]), l2=0.0)
