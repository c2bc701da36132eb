"""Serving's path over annotated photos, every intermediate kept: localize → gate → segment → mask policy → patches.

In:   annotated photos, predictors. Out: one Prediction a photo; masks at as many thresholds as wanted.
Must not know: annotations' regions, measures.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np

from models.damage_mapper import DamageMapper
from models.data.photos import AnnotatedPhoto, DataError, load_image
from models.gate.predictor import Gate
from models.localizer.predictor import Localizer
from models.mask_policies import MASK_POLICIES, DenseCrfPolicy
from models.predictors import load_damage_mapper, load_gate, load_localizer
from models.store import ModelVersion
from models.structures import DAMAGE_CLASSES, CropWindow, check_array, shrink_to_fit

BATCH_PHOTOS: Final = 8
_SHARED_PROB_FLOOR: Final = 1e-6
"""Below what a prob at the policy's own floor becomes after it is carried from any threshold to 0.5."""


@dataclass(frozen=True)
class PathOptions:
    """What decides a result beside the models; the defaults are the service's.

    Attributes:
        crop_margin_ratio: added on each side of the car's box, as a share of its width and height.
        min_region_area_px2: smaller patches are dropped; crop pixels.
        policies: the mask policy of each class, in the order of DAMAGE_CLASSES.
    """

    crop_margin_ratio: float = 0.05
    min_region_area_px2: int = 40
    policies: tuple[str, str, str] = ("crf", "threshold", "crf")

    def __post_init__(self) -> None:
        """Refuse what no service would accept.

        Raises:
            ValueError: an unknown policy, a negative margin, an area below one pixel.
        """
        for class_name, policy in zip(DAMAGE_CLASSES, self.policies, strict=True):
            if policy not in MASK_POLICIES:
                raise ValueError(f"{class_name}_policy: expected one of {', '.join(MASK_POLICIES)}, found {policy!r}")
        if not 0 <= self.crop_margin_ratio <= 1:
            raise ValueError(f"crop_margin_ratio: expected a number in [0, 1], found {self.crop_margin_ratio}")
        if self.min_region_area_px2 < 1:
            raise ValueError(f"min_region_area_px2: expected 1 or more, found {self.min_region_area_px2}")


@dataclass(frozen=True)
class Predictors:
    """The networks with the thresholds of their cards.

    Attributes:
        localizer: finds vehicles.
        gate: scores crops.
        mapper: segmenter, finder or both.
        class_thresholds: of the mask policies, float64 (3,), in the order of DAMAGE_CLASSES.
    """

    localizer: Localizer
    gate: Gate
    mapper: DamageMapper
    class_thresholds: np.ndarray

    @classmethod
    def load(cls, versions: Mapping[str, ModelVersion], *, finder: str = "off") -> Self:
        """Compile the versions of a set.

        Args:
            versions: by network.
            finder: one of FINDER_USES.

        Raises:
            StoreError: a version lacks its network.
            ValueError: a card lacks the threshold of the gate or of a class, or the set the finder that is asked for.
        """
        versions["gate"].card.require_thresholds("score_threshold")
        names = [f"{name}_score_threshold" for name in DAMAGE_CLASSES]
        class_thresholds = np.array(versions["segmenter"].card.require_thresholds(*names))
        return cls(
            load_localizer(versions["localizer"]),
            load_gate(versions["gate"]),
            load_damage_mapper(versions, finder=finder),
            class_thresholds,
        )

    @property
    def gate_score_threshold(self) -> float:
        """Photos that score less are let go."""
        return self.gate.card.thresholds["score_threshold"]


@dataclass(frozen=True)
class Prediction:
    """What the predictors said about one photo; the mapper also where the gate lets the photo go.

    Attributes:
        photo: the photo.
        boxes_xyxy: float32 (K, 4), photo frame.
        window: the part of the photo that went on.
        crop: uint8 (h, w, 3) RGB: the window, shrunk to fit the segmenter's input if it does not.
        gate_score: [0, 1].
        probs: float32 (3, h, w), [0, 1], crop frame; None if the photo's damaged pixels are not known.
        luminance: mean of the photo's luma, [0, 255].
    """

    photo: AnnotatedPhoto
    boxes_xyxy: np.ndarray
    window: CropWindow
    crop: np.ndarray
    gate_score: float
    probs: np.ndarray | None
    luminance: float


def predict_photos(
    photos: Sequence[AnnotatedPhoto],
    predictors: Predictors,
    options: PathOptions,
    *,
    batch_photos: int = BATCH_PHOTOS,
) -> Iterator[Prediction]:
    """Run the predictors over photos, in order, holding one batch in memory.

    Raises:
        DataError: a photo is missing, is no image or has another size than its annotation says.
    """
    for start in range(0, len(photos), batch_photos):
        yield from _predict_batch(photos[start : start + batch_photos], predictors, options)


def _predict_batch(
    batch: Sequence[AnnotatedPhoto], predictors: Predictors, options: PathOptions
) -> Iterator[Prediction]:
    images = [load_sized(photo) for photo in batch]
    boxes = [found.boxes_xyxy_photo for found in predictors.localizer.predict_boxes(images)]
    windows = [
        CropWindow.around_largest(own, image.shape[:2], margin_ratio=options.crop_margin_ratio)
        for own, image in zip(boxes, images, strict=True)
    ]
    crops = [
        shrink_to_fit(window.cut(image), predictors.mapper.input_hw)
        for window, image in zip(windows, images, strict=True)
    ]
    scores = predictors.gate.predict_scores(crops)
    annotated = [position for position, photo in enumerate(batch) if photo.has_regions]
    maps = predictors.mapper.predict_probs([crops[position] for position in annotated])
    probs = dict(zip(annotated, maps, strict=True))
    for position, photo in enumerate(batch):
        yield Prediction(
            photo,
            boxes[position],
            windows[position],
            crops[position],
            float(scores[position]),
            probs.get(position),
            float(cv2.cvtColor(images[position], cv2.COLOR_RGB2GRAY).mean()),
        )


def load_sized(photo: AnnotatedPhoto) -> np.ndarray:
    """Decode a photo, uint8 (H, W, 3) RGB.

    Raises:
        DataError: missing, no image, or not the size that its annotation says.
    """
    image = load_image(photo.path)
    if image.shape[:2] != (photo.height, photo.width):
        found_h, found_w = image.shape[:2]
        raise DataError(f"{photo.path}: annotated as {photo.width}x{photo.height} pixels, found {found_w}x{found_h}")
    return image


def refine_at_thresholds(probs: np.ndarray, crop: np.ndarray, policy: str, thresholds: np.ndarray) -> np.ndarray:
    """Turn one crop's probs into masks at many thresholds, at little more than the price of one.

    The CRF sees logit p - logit t only. Probs carried so that t becomes 0.5 give the same unaries, so every threshold
    is a map of one call and all share one lattice.

    Args:
        probs: float32 (K, h, w), [0, 1], crop frame.
        crop: uint8 (h, w, 3) RGB.
        policy: a key of MASK_POLICIES.
        thresholds: float (T, K), inside the policy's bounds.

    Returns:
        bool (T, K, h, w), crop frame.
    """
    check_array("thresholds", thresholds, (None, len(probs)), np.float64)
    if policy == "threshold":
        return probs[None] >= thresholds.astype(np.float32)[:, :, None, None]
    floor = DenseCrfPolicy(score_threshold=float(thresholds.min())).prob_floor
    clipped = np.clip(probs, np.float32(floor), np.float32(1 - floor))
    carried = np.empty((*thresholds.shape, *probs.shape[1:]), np.float32)
    for row, own in enumerate(thresholds):
        for channel, t in enumerate(own.astype(np.float32)):
            p = clipped[channel]
            carried[row, channel] = p * (1 - t) / (p * (1 - t) + (1 - p) * t)
    flat = carried.reshape(-1, *probs.shape[1:])
    return DenseCrfPolicy(0.5, prob_floor=_SHARED_PROB_FLOOR).refine(flat, crop).reshape(carried.shape)


def keep_patches(mask: np.ndarray, *, min_area_px2: int) -> tuple[np.ndarray, np.ndarray]:
    """Drop the patches that are too small to become a region.

    Args:
        mask: bool (h, w).
        min_area_px2: smaller patches are dropped.

    Returns:
        bool (h, w), what is left; float64 (R, 2), the centre (x, y) of each patch left, same frame.
    """
    if not mask.any():
        return mask, np.zeros((0, 2))
    _, labels, stats, centres = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    is_kept = stats[:, cv2.CC_STAT_AREA] >= min_area_px2
    is_kept[0] = False
    return is_kept[labels], centres[is_kept]


def to_photo_frame(mask: np.ndarray, window: CropWindow, size_hw: tuple[int, int]) -> np.ndarray:
    """Lay a crop's mask into the photo; a photo pixel is what the crop pixel under its middle is.

    Args:
        mask: bool (h, w), crop frame, not larger than the window.
        window: where the crop lies.
        size_hw: the photo's height and width, pixels.

    Returns:
        bool (H, W), photo frame.
    """
    laid = np.zeros(size_hw, bool)
    if mask.any():
        height, width = window.size_hw
        rows = ((np.arange(height) + 0.5) * mask.shape[0] / height).astype(np.int64)
        columns = ((np.arange(width) + 0.5) * mask.shape[1] / width).astype(np.int64)
        window.cut(laid)[...] = mask[np.ix_(rows, columns)]
    return laid
