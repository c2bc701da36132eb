"""Judges the prediction of one photo at many thresholds at once, so that the photo itself can be let go.

In:   one Prediction, rows of class thresholds. Out: one PhotoJudgement: counts that every measure is made of.
Must not know: groups, samples, intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from models.data.photos import AnnotatedPhoto, load_ignored, load_masks
from models.evaluation.boundaries import count_boundary
from models.evaluation.boxes import iou_of_largest
from models.evaluation.masks import count_overlap, recall_regions_each
from models.evaluation.path import PathOptions, Prediction, keep_patches, refine_at_thresholds, to_photo_frame
from models.structures import DAMAGE_CLASSES, CropWindow

MIN_OVERLAP: Final = 0.25
"""Share of an annotated region's pixels that has to be marked for it to count as found."""


@dataclass(frozen=True)
class RegionJudgement:
    """One annotated region.

    Attributes:
        class_id: 1 scratch, 2 dent, 3 spacing.
        area_px2: its pixels, photo frame.
        is_found: by variant of VARIANTS, whether MIN_OVERLAP of it is marked as damage of any class.
    """

    class_id: int
    area_px2: int
    is_found: dict[str, bool]


@dataclass(frozen=True)
class MaskJudgement:
    """What the masks of one photo are worth. Axes: P policies, T rows of thresholds, C = 3 classes.

    Attributes:
        overlap_px: int64 (P, T, C, 3): intersection, predicted, annotated pixels.
        counted_px: pixels that count, which are those not ignored.
        regions: int64 (P, T, C): predicted regions.
        is_hit: bool (P, T, C): the class's regions find damage (judge_photo says when).
        boundary_px: int64 (P, C, 4) at the nominal row, as count_boundary has them.
        annotated: the annotated regions, judged at the nominal row.
    """

    overlap_px: np.ndarray
    counted_px: int
    regions: np.ndarray
    is_hit: np.ndarray
    boundary_px: np.ndarray
    annotated: tuple[RegionJudgement, ...]


@dataclass(frozen=True)
class PhotoJudgement:
    """What is kept of one photo.

    Attributes:
        photo: the photo.
        gate_score: [0, 1].
        window: the part of the photo that went on.
        is_car_found: whether the localizer found one.
        car_iou: of the largest box with the annotated car; None where no car is annotated.
        luminance: mean of the photo's luma, [0, 255].
        masks: None if the photo's damaged pixels are not known.
    """

    photo: AnnotatedPhoto
    gate_score: float
    window: CropWindow
    is_car_found: bool
    car_iou: float | None
    luminance: float
    masks: MaskJudgement | None


def variants_of(policies: Sequence[str], names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Name the ways to combine policies over classes.

    Args:
        policies: the policy of each class that serves.
        names: the policies that are judged, P of them.

    Returns:
        "serving", then each name for all classes alike → index into names of each class.
    """
    serving = tuple(names.index(policy) for policy in policies)
    return {"serving": serving, **{name: (index,) * len(DAMAGE_CLASSES) for index, name in enumerate(names)}}


def judge_photo(
    prediction: Prediction,
    options: PathOptions,
    thresholds: np.ndarray,
    *,
    policies: Sequence[str],
    nominal: int | None,
) -> PhotoJudgement:
    """Judge one photo.

    A class hits if its predicted regions cover MIN_OVERLAP of an annotated region of any class together, or if the
    centre of one of them lies in an annotated region.

    Args:
        prediction: the photo and what the predictors said.
        options: margin, least area and the policies that serve.
        thresholds: float64 (T, 3), rows of class thresholds.
        policies: the P policies to judge.
        nominal: the row at which borders and single regions are judged; None leaves them out.
    """
    photo = prediction.photo
    masks = None
    if prediction.probs is not None:
        masks = _judge_masks(prediction, options, thresholds, policies, nominal)
    return PhotoJudgement(
        photo=photo,
        gate_score=prediction.gate_score,
        window=prediction.window,
        is_car_found=bool(len(prediction.boxes_xyxy)),
        car_iou=None if photo.car_box_xyxy is None else iou_of_largest(prediction.boxes_xyxy, photo.car_box_xyxy),
        luminance=prediction.luminance,
        masks=masks,
    )


def _judge_masks(
    prediction: Prediction, options: PathOptions, thresholds: np.ndarray, policies: Sequence[str], nominal: int | None
) -> MaskJudgement:
    photo, classes = prediction.photo, len(DAMAGE_CLASSES)
    gt_masks, ignored = load_masks(photo), load_ignored(photo)
    annotated = _AnnotatedPixels(gt_masks)
    shape = (len(policies), len(thresholds), classes)
    overlap_px, regions, is_hit = np.zeros((*shape, 3), np.int64), np.zeros(shape, np.int64), np.zeros(shape, bool)
    boundary_px = np.zeros((len(policies), classes, 4), np.int64)
    nominal_masks = np.zeros((len(policies), *gt_masks.shape), bool)
    for p, policy in enumerate(policies):
        refined = refine_at_thresholds(prediction.probs, prediction.crop, policy, thresholds)
        for row, masks_crop in enumerate(refined):
            laid = np.zeros(gt_masks.shape, bool)
            for channel, mask in enumerate(masks_crop):
                kept, centres = keep_patches(mask, min_area_px2=options.min_region_area_px2)
                laid[channel] = to_photo_frame(kept, prediction.window, gt_masks.shape[1:])
                regions[p, row, channel] = len(centres)
                if len(centres):
                    centres_photo = _to_photo(centres, mask.shape, prediction.window)
                    is_hit[p, row, channel] = annotated.is_hit_by(laid[channel], centres_photo)
            overlap_px[p, row] = np.stack(count_overlap(laid, gt_masks, ignored), axis=-1)
            if row == nominal:
                nominal_masks[p] = laid
                for channel in range(classes):
                    if gt_masks[channel].any():
                        boundary_px[p, channel] = count_boundary(laid[channel] & ~ignored, gt_masks[channel] & ~ignored)
    return MaskJudgement(
        overlap_px=overlap_px,
        counted_px=int((~ignored).sum()),
        regions=regions,
        is_hit=is_hit,
        boundary_px=boundary_px,
        annotated=() if nominal is None else _judge_regions(nominal_masks, gt_masks, options, policies),
    )


def _judge_regions(
    nominal_masks: np.ndarray, gt_masks: np.ndarray, options: PathOptions, policies: Sequence[str]
) -> tuple[RegionJudgement, ...]:
    """List the annotated regions; nominal_masks is bool (P, 3, H, W)."""
    found = {}
    for name, chosen in variants_of(options.policies, policies).items():
        masks = nominal_masks[list(chosen), range(len(chosen))]  # (3, H, W)
        class_ids, areas_px2, found[name] = recall_regions_each(masks, gt_masks, min_overlap=MIN_OVERLAP)
    return tuple(
        RegionJudgement(int(class_id), int(area_px2), {name: bool(is_found[index]) for name, is_found in found.items()})
        for index, (class_id, area_px2) in enumerate(zip(class_ids, areas_px2, strict=True))
    )


def _to_photo(points_crop: np.ndarray, crop_hw: tuple[int, int], window: CropWindow) -> np.ndarray:
    """Carry pixel positions (x, y), float64 (R, 2), from the crop to whole photo pixels, int64 (R, 2)."""
    height, width = window.size_hw
    scale_xy = np.array([width / crop_hw[1], height / crop_hw[0]])
    return (np.array([window.x0, window.y0]) + (points_crop + 0.5) * scale_xy).astype(np.int64)


class _AnnotatedPixels:
    """The annotated pixels of one photo, labelled once and looked up for every policy, row and class."""

    def __init__(self, gt_masks: np.ndarray) -> None:
        self._anywhere = gt_masks.any(axis=0)
        self._pixels, self._labels, self._sizes = [], [], []
        for mask in gt_masks:
            _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
            pixels = np.flatnonzero(labels)
            self._pixels.append(pixels)
            self._labels.append(labels.ravel()[pixels])
            self._sizes.append(np.bincount(self._labels[-1]))

    def is_hit_by(self, mask: np.ndarray, centres_xy: np.ndarray) -> bool:
        """Does a mask, bool (H, W), of patches with such centres, int64 (R, 2), find damage?"""
        if self._anywhere[centres_xy[:, 1], centres_xy[:, 0]].any():
            return True
        flat = mask.ravel()
        for pixels, labels, sizes in zip(self._pixels, self._labels, self._sizes, strict=True):
            covered = np.bincount(labels[flat[pixels]], minlength=len(sizes))
            if ((covered >= MIN_OVERLAP * sizes) & (sizes > 0)).any():
                return True
        return False
