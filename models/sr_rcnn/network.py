"""The detector as it serves: fixed shapes from image to rows, so that a runtime without torch can run it.

torchvision's own forward drops boxes as it goes, by data, one image at a time; here what it would drop stays in place
with score 0.
"""

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import MultiScaleRoIAlign, nms, roi_align
from torchvision.ops.poolers import LevelMapper

from models.sr_rcnn.build import build_mask_rcnn, build_sr_rcnn
from models.sr_rcnn.detector import SrRcnn
from models.sr_rcnn.options import MASK_RCNN, SR_RCNN, DetectorOptions, SuperResolutionOptions
from models.sr_rcnn.roi_pool import SuperResolvingRoiPool
from models.sr_rcnn.size_gate import gate_small, mix_features

STRIDES: Final = (4, 8, 16, 32)
"""Image pixels a cell, of the pyramid levels that RoIs are pooled from."""
FINEST_LEVEL, COARSEST_LEVEL = 2, 5


def build_finder(
    name: str = SR_RCNN,
    detector: Mapping[str, Any] | None = None,
    super_resolution: Mapping[str, Any] | None = None,
) -> SrRcnn | MaskRCNN:
    """Build an untrained detector from what a card records.

    Args:
        name: sr-rcnn or mask-rcnn.
        detector: arguments of DetectorOptions.
        super_resolution: arguments of SuperResolutionOptions; of sr-rcnn.

    Raises:
        ValueError: unknown name, or a value that cannot be.
        TypeError: an option that there is not.
    """
    if name not in (SR_RCNN, MASK_RCNN):
        raise ValueError(f"name: expected {SR_RCNN} or {MASK_RCNN}, found {name!r}")
    options = DetectorOptions(**(detector or {}))
    if name == MASK_RCNN:
        return build_mask_rcnn(options)
    return build_sr_rcnn(options, SuperResolutionOptions(**(super_resolution or {})))


class FinderForExport(nn.Module):
    """A detector without its resize and normalisation: what it finds on N inputs, as rows of numbers.

    Shapes (N inputs, H x W pixels, both multiples of 32, D = max_detections of the detector, S x S cells of a mask):
        x       float32 (N, 3, H, W), normalised
        return  float32 (N, D, 6 + S²): box xyxy in input pixels, score, class_id from 1, mask probs by rows; best score
                first, score 0 where fewer than D were found

    Source: torchvision's RegionProposalNetwork.filter_proposals, RoIHeads.postprocess_detections, MultiScaleRoIAlign.
    Here: RoIs are pooled from every level and one is chosen, and mode small super-resolves all and keeps the small:
    more arithmetic, the same numbers, no shape that depends on the image.
    """

    def __init__(self, network: SrRcnn | MaskRCNN) -> None:
        super().__init__()
        self.network = network.eval()
        self.choose_level = LevelMapper(FINEST_LEVEL, COARSEST_LEVEL)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self.network.backbone(x)
        heads: RoIHeads = self.network.roi_heads
        proposals, is_proposed = propose(self.network.rpn, x, features)  # (N, P, 4), (N, P)
        pooled = self._pool_for_boxes(heads.box_roi_pool, features, proposals)  # (N P, C, 7, 7)
        class_logits, deltas = heads.box_predictor(heads.box_head(pooled))  # (N P, K), (N P, 4 K)
        boxes, scores, class_ids = choose_detections(heads, x, proposals, is_proposed, class_logits, deltas)
        logits = heads.mask_predictor(heads.mask_head(self._pool(heads.mask_roi_pool, features, boxes)))
        chosen = class_ids.reshape(-1, 1, 1, 1).expand(-1, 1, *logits.shape[2:])
        masks = logits.gather(1, chosen).sigmoid()  # (N D, K, S, S) to (N D, 1, S, S)
        masks = masks.reshape(*class_ids.shape, -1)  # (N, D, S²)
        return torch.cat([boxes, scores[..., None], class_ids[..., None].to(boxes.dtype), masks], dim=2)

    def _pool_for_boxes(
        self, pool: nn.Module, features: Mapping[str, torch.Tensor], boxes: torch.Tensor
    ) -> torch.Tensor:
        if not isinstance(pool, SuperResolvingRoiPool):
            return self._pool(pool, features, boxes)
        original = self._pool(pool.pool, features, boxes)
        if pool.mode != "small":
            return pool.super_resolve(original, boxes.reshape(-1, 4))
        is_small = gate_small(boxes.reshape(-1, 4), pool.small_px).to(original.dtype)
        return mix_features(original, pool.generator(original), is_small)

    def _pool(
        self, pool: MultiScaleRoIAlign, features: Mapping[str, torch.Tensor], boxes: torch.Tensor
    ) -> torch.Tensor:
        """RoIAlign of boxes (N, R, 4), each from the level of its size: (N R, C, S, S)."""
        image_ids = _number_images(boxes)[:, None].expand(boxes.shape[:2])  # (N, R)
        rois = torch.cat([image_ids[..., None].to(boxes.dtype), boxes], dim=2).reshape(-1, 5)
        levels = self.choose_level([boxes.reshape(-1, 4)])[:, None, None, None]
        pooled = None
        for level, stride in enumerate(STRIDES):
            own = roi_align(features[str(level)], rois, pool.output_size, 1 / stride, pool.sampling_ratio)
            pooled = own if pooled is None else torch.where(levels == level, own, pooled)
        return pooled


def propose(
    rpn: RegionProposalNetwork, x: torch.Tensor, features: Mapping[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Propose P boxes an input, as RegionProposalNetwork does.

    Args:
        rpn: of the detector.
        x: float32 (N, 3, H, W).
        features: of all levels.

    Returns:
        float32 (N, P, 4), input frame, best first; bool (N, P), False where there were fewer than P to propose.
    """
    levels = list(features.values())
    objectness, deltas = rpn.head(levels)
    anchors = rpn.anchor_generator(ImageList(x[:1], [(0, 0)]), levels)[0]  # (A, 4) of all levels
    boxes, scores, groups, start = [], [], [], 0
    for level, (own_objectness, own_deltas) in enumerate(zip(objectness, deltas, strict=True)):
        per_cell = own_objectness.shape[1]
        logits = _flatten_cells(own_objectness, per_cell).squeeze(2)  # (N, A of the level)
        count = logits.shape[1]
        best, indices = logits.topk(min(rpn.pre_nms_top_n(), int(count)), dim=1)  # (N, k)
        spread = indices[..., None].expand(-1, -1, 4)
        chosen_deltas = _flatten_cells(own_deltas, per_cell).gather(1, spread)
        chosen_anchors = anchors[start : start + count][indices.reshape(-1)]
        boxes.append(rpn.box_coder.decode_single(chosen_deltas.reshape(-1, 4), chosen_anchors).reshape(spread.shape))
        scores.append(best.sigmoid())
        groups.append(torch.full_like(indices, level))
        start += count
    all_boxes, all_scores = _clip(torch.cat(boxes, dim=1), x), torch.cat(scores, dim=1)
    is_valid = _has_sides(all_boxes, rpn.min_size) & (all_scores >= rpn.score_thresh)
    is_kept = _suppress(all_boxes, all_scores, is_valid, torch.cat(groups, dim=1), len(levels), rpn.nms_thresh, x)
    _, order = _choose_best(all_scores, is_kept, rpn.post_nms_top_n())
    return all_boxes.gather(1, order[..., None].expand(-1, -1, 4)), is_kept.gather(1, order)


def choose_detections(
    heads: RoIHeads,
    x: torch.Tensor,
    proposals: torch.Tensor,
    is_proposed: torch.Tensor,
    class_logits: torch.Tensor,
    deltas: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Choose D detections an input among the proposals' classes, as RoIHeads does.

    Args:
        heads: of the detector.
        x: float32 (N, 3, H, W).
        proposals: float32 (N, P, 4), input frame.
        is_proposed: bool (N, P).
        class_logits: float32 (N P, K), background first.
        deltas: float32 (N P, 4 K).

    Returns:
        float32 (N, D, 4), input frame; float32 (N, D), 0 where there were fewer; int64 (N, D), from 1.
    """
    images, count = proposals.shape[:2]
    n_classes = class_logits.shape[1]
    boxes = heads.box_coder.decode_single(deltas, proposals.reshape(-1, 4)).reshape(-1, n_classes, 4)
    boxes = _clip(boxes[:, 1:].reshape(images, -1, 4), x)  # (N, P (K - 1), 4)
    scores = class_logits.softmax(1)[:, 1:].reshape(images, -1)
    class_ids = torch.arange(1, n_classes, device=x.device).expand(count, -1).reshape(1, -1).expand_as(scores)
    is_open = is_proposed[..., None].expand(-1, -1, n_classes - 1).reshape(images, -1)
    is_valid = is_open & (scores > heads.score_thresh) & _has_sides(boxes, 1e-2)
    is_kept = _suppress(boxes, scores, is_valid, class_ids - 1, n_classes - 1, heads.nms_thresh, x)
    scores, order = _choose_best(scores, is_kept, heads.detections_per_img)
    return boxes.gather(1, order[..., None].expand(-1, -1, 4)), scores, class_ids.gather(1, order)


def _flatten_cells(maps: torch.Tensor, per_cell: int) -> torch.Tensor:
    """Maps (N, A C, h, w) of A anchors a cell to (N, h w A, C), the order of the anchors."""
    images, height, width = maps.shape[0], maps.shape[2], maps.shape[3]
    apart = maps.reshape(images, per_cell, -1, height, width).permute(0, 3, 4, 1, 2)
    return apart.reshape(images, height * width * per_cell, -1)


def _number_images(rows: torch.Tensor) -> torch.Tensor:
    """0, 1 … of the first axis, int64 (N,)."""
    return torch.arange(rows.shape[0], device=rows.device)


def _clip(boxes: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    height, width = x.shape[2], x.shape[3]
    return torch.stack(
        [
            boxes[..., 0].clamp(0, width),
            boxes[..., 1].clamp(0, height),
            boxes[..., 2].clamp(0, width),
            boxes[..., 3].clamp(0, height),
        ],
        dim=-1,
    )


def _has_sides(boxes: torch.Tensor, least: float) -> torch.Tensor:
    return ((boxes[..., 2:] - boxes[..., :2]) >= least).all(dim=-1)


def _suppress(
    boxes: torch.Tensor,
    scores: torch.Tensor,
    is_valid: torch.Tensor,
    groups: torch.Tensor,
    n_groups: int,
    iou_threshold: float,
    x: torch.Tensor,
) -> torch.Tensor:
    """Non-maximum suppression among the valid boxes (N, B, 4) of one image and group; bool (N, B), True = kept.

    One call does it for all: images and groups, 0 … n_groups - 1, are moved apart first.
    """
    images, count = scores.shape
    apart_px = max(int(x.shape[2]), int(x.shape[3]))
    places = (_number_images(scores)[:, None] * n_groups + groups) * apart_px  # (N, B)
    moved = (boxes + places[..., None].to(boxes.dtype)).reshape(-1, 4)
    kept = nms(moved, torch.where(is_valid, scores, 0).reshape(-1), iou_threshold)
    is_kept = torch.zeros(images * count, dtype=torch.int64, device=x.device).scatter(0, kept, torch.ones_like(kept))
    return (is_kept.reshape(images, count) > 0) & is_valid


def _choose_best(scores: torch.Tensor, is_kept: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The highest of the scores (N, B) that are kept, 0 where there are fewer than count, and where they stood."""
    return torch.where(is_kept, scores, 0).topk(min(count, int(scores.shape[1])), dim=1)
