"""Each term against its paper's formula in numpy, pixel by pixel."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs vehicle-damage[train]")

from models.training.mask_losses import (  # noqa: E402
    POSITIVE_WEIGHTS,
    SMOOTH,
    TERM_WEIGHTS,
    measure_mask_loss,
)
from models.training.options import LOSS_TERMS, split_loss  # noqa: E402

SHAPE = (2, 3, 4, 5)


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, SHAPE).astype(np.float32)
    masks = (rng.random(SHAPE) < 0.4).astype(np.float32)
    weights = rng.choice([0.0, 0.25, 1.0], SHAPE).astype(np.float32)
    return logits, masks, weights


def measure(maps, *terms):
    loss, told = measure_mask_loss(*map(torch.from_numpy, maps), terms)
    return loss.item(), told


def per_class(told, name):
    return [told[f"{name}_{class_name}"] for class_name in ("scratch", "dent", "spacing")]


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


def test_bce_is_the_weighted_mean_over_known_pixels(maps):
    logits, masks, weights = maps
    probs, total = sigmoid(logits), 0.0
    for n, c, y, x in np.ndindex(SHAPE):
        p = probs[n, c, y, x]
        total -= weights[n, c, y, x] * (POSITIVE_WEIGHTS[c] * np.log(p) if masks[n, c, y, x] else np.log(1 - p))
    loss, told = measure(maps, "bce")
    assert told == {"bce": pytest.approx(total / weights.sum(), rel=1e-5)}
    assert loss == pytest.approx(TERM_WEIGHTS["bce"] * told["bce"])


def test_focal_is_equation_5(maps):
    logits, masks, weights = maps
    p_t = np.where(masks, sigmoid(logits), 1 - sigmoid(logits))
    focal = -np.where(masks, 0.75, 0.25) * (1 - p_t) ** 2 * np.log(p_t)
    assert measure(maps, "focal")[1] == {"focal": pytest.approx((focal * weights).sum() / weights.sum(), rel=1e-5)}


def test_dice_counts_known_pixels_of_the_whole_batch(maps):
    logits, masks, weights = maps
    expected = []
    for c in range(3):
        known = weights[:, c] > 0
        p, m = sigmoid(logits[:, c])[known], masks[:, c][known]
        expected.append(1 - (2 * (p * m).sum() + SMOOTH) / (p.sum() + m.sum() + SMOOTH))
    loss, told = measure(maps, "dice")
    assert per_class(told, "dice") == pytest.approx(expected, rel=1e-5)
    assert loss == pytest.approx(TERM_WEIGHTS["dice"] * np.mean(expected), rel=1e-5)


def test_tversky_weighs_missed_pixels_more(maps):
    logits, masks, weights = maps
    expected = []
    for c in range(3):
        known = weights[:, c] > 0
        p, m = sigmoid(logits[:, c])[known], masks[:, c][known]
        overlap, false, missed = (p * m).sum(), (p * (1 - m)).sum(), ((1 - p) * m).sum()
        expected.append(1 - (overlap + SMOOTH) / (overlap + 0.3 * false + 0.7 * missed + SMOOTH))
    assert measure(maps, "tversky")[1]["tversky"] == pytest.approx(np.mean(expected), rel=1e-4)


def test_lovasz_is_the_extension_of_the_jaccard_loss(maps):
    logits, masks, weights = maps
    expected = []
    for c in range(3):
        known = weights[:, c] > 0
        score, m = logits[:, c][known].astype(np.float64), masks[:, c][known]
        errors = np.maximum(1 - score * (2 * m - 1), 0)
        total, before = 0.0, 0.0
        order = np.argsort(-errors)
        for count in range(1, len(order) + 1):
            wrong = np.zeros(len(order), bool)
            wrong[order[:count]] = True  # the Jaccard loss if these pixels are mistaken
            jaccard = 1 - (m.astype(bool) & ~wrong).sum() / (m.astype(bool) | wrong).sum()
            total += errors[order[count - 1]] * (jaccard - before)
            before = jaccard
        expected.append(total)
    assert per_class(measure(maps, "lovasz")[1], "lovasz") == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("term", LOSS_TERMS)
def test_what_is_unknown_changes_nothing(term, maps):
    logits, masks, weights = maps
    weights[:, :, :2] = 0
    other = logits.copy(), masks.copy(), weights
    other[0][weights == 0] += 5
    other[1][weights == 0] = 1 - other[1][weights == 0]
    assert measure(other, term)[0] == pytest.approx(measure(maps, term)[0], rel=1e-5)


@pytest.mark.parametrize("term", LOSS_TERMS)
def test_nothing_known_is_no_lesson(term, maps):
    logits = torch.from_numpy(maps[0]).requires_grad_()
    loss, _ = measure_mask_loss(logits, torch.from_numpy(maps[1]), torch.zeros(SHAPE), (term,))
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad.abs().max() < 1e-6


@pytest.mark.parametrize("term", LOSS_TERMS)
def test_better_logits_have_a_lower_loss(term, maps):
    logits, masks, weights = maps
    better = (logits + 2 * (2 * masks - 1)).astype(np.float32)
    assert measure((better, masks, weights), term)[0] < measure(maps, term)[0]


def test_terms_add_up(maps):
    loss, told = measure(maps, "bce", "tversky")
    assert loss == pytest.approx(measure(maps, "bce")[0] + measure(maps, "tversky")[0], rel=1e-5)
    assert set(told) == {"bce", "tversky"}


@pytest.mark.parametrize("loss", ["hinge", "bce+bce", "bce+", "BCE"])
def test_loss_of_unknown_terms_is_refused_by_name(loss):
    with pytest.raises(ValueError, match=r"^loss: .*found"):
        split_loss(loss)
    assert split_loss(None) == ("bce", "dice")
    assert set(TERM_WEIGHTS) == set(LOSS_TERMS)
