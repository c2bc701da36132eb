"""A COCO detector as teacher: boxes of cars on photos that nobody boxed."""

from pathlib import Path
from typing import Final

import numpy as np
import openvino

from models.localizer.nms import suppress_boxes
from models.structures import Letterbox, clip_boxes_xyxy

VEHICLE_CLASS_IDS: Final[tuple[int, ...]] = (2, 5, 7)
"""COCO car, bus, truck."""


class YoloxTeacher:
    """YOLOX, exported raw: (N, A, 85) of cx, cy, log w, log h per grid cell, objectness, 80 classes."""

    STRIDES = (8, 16, 32)

    def __init__(self, path: Path) -> None:
        """Compile the ONNX file.

        Raises:
            FileNotFoundError: there is none.
        """
        if not path.is_file():
            raise FileNotFoundError(f"teacher: no such file: {path}")
        core = openvino.Core()
        network = core.compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        self._network = network
        shape = network.input(0).shape
        self._input_hw = (shape[2], shape[3])
        cells, strides = [], []
        for stride in self.STRIDES:
            rows, columns = self._input_hw[0] // stride, self._input_hw[1] // stride
            ys, xs = np.mgrid[:rows, :columns]
            cells.append(np.stack([xs, ys], axis=-1).reshape(-1, 2))
            strides.append(np.full(rows * columns, stride))
        self._cells_xy = np.concatenate(cells).astype(np.float32)  # (A, 2)
        self._strides = np.concatenate(strides).astype(np.float32)[:, None]  # (A, 1)

    def predict_boxes(self, image: np.ndarray, *, score_threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """Find vehicles.

        Args:
            image: uint8 (H, W, 3) RGB.
            score_threshold: a vehicle of this score or less is dropped.

        Returns:
            boxes_xyxy_photo float64 (K, 4) and scores float32 (K,), best first.
        """
        letterbox = Letterbox(image.shape[:2], self._input_hw)
        bgr = np.ascontiguousarray(letterbox.apply(image)[..., ::-1]).astype(np.float32)  # YOLOX takes BGR, 0 to 255
        rows = self._network(bgr.transpose(2, 0, 1)[None])[0][0]  # (A, 85)
        centres = (rows[:, :2] + self._cells_xy) * self._strides
        extents = np.exp(rows[:, 2:4]) * self._strides
        scores = rows[:, 4] * rows[:, [5 + class_id for class_id in VEHICLE_CLASS_IDS]].max(axis=1)
        boxes = np.concatenate([centres - extents / 2, centres + extents / 2], axis=1)
        kept = suppress_boxes(boxes, scores, score_threshold=score_threshold, iou_threshold=0.5)
        return clip_boxes_xyxy(letterbox.undo_boxes(boxes[kept]), image.shape[:2]), scores[kept]
