"""torchvision's RoI heads with the generator before the box head and a discriminator for one."""

from typing import NamedTuple

import torch
from torchvision.models.detection.roi_heads import RoIHeads, maskrcnn_loss

from models.sr_rcnn.discriminator import RealFakePredictor, Verdict
from models.sr_rcnn.generator import FeatureGenerator
from models.sr_rcnn.options import SuperResolutionOptions
from models.sr_rcnn.pairing import PairedRois, build_lr_pool, pool_pairs
from models.sr_rcnn.roi_pool import SuperResolvingRoiPool
from models.sr_rcnn.size_gate import SizeGate

Targets = list[dict[str, torch.Tensor]]


class Pyramids(NamedTuple):
    """What the backbone made of a batch.

    Attributes:
        features: {level: float32 (B, C, h, w)} of the images.
        half_features: likewise of their halves.
        padded_hw: sides of the batch of images.
    """

    features: dict[str, torch.Tensor]
    half_features: dict[str, torch.Tensor]
    padded_hw: tuple[int, int]


class SuperResolvedRoiHeads(RoIHeads):
    """RoIHeads at inference as they are, over a SuperResolvingRoiPool; in training they pair RoIs and judge them."""

    def __init__(self, heads: RoIHeads, channels: int, options: SuperResolutionOptions) -> None:
        """Take over a plain detector's heads and draw what is new from torch's global generator.

        Args:
            heads: of a Mask R-CNN; its parts are shared, not copied.
            channels: of a RoI's features.
            options: of the generator and the gate.
        """
        generator = FeatureGenerator(
            channels,
            options.n_blocks,
            relu_after_sum=options.relu_after_sum,
            starts_as_identity=options.starts_as_identity,
        )
        super().__init__(
            box_roi_pool=SuperResolvingRoiPool(
                heads.box_roi_pool,
                generator,
                SizeGate(options.gate_dim),
                mode=options.mode,
                small_px=options.small_px,
            ),
            box_head=heads.box_head,
            box_predictor=RealFakePredictor(heads.box_predictor),
            fg_iou_thresh=heads.proposal_matcher.high_threshold,
            bg_iou_thresh=heads.proposal_matcher.low_threshold,
            batch_size_per_image=heads.fg_bg_sampler.batch_size_per_image,
            positive_fraction=heads.fg_bg_sampler.positive_fraction,
            bbox_reg_weights=heads.box_coder.weights,
            score_thresh=heads.score_thresh,
            nms_thresh=heads.nms_thresh,
            detections_per_img=heads.detections_per_img,
            mask_roi_pool=heads.mask_roi_pool,
            mask_head=heads.mask_head,
            mask_predictor=heads.mask_predictor,
        )
        self.lr_pool = build_lr_pool(heads.box_roi_pool, options.lr_level)

    def discriminate(self, features: torch.Tensor) -> Verdict:
        """Judge RoI features (N, C, S, S), super-resolved or original."""
        return self.box_predictor.judge(self.box_head(features))

    def pair(
        self,
        pyramids: Pyramids,
        proposals: list[torch.Tensor],
        targets: Targets,
        rpn_losses: dict[str, torch.Tensor],
    ) -> PairedRois:
        """Sample RoIs for training and pool them at both scales.

        Args:
            pyramids: features of images and halves.
            proposals: boxes_xyxy_input (n, 4) an image.
            targets: of the images, input frame.
            rpn_losses: what the proposal network gave with the proposals.

        Returns:
            The pairs; the true boxes are among the RoIs drawn from.
        """
        rois, matches, labels, box_targets = self.select_training_samples(proposals, targets)
        pools = (self.lr_pool, self.box_roi_pool.pool)
        lr, hr = pool_pairs(pools, pyramids.features, pyramids.half_features, rois, pyramids.padded_hw)
        losses = {
            "rpn_objectness": rpn_losses["loss_objectness"],
            "rpn_box": rpn_losses["loss_rpn_box_reg"],
            "mask": self._measure_masks(pyramids, rois, matches, labels, targets),
        }
        return PairedRois(lr, hr, torch.cat(rois), torch.cat(labels), torch.cat(box_targets), losses)

    def _measure_masks(
        self,
        pyramids: Pyramids,
        rois: list[torch.Tensor],
        matches: list[torch.Tensor],
        labels: list[torch.Tensor],
        targets: Targets,
    ) -> torch.Tensor:
        """Mask R-CNN's mask loss, on the RoIs that are not background."""
        is_object = [image > 0 for image in labels]
        boxes = [roi[keep] for roi, keep in zip(rois, is_object, strict=True)]
        matched = [match[keep] for match, keep in zip(matches, is_object, strict=True)]
        pooled = self.mask_roi_pool(pyramids.features, boxes, [pyramids.padded_hw])
        logits = self.mask_predictor(self.mask_head(pooled))
        masks, classes = [t["masks"] for t in targets], [t["labels"] for t in targets]
        return maskrcnn_loss(logits, boxes, masks, classes, matched)
