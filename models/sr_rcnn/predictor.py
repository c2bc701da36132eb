"""Finder: crops in, damage probabilities per pixel and class out, from a detector's boxes and masks.

In:   crops, uint8 (H, W, 3) RGB, any sizes. Out: float32 (3, H, W) each, scratch, dent, spacing, the crop's frame.
Must not know: mask policies, photos, files, torch.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.runtime import Runtime
from models.sr_rcnn.painting import carry_thresholds, paint_objects
from models.store import ModelCard
from models.structures import (
    DAMAGE_CLASSES,
    ContractError,
    Letterbox,
    box_area_px2,
    check_array,
    check_image,
    clip_boxes_xyxy,
    normalise_batch,
)

FIELDS: Final = 6
"""Numbers of a row before its mask: box, score, class_id."""
MASK_BORDER: Final = 0.5
"""Mask prob at the border of an object, as Mask R-CNN has it."""


@dataclass(frozen=True)
class FoundDamages:
    """The K detections on one crop, best first.

    Attributes:
        boxes_xyxy_crop: float32 (K, 4), inside the crop.
        channels: int64 (K,), indices into DAMAGE_CLASSES.
        scores: float32 (K,), [0, 1], descending.
        mask_probs: float32 (K, S, S), [0, 1], over the box from edge to edge.
    """

    boxes_xyxy_crop: np.ndarray
    channels: np.ndarray
    scores: np.ndarray
    mask_probs: np.ndarray

    def choose(self, is_chosen: np.ndarray) -> "FoundDamages":
        """Those where is_chosen, bool (K,), is True."""
        return FoundDamages(
            self.boxes_xyxy_crop[is_chosen],
            self.channels[is_chosen],
            self.scores[is_chosen],
            self.mask_probs[is_chosen],
        )


class Finder:
    """A detector over a runtime: rows of boxes, scores, classes and masks, as FinderForExport gives them.

    The card's thresholds: <class>_score_threshold for each of its classes, from which on a detection counts; small_px,
    below which the square root of a box's area is small, crop pixels.
    """

    def __init__(
        self,
        runtime: Runtime,
        card: ModelCard,
        *,
        small_only: bool = False,
        policy_thresholds: Mapping[str, float] | None = None,
    ) -> None:
        """Pair a network with its card.

        Args:
            runtime: of the network.
            card: its card.
            small_only: leave out what is not small.
            policy_thresholds: <class>_score_threshold of the mask policies that come next. The maps are carried so that
                a detection at its own threshold is at theirs where its mask says half: what counts is shown. None: the
                maps stay score × mask prob.

        Raises:
            ContractError: the network's input is not the card's.
            ValueError: a class that is none of ours, or a threshold that is missing or no share.
        """
        if runtime.input_hw != card.input_hw:
            raise ContractError(f"runtime.input_hw: the card says {card.input_hw}, found {runtime.input_hw}")
        unknown = [name for name in card.classes if name not in DAMAGE_CLASSES]
        if unknown or not card.classes or len(set(card.classes)) < len(card.classes):
            raise ValueError(
                f"finder/card.json: classes: expected some of {', '.join(DAMAGE_CLASSES)}, each once, found "
                f"{', '.join(card.classes) or 'none'}"
            )
        names = [f"{name}_score_threshold" for name in card.classes]
        card.require_thresholds(*names, "small_px")
        for name in names:
            if not 0 < card.thresholds[name] <= 1:
                raise ValueError(
                    f"finder/card.json: thresholds: {name}: expected above 0, to 1, found {card.thresholds[name]}"
                )
        self._runtime, self.card, self._small_only = runtime, card, small_only
        self._channels = np.array([DAMAGE_CLASSES.index(name) for name in card.classes])
        self._score_thresholds = np.ones(len(DAMAGE_CLASSES), np.float32)
        self._score_thresholds[self._channels] = [card.thresholds[name] for name in names]
        self._policy_thresholds = None
        if policy_thresholds is not None:
            self._policy_thresholds = [policy_thresholds[f"{name}_score_threshold"] for name in DAMAGE_CLASSES]

    @property
    def input_hw(self) -> tuple[int, int]:
        """Height and width of the network's input, pixels: more pixels than these in a crop are lost."""
        return self.card.input_hw

    def predict_probs(self, crops: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Map where each class of damage was detected.

        Args:
            crops: each uint8 (H, W, 3) RGB, any sizes.

        Returns:
            One float32 (3, H, W) a crop, [0, 1], the crop's own frame; 0 where nothing was.

        Raises:
            ContractError: not such images, or a network's answer that is none.
        """
        return [self._paint(found, crop.shape[:2]) for found, crop in zip(self.detect(crops), crops, strict=True)]

    def detect(self, crops: Sequence[np.ndarray]) -> list[FoundDamages]:
        """Detect damages of any score and size; arguments and errors as predict_probs."""
        if not crops:
            return []
        letterboxes = []
        for index, crop in enumerate(crops):
            check_image(f"crops[{index}]", crop)
            letterboxes.append(Letterbox(crop.shape[:2], self.card.input_hw))
        inputs = [letterbox.apply(crop) for letterbox, crop in zip(letterboxes, crops, strict=True)]
        rows = self._runtime.run(normalise_batch(inputs, self.card.normalisation_mean, self.card.normalisation_std))
        check_array("finder rows", rows, (len(crops), None, None), np.float32)
        side = math.isqrt(max(rows.shape[2] - FIELDS, 0))
        if side < 1 or rows.shape[2] != FIELDS + side**2:
            raise ContractError(f"finder rows: expected {FIELDS} numbers and a square mask, found {rows.shape[2]}")
        return [self._decode_rows(own, side, letterbox) for own, letterbox in zip(rows, letterboxes, strict=True)]

    def _decode_rows(self, rows: np.ndarray, side: int, letterbox: Letterbox) -> FoundDamages:
        """Turn one crop's rows, float32 (D, 6 + S²), into detections of the crop."""
        check_array("finder scores", rows[:, 4], (None,), np.float32, value_range=(0.0, 1.0))
        rows = rows[rows[:, 4] > 0]
        masks = rows[:, FIELDS:].reshape(-1, side, side)
        check_array("finder mask probs", masks, (None, side, side), np.float32, value_range=(0.0, 1.0))
        check_array("finder class_ids", rows[:, 5], (None,), np.float32, value_range=(1, len(self._channels)))
        if not np.isfinite(rows[:, :4]).all():
            raise ContractError("finder boxes: expected finite numbers, found NaN or infinity")
        boxes = clip_boxes_xyxy(letterbox.undo_boxes(rows[:, :4]), letterbox.source_hw).astype(np.float32)
        channels = self._channels[rows[:, 5].astype(np.int64) - 1]
        return FoundDamages(boxes, channels, rows[:, 4], masks).choose(box_area_px2(boxes) > 0)  # none on the bars

    def _paint(self, found: FoundDamages, size_hw: tuple[int, int]) -> np.ndarray:
        is_shown = found.scores >= self._score_thresholds[found.channels]
        if self._small_only:
            is_shown &= np.sqrt(box_area_px2(found.boxes_xyxy_crop)) < self.card.thresholds["small_px"]
        shown = found.choose(is_shown)
        probs = paint_objects(shown.boxes_xyxy_crop, shown.channels, shown.scores, shown.mask_probs, size_hw)
        if self._policy_thresholds is None or not len(shown.scores):
            return probs
        return carry_thresholds(probs, self._score_thresholds * MASK_BORDER, self._policy_thresholds)
