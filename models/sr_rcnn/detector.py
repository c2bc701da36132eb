"""SR-RCNN: torchvision's Mask R-CNN that learns from images and their half-size copies."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN

from models.sr_rcnn.freezing import as_at_inference, frozen
from models.sr_rcnn.losses import Terms, class_and_box_loss, weigh_discriminator_terms, weigh_generator_terms
from models.sr_rcnn.options import LossOptions, Mode, SuperResolutionOptions, check_mode
from models.sr_rcnn.pairing import PairedRois, halve_images
from models.sr_rcnn.roi_heads import Pyramids, SuperResolvedRoiHeads, Targets
from models.sr_rcnn.size_gate import mix_features
from models.sr_rcnn.targets import check_targets


class SrRcnn(GeneralizedRCNN):
    """A Mask R-CNN with a generator before its box head.

    Shapes (B images of any sizes, n objects):
        images   B x float32 (3, H, W) RGB in [0, 1]
        targets  B x boxes float32 (n, 4) xyxy, labels int64 (n,) from 1 on, masks uint8 (n, H, W); image frame
        return   in evaluation B x boxes, labels, scores, masks float32 (n, 1, H, W), as torchvision's Mask R-CNN;
                 in training the discriminator's terms

    Weights have the names that they have in torchvision's Mask R-CNN; what is new is named roi_heads.box_roi_pool.* and
    roi_heads.box_predictor.real_fake.*

    Source: the thesis.
    Here: the images are halved after the detector's resize, and both steps of an iteration use the same pairs: the
    generator's step detaches them, the discriminator's applies the generator anew.
    """

    def __init__(self, mask_rcnn: MaskRCNN, options: SuperResolutionOptions, losses: LossOptions) -> None:
        """Take over a Mask R-CNN's parts and draw what is new from torch's global generator.

        Args:
            mask_rcnn: shared, not copied; do not use it any more.
            options: of the generator, the pairing and the gate.
            losses: weights and readings of the losses.
        """
        heads = SuperResolvedRoiHeads(mask_rcnn.roi_heads, mask_rcnn.backbone.out_channels, options)
        super().__init__(mask_rcnn.backbone, mask_rcnn.rpn, heads, mask_rcnn.transform)
        self.losses = losses

    @property
    def generator(self) -> nn.Module:
        """The generator."""
        return self.roi_heads.box_roi_pool.generator

    @property
    def gate(self) -> nn.Module:
        """The learned size gate."""
        return self.roi_heads.box_roi_pool.gate

    @property
    def mode(self) -> Mode:
        """Which RoIs are super-resolved at inference: always, never, small or gated."""
        return self.roi_heads.box_roi_pool.mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        check_mode(mode)
        self.roi_heads.box_roi_pool.mode = mode

    def parameters_of_generator(self) -> list[nn.Parameter]:
        """What generator_terms teaches."""
        return list(self.generator.parameters())

    def parameters_of_gate(self) -> list[nn.Parameter]:
        """What gate_terms teaches."""
        return list(self.gate.parameters())

    def parameters_of_discriminator(self) -> list[nn.Parameter]:
        """What discriminator_terms teaches: backbone, proposal network, box head and mask head, less frozen layers."""
        others = {id(p) for p in (*self.generator.parameters(), *self.gate.parameters())}
        return [p for p in self.parameters() if id(p) not in others and p.requires_grad]

    def forward(
        self, images: list[torch.Tensor], targets: Targets | None = None
    ) -> Terms | list[dict[str, torch.Tensor]]:
        if self.training:
            return self.discriminator_terms(self.pair(images, targets))
        return super().forward(images)

    def pair(
        self, images: list[torch.Tensor], targets: Targets | None, chance: torch.Generator | None = None
    ) -> PairedRois:
        """Pass images and their halves through the backbone and pool the same RoIs of both.

        Args:
            images: see the class.
            targets: see the class.
            chance: decides which anchors and RoIs are sampled; None: torch's global generator does.

        Returns:
            The pairs, with graphs into the backbone.

        Raises:
            ContractError: targets that do not fit.
        """
        n_classes = self.roi_heads.box_predictor.cls_score.out_features
        targets = check_targets(images, targets, n_classes)
        with drawn_from(chance, images[0].device):
            batch, targets = self.transform(images, targets)
            features = self.backbone(batch.tensors)
            half_features = self.backbone(halve_images(batch.tensors))
            proposals, rpn_losses = self.rpn(batch, features, targets)
            pyramids = Pyramids(features, half_features, tuple(batch.tensors.shape[2:]))
            return self.roi_heads.pair(pyramids, proposals, targets, rpn_losses)

    def generator_terms(self, pairs: PairedRois) -> Terms:
        """The generator's loss: adversarial, class, box, content, weighted; teaches parameters_of_generator only."""
        with frozen(self.roi_heads.box_head, self.roi_heads.box_predictor):
            super_resolved = self.generator(pairs.lr_features.detach())
            verdict = self.roi_heads.discriminate(super_resolved)
            return weigh_generator_terms(verdict, super_resolved, pairs, self.losses)

    def discriminator_terms(self, pairs: PairedRois) -> Terms:
        """The loss of all else, weighted, by name; teaches parameters_of_discriminator only.

        The backbone learns through the generator too, unless the options detach it. The pairs' graph is used up by
        differentiating this.
        """
        lr = pairs.lr_features.detach() if self.losses.detaches_lr else pairs.lr_features
        with frozen(self.generator):
            super_resolved = self.generator(lr)
        verdicts = (self.roi_heads.discriminate(features) for features in (super_resolved, pairs.hr_features))
        return weigh_discriminator_terms(*verdicts, pairs, self.losses)

    def gate_terms(self, pairs: PairedRois) -> Terms:
        """The gate's loss: class and box of the features that mode gated mixes; teaches parameters_of_gate only."""
        original = pairs.hr_features.detach()
        with frozen(self.generator), as_at_inference(self.generator):
            super_resolved = self.generator(original)
        with frozen(self.roi_heads.box_head, self.roi_heads.box_predictor):
            mixed = mix_features(original, super_resolved, self.gate(pairs.boxes_xyxy_input))
            verdict = self.roi_heads.discriminate(mixed)
            class_term, box_term = class_and_box_loss(verdict, pairs.labels, pairs.box_targets)
        return {"class": class_term, "box": box_term}


@contextmanager
def drawn_from(chance: torch.Generator | None, device: torch.device) -> Iterator[None]:
    """Let torchvision's samplers draw by a generator; torch's global ones stay as they were.

    Args:
        chance: gives the seed; None: nothing is changed.
        device: that the samplers draw on.
    """
    if chance is None:
        yield
        return
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(torch.randint(2**62, (1,), generator=chance, device=chance.device)))
        yield
