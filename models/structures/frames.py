"""Frames: which pixels a coordinate counts, and the maps between photo, crop and network input."""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from models.structures.boxes import largest_box


@dataclass(frozen=True)
class CropWindow:
    """The part of the photo that went on, in whole photo pixels; max edges exclusive."""

    x0: int
    y0: int
    x1: int
    y1: int

    @classmethod
    def whole(cls, size_hw: tuple[int, int]) -> Self:
        """The window that covers a photo of size_hw pixels."""
        return cls(0, 0, size_hw[1], size_hw[0])

    @classmethod
    def around(cls, box_xyxy: np.ndarray, size_hw: tuple[int, int], *, margin_ratio: float) -> Self:
        """The window around a box, widened on each side and cut at the photo's borders.

        Args:
            box_xyxy: float (4,), photo frame.
            size_hw: the photo's height and width, pixels.
            margin_ratio: added on each side, as a share of the box's own width and height.

        Returns:
            A window of at least one pixel.
        """
        x0, y0, x1, y1 = (float(v) for v in box_xyxy)
        dx, dy = (x1 - x0) * margin_ratio, (y1 - y0) * margin_ratio
        height, width = size_hw
        left = min(max(int(np.floor(x0 - dx)), 0), width - 1)
        top = min(max(int(np.floor(y0 - dy)), 0), height - 1)
        right = max(min(int(np.ceil(x1 + dx)), width), left + 1)
        bottom = max(min(int(np.ceil(y1 + dy)), height), top + 1)
        return cls(left, top, right, bottom)

    @classmethod
    def around_largest(cls, boxes_xyxy: np.ndarray, size_hw: tuple[int, int], *, margin_ratio: float) -> Self:
        """The window around the largest of the boxes, as around; all of the photo where there is no box.

        Args:
            boxes_xyxy: float (K, 4), photo frame.
            size_hw: the photo's height and width, pixels.
            margin_ratio: added on each side, as a share of the box's own width and height.
        """
        if not len(boxes_xyxy):
            return cls.whole(size_hw)
        return cls.around(largest_box(boxes_xyxy), size_hw, margin_ratio=margin_ratio)

    @property
    def size_hw(self) -> tuple[int, int]:
        return self.y1 - self.y0, self.x1 - self.x0

    @property
    def xyxy(self) -> tuple[int, int, int, int]:
        return self.x0, self.y0, self.x1, self.y1

    def cut(self, image: np.ndarray) -> np.ndarray:
        """View of image, (H, W, …) in the photo frame, inside this window."""
        return image[self.y0 : self.y1, self.x0 : self.x1]


@dataclass(frozen=True)
class Letterbox:
    """Fits an image into a network's input: one scale for both axes, grey bars on the short side.

    Training, evaluation and serving all go through this class.
    """

    source_hw: tuple[int, int]
    input_hw: tuple[int, int]

    PAD_VALUE = 114

    @property
    def scale(self) -> float:
        """Input pixels per source pixel."""
        return min(self.input_hw[0] / self.source_hw[0], self.input_hw[1] / self.source_hw[1])

    @property
    def content_hw(self) -> tuple[int, int]:
        """Size of the scaled image inside the input, pixels."""
        height = min(max(round(self.source_hw[0] * self.scale), 1), self.input_hw[0])
        width = min(max(round(self.source_hw[1] * self.scale), 1), self.input_hw[1])
        return height, width

    @property
    def offset_xy(self) -> tuple[int, int]:
        """Left and top bar, input pixels."""
        height, width = self.content_hw
        return (self.input_hw[1] - width) // 2, (self.input_hw[0] - height) // 2

    @property
    def _ratio_xy(self) -> np.ndarray:
        """Input pixels per source pixel on each axis, after rounding to whole pixels; float64 (2,)."""
        content_h, content_w = self.content_hw
        return np.array([content_w / self.source_hw[1], content_h / self.source_hw[0]])

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Scale and pad an image.

        Args:
            image: uint8 (H, W, 3) of source_hw.

        Returns:
            uint8 (*input_hw, 3), input frame.
        """
        content_h, content_w = self.content_hw
        shrinks = content_h < self.source_hw[0] or content_w < self.source_hw[1]
        interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        content = cv2.resize(image, (content_w, content_h), interpolation=interpolation)
        x, y = self.offset_xy
        padded = np.full((*self.input_hw, 3), self.PAD_VALUE, np.uint8)
        padded[y : y + content_h, x : x + content_w] = content
        return padded

    def apply_masks(self, masks: np.ndarray) -> np.ndarray:
        """Scale and pad masks; a cell becomes True where the majority of it was.

        Args:
            masks: bool (C, H, W) of source_hw.

        Returns:
            bool (C, *input_hw), input frame; the bars are False.
        """
        content_h, content_w = self.content_hw
        x, y = self.offset_xy
        padded = np.zeros((len(masks), *self.input_hw), bool)
        for channel, mask in enumerate(masks):
            content = cv2.resize(mask.astype(np.float32), (content_w, content_h), interpolation=cv2.INTER_AREA)
            padded[channel, y : y + content_h, x : x + content_w] = content >= 0.5
        return padded

    def apply_boxes(self, boxes_xyxy_source: np.ndarray) -> np.ndarray:
        """Carry boxes, float (N, 4), from the source frame into the input frame."""
        ratio, offset = np.tile(self._ratio_xy, 2), np.tile(np.array(self.offset_xy, np.float64), 2)
        return np.asarray(boxes_xyxy_source, np.float64) * ratio + offset

    def undo_boxes(self, boxes_xyxy_input: np.ndarray) -> np.ndarray:
        """Carry boxes, float (N, 4), from the input frame into the source frame."""
        ratio, offset = np.tile(self._ratio_xy, 2), np.tile(np.array(self.offset_xy, np.float64), 2)
        return (np.asarray(boxes_xyxy_input, np.float64) - offset) / ratio

    def undo_maps(self, maps: np.ndarray) -> np.ndarray:
        """Cut the bars off maps of the input and scale them to the source.

        Args:
            maps: float32 (C, *input_hw), input frame.

        Returns:
            float32 (C, *source_hw), source frame; bilinear, so the value range is kept.
        """
        content_h, content_w = self.content_hw
        x, y = self.offset_xy
        source_h, source_w = self.source_hw
        content = maps[:, y : y + content_h, x : x + content_w]
        return np.stack([cv2.resize(m, (source_w, source_h), interpolation=cv2.INTER_LINEAR) for m in content])


def shrink_to_fit(image: np.ndarray, max_hw: tuple[int, int]) -> np.ndarray:
    """Shrink an image, both axes alike, until it fits; an image that fits is copied, never enlarged.

    Args:
        image: uint8 (H, W, 3).
        max_hw: height and width to fit in, pixels.

    Returns:
        uint8 (h, w, 3), contiguous.
    """
    height, width = image.shape[:2]
    scale = min(max_hw[0] / height, max_hw[1] / width)
    if scale >= 1:
        return image.copy()
    size_wh = (max(round(width * scale), 1), max(round(height * scale), 1))
    return cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)
