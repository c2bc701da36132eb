"""Every term by its formula in numpy, RoI by RoI."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from models.sr_rcnn.discriminator import Verdict  # noqa: E402
from models.sr_rcnn.losses import (  # noqa: E402
    adversarial_discriminator_loss,
    adversarial_generator_loss,
    class_and_box_loss,
    content_loss,
    sum_terms,
    weigh_discriminator_terms,
    weigh_generator_terms,
)
from models.sr_rcnn.options import LossOptions  # noqa: E402
from models.sr_rcnn.pairing import PairedRois  # noqa: E402
from tests.models.sr_rcnn.tiny_detector import build_tiny  # noqa: E402

DETECTOR_TERMS = ("rpn_objectness", "rpn_box", "mask")
N, K = 6, 4
LABELS = np.array([0, 2, 3, 0, 1, 1])


def draw(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def build_verdict(seed):
    return Verdict(*(torch.from_numpy(draw(seed, N, *shape)) for shape in ((K,), (4 * K,), ())))


def build_pairs():
    losses = {name: torch.tensor(value).double() for name, value in zip(DETECTOR_TERMS, (2, 3, 5), strict=True)}
    lr, hr = (torch.from_numpy(draw(seed, N, 2, 7, 7)) for seed in (20, 21))
    targets = torch.from_numpy(draw(22, N, 4))
    return PairedRois(lr, hr, torch.zeros(N, 4), torch.from_numpy(LABELS), targets, losses)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def smooth_l1(x, beta=1 / 9):
    return np.where(np.abs(x) < beta, x**2 / (2 * beta), np.abs(x) - beta / 2)


def class_by_hand(verdict):
    exp = np.exp(verdict.class_logits.numpy())
    return np.mean([-np.log(exp[n, label] / exp[n].sum()) for n, label in enumerate(LABELS)])


def box_by_hand(verdict, targets):
    deltas = verdict.box_deltas.numpy().reshape(N, K, 4)
    return sum(smooth_l1(deltas[n, label] - targets[n]).sum() for n, label in enumerate(LABELS) if label > 0) / N


def test_generator_adversarial_terms():
    logits = draw(0, N)
    found = adversarial_generator_loss(torch.from_numpy(logits)).item()
    assert found == pytest.approx(np.log(1 - sigmoid(logits)).mean())
    found = adversarial_generator_loss(torch.from_numpy(logits), is_saturating=False).item()
    assert found == pytest.approx(-np.log(sigmoid(logits)).mean())
    far = 1000 * torch.tensor([-1.0, 1])
    assert torch.isfinite(adversarial_generator_loss(far)).all()


def test_saturating_term_is_flat_where_the_discriminator_is_sure():
    slopes = []
    for is_saturating in (True, False):
        logits = torch.tensor([-10.0], requires_grad=True)
        adversarial_generator_loss(logits, is_saturating=is_saturating).backward()
        slopes.append(logits.grad.item())
    assert -1e-3 < slopes[0] < 0
    assert slopes[1] == pytest.approx(-1, abs=1e-3)


def test_discriminator_adversarial_term():
    real, fake = draw(1, N), draw(2, N)
    found = adversarial_discriminator_loss(torch.from_numpy(real), torch.from_numpy(fake)).item()
    doubts = [np.log(1 - sigmoid(f)) + np.log(sigmoid(r)) for r, f in zip(real, fake, strict=True)]
    assert found == pytest.approx(-np.mean(doubts))


def test_content_is_the_mean_square_and_its_target_learns_nothing():
    made, target = (torch.from_numpy(draw(seed, 3, 2, 4, 4)).requires_grad_() for seed in (3, 4))
    loss = content_loss(made, target)
    difference = made.detach().numpy() - target.detach().numpy()
    assert loss.item() == pytest.approx(np.mean(difference**2))
    loss.backward()
    np.testing.assert_allclose(made.grad.numpy(), 2 * difference / difference.size)
    assert target.grad is None


def test_class_and_box_terms():
    verdict, pairs = build_verdict(5), build_pairs()
    found = class_and_box_loss(verdict, pairs.labels, pairs.box_targets)
    expected = class_by_hand(verdict), box_by_hand(verdict, pairs.box_targets.numpy())
    assert [term.item() for term in found] == pytest.approx(list(expected))


def test_background_has_no_box_term():
    verdict = build_verdict(5)
    box = class_and_box_loss(verdict, torch.zeros(N, dtype=torch.int64), torch.full((N, 4), torch.nan).double())[1]
    assert box.item() == 0


def test_generator_loss_is_the_thesis_sum():
    verdict, pairs = build_verdict(6), build_pairs()
    made = torch.from_numpy(draw(7, N, 2, 7, 7))
    terms = weigh_generator_terms(verdict, made, pairs, LossOptions())
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {
            "adversarial": 0.001 * np.log(1 - sigmoid(verdict.real_logits.numpy())).mean(),
            "class": class_by_hand(verdict),
            "box": box_by_hand(verdict, pairs.box_targets.numpy()),
            "content": np.mean((made.numpy() - pairs.hr_features.numpy()) ** 2),
        }
    )
    assert sum_terms(terms).item() == pytest.approx(sum(term.item() for term in terms.values()))
    options = LossOptions(adversarial_weight=1.0, content_weight=0.0, is_saturating=False)
    terms = weigh_generator_terms(verdict, made, pairs, options)
    assert terms["content"].item() == 0
    assert terms["adversarial"].item() == pytest.approx(-np.log(sigmoid(verdict.real_logits.numpy())).mean())


def test_discriminator_loss_is_the_thesis_sum():
    lr, hr, pairs = build_verdict(8), build_verdict(9), build_pairs()
    terms = weigh_discriminator_terms(lr, hr, pairs, LossOptions())
    targets = pairs.box_targets.numpy()
    doubts = np.log(1 - sigmoid(lr.real_logits.numpy())) + np.log(sigmoid(hr.real_logits.numpy()))
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {
            "adversarial": 0.001 * -doubts.mean(),
            "class_lr": 0.5 * class_by_hand(lr),
            "box_lr": 0.5 * box_by_hand(lr, targets),
            "class_hr": 0.5 * class_by_hand(hr),
            "box_hr": 0.5 * box_by_hand(hr, targets),
            "rpn_objectness": 2,
            "rpn_box": 10 * 3,
            "mask": 5,
        }
    )
    terms = weigh_discriminator_terms(lr, hr, pairs, LossOptions(pair_weight=1.0, rpn_box_weight=1.0))
    assert terms["class_lr"].item() == pytest.approx(class_by_hand(lr))
    assert terms["rpn_box"].item() == 3


def test_proposal_terms_are_cross_entropy_of_all_and_smooth_l1_of_positives():
    rpn = build_tiny().rpn  # samples all of 8 anchors
    labels, logits, deltas, targets = np.array([1, 0, 0, 1, -1, 0, 1, 0.0]), draw(10, 8), draw(11, 8, 4), draw(12, 8, 4)
    found = rpn.compute_loss(
        torch.from_numpy(logits)[:, None],
        torch.from_numpy(deltas),
        [torch.from_numpy(labels)],
        [torch.from_numpy(targets)],
    )
    sampled, positive = labels >= 0, labels == 1
    probs = sigmoid(logits)
    entropy = -np.where(positive, np.log(probs), np.log(1 - probs))[sampled].mean()
    box = smooth_l1(deltas[positive] - targets[positive]).sum() / sampled.sum()
    assert [term.item() for term in found] == pytest.approx([entropy, box])
