"""Losses of the generator and of all else, term by term.

Letters: D(x) = sigmoid(real logit of x), the discriminator's belief that x are features of the image itself; G(LR) the
super-resolved features of the half-size image, HR the image's own; N RoIs.

Class and box terms are torchvision's for a box head; those of the proposal network and the mask head, torchvision's
too, come with the pairs: the plain detector is trained by the same ones.
"""

import torch
from torch.nn import functional as F
from torchvision.models.detection.roi_heads import fastrcnn_loss

from models.sr_rcnn.discriminator import Verdict
from models.sr_rcnn.options import LossOptions
from models.sr_rcnn.pairing import PairedRois
from models.sr_rcnn.precision import widen

Terms = dict[str, torch.Tensor]
"""Named scalars, weighted: their sum is the loss."""


def adversarial_generator_loss(fake_logits: torch.Tensor, *, is_saturating: bool = True) -> torch.Tensor:
    """Let D believe in super-resolved features: mean log(1 − D(G(LR))), or mean −log D(G(LR)).

    Args:
        fake_logits: float (N,), of G(LR).
        is_saturating: the first formula, below 0 and flat where D is sure; False: the second.

    Returns:
        A scalar.

    Source: the thesis; Goodfellow et al. 2014, arXiv 1406.2661, section 3.
    """
    return -F.softplus(fake_logits).mean() if is_saturating else F.softplus(-fake_logits).mean()


def adversarial_discriminator_loss(real_logits: torch.Tensor, fake_logits: torch.Tensor) -> torch.Tensor:
    """Tell both kinds of features apart: mean −[log(1 − D(G(LR))) + log D(HR)].

    Args:
        real_logits: float (N,), of HR.
        fake_logits: float (N,), of G(LR).

    Returns:
        A scalar.

    Source: the thesis; Goodfellow et al. 2014, arXiv 1406.2661, eq. 1.
    """
    return (F.softplus(fake_logits) + F.softplus(-real_logits)).mean()


def content_loss(super_resolved: torch.Tensor, original: torch.Tensor) -> torch.Tensor:
    """Mean over all values of (G(LR) − HR)²; HR is the target and learns nothing.

    Args:
        super_resolved: float (N, C, S, S), G(LR).
        original: float (N, C, S, S), HR.

    Returns:
        A scalar.

    Source: the thesis.
    """
    return F.mse_loss(widen(super_resolved), widen(original.detach()))


def class_and_box_loss(
    verdict: Verdict, labels: torch.Tensor, box_targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """What a box head is trained by.

    Args:
        verdict: of N RoIs.
        labels: int64 (N,), 0 background.
        box_targets: float (N, 4), encoded deltas.

    Returns:
        Mean cross-entropy of the class over all RoIs; sum of SmoothL1 (β = 1/9) over the four deltas of the RoI's own
        class and over the RoIs that are not background, divided by N.

    Source: the thesis; Girshick 2015, arXiv 1504.08083, eqs. 1 to 3; normalised as in torchvision.
    """
    return fastrcnn_loss(verdict.class_logits, verdict.box_deltas, [labels], [box_targets])


def weigh_generator_terms(
    verdict: Verdict, super_resolved: torch.Tensor, pairs: PairedRois, options: LossOptions
) -> Terms:
    """The generator's loss: 0.001 · adversarial + class + box + content.

    Args:
        verdict: of G(LR).
        super_resolved: G(LR).
        pairs: what G(LR) was made of.
        options: weights.

    Returns:
        adversarial, class, box, content.

    Source: the thesis.
    """
    class_term, box_term = class_and_box_loss(verdict, pairs.labels, pairs.box_targets)
    adversarial = adversarial_generator_loss(verdict.real_logits, is_saturating=options.is_saturating)
    return {
        "adversarial": options.adversarial_weight * adversarial,
        "class": class_term,
        "box": box_term,
        "content": options.content_weight * content_loss(super_resolved, pairs.hr_features),
    }


def weigh_discriminator_terms(lr: Verdict, hr: Verdict, pairs: PairedRois, options: LossOptions) -> Terms:
    """The loss of all but the generator: 0.001 · adversarial + 0.5 · (class + box of both scales) + proposals + mask.

    Args:
        lr: verdict of G(LR).
        hr: verdict of HR.
        pairs: what both were made of, with the losses of proposals and mask.
        options: weights.

    Returns:
        adversarial, class_lr, box_lr, class_hr, box_hr, rpn_objectness, rpn_box, mask.

    Source: the thesis; λ of rpn_box is Ren et al. 2015, arXiv 1506.01497, eq. 1.
    """
    adversarial = adversarial_discriminator_loss(hr.real_logits, lr.real_logits)
    terms = {"adversarial": options.adversarial_weight * adversarial}
    for scale, verdict in (("lr", lr), ("hr", hr)):
        class_term, box_term = class_and_box_loss(verdict, pairs.labels, pairs.box_targets)
        terms[f"class_{scale}"] = options.pair_weight * class_term
        terms[f"box_{scale}"] = options.pair_weight * box_term
    terms["rpn_objectness"] = pairs.detector_losses["rpn_objectness"]
    terms["rpn_box"] = options.rpn_box_weight * pairs.detector_losses["rpn_box"]
    terms["mask"] = pairs.detector_losses["mask"]
    return terms


def sum_terms(terms: Terms) -> torch.Tensor:
    """The loss: the sum of its terms, a scalar in float32."""
    return torch.stack([widen(term) for term in terms.values()]).sum()
