"""Localizer: images in, vehicle boxes out, best first.

In:   images, uint8 (H, W, 3) RGB, any sizes. Out: boxes in each photo's own frame with scores.
Must not know: which box the service crops, files, torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.localizer.nms import suppress_boxes
from models.runtime import Runtime
from models.store import ModelCard
from models.structures import (
    ContractError,
    Letterbox,
    box_area_px2,
    check_array,
    check_image,
    clip_boxes_xyxy,
    normalise_batch,
)


@dataclass(frozen=True)
class Detections:
    """The vehicles of one photo, best first.

    Attributes:
        boxes_xyxy_photo: float32 (K, 4), photo pixels, max edge exclusive, inside the photo.
        scores: float32 (K,), [0, 1], descending.
    """

    boxes_xyxy_photo: np.ndarray
    scores: np.ndarray


class Localizer:
    """A YOLOv3-family network whose export decodes its grids: (N, 4 + C, A), boxes cxcywh in input pixels.

    The card's thresholds: score_threshold and iou_threshold as suppress_boxes has them; min_box_ratio, the share of the
    photo's area below which a vehicle is background.
    """

    def __init__(self, runtime: Runtime, card: ModelCard) -> None:
        """Pair a network with its card.

        Raises:
            ContractError: the network's input is not the card's.
            ValueError: the card lacks a threshold.
        """
        if runtime.input_hw != card.input_hw:
            raise ContractError(f"runtime.input_hw: the card says {card.input_hw}, found {runtime.input_hw}")
        self._runtime, self.card = runtime, card
        self._score_threshold, self._iou_threshold, self._min_box_ratio = card.require_thresholds(
            "score_threshold", "iou_threshold", "min_box_ratio"
        )

    def predict_boxes(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Find vehicles.

        Args:
            images: each uint8 (H, W, 3) RGB, any sizes.

        Returns:
            One Detections an image, in order.

        Raises:
            ContractError: not such images, or NaN out of the network.
        """
        if not images:
            return []
        letterboxes = []
        for index, image in enumerate(images):
            check_image(f"images[{index}]", image)
            letterboxes.append(Letterbox(image.shape[:2], self.card.input_hw))
        inputs = [letterbox.apply(image) for letterbox, image in zip(letterboxes, images, strict=True)]
        batch = normalise_batch(inputs, self.card.normalisation_mean, self.card.normalisation_std)
        rows = self._runtime.run(batch)
        check_array("localizer rows", rows, (len(images), 4 + len(self.card.classes), None), np.float32)
        return [self._decode_row(row, letterbox) for row, letterbox in zip(rows, letterboxes, strict=True)]

    def _decode_row(self, row: np.ndarray, letterbox: Letterbox) -> Detections:
        """Turn one photo's rows, float32 (4 + C, A), into boxes of the photo."""
        check_array("localizer scores", row[4:], (None, None), np.float32, value_range=(0.0, 1.0))
        class_ids = row[4:].argmax(axis=0)  # (A,)
        scores = row[4:].max(axis=0)
        likely = np.flatnonzero(scores > self._score_threshold)
        centres, extents = row[:2, likely].T, row[2:4, likely].T  # (L, 2)
        boxes_xyxy_input = np.concatenate([centres - extents / 2, centres + extents / 2], axis=1)
        if not np.isfinite(boxes_xyxy_input).all():
            raise ContractError("localizer boxes: expected finite numbers, found NaN or infinity")
        kept = suppress_boxes(
            boxes_xyxy_input,
            scores[likely],
            score_threshold=self._score_threshold,
            iou_threshold=self._iou_threshold,
            class_ids=class_ids[likely],
        )
        boxes = clip_boxes_xyxy(letterbox.undo_boxes(boxes_xyxy_input[kept]), letterbox.source_hw)
        photo_area_px2 = letterbox.source_hw[0] * letterbox.source_hw[1]
        is_near = box_area_px2(boxes) >= self._min_box_ratio * photo_area_px2
        return Detections(boxes[is_near].astype(np.float32), scores[likely][kept][is_near])
