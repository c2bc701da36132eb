"""Frames of a video file, one at a time, and their rolling mean."""

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from models.data.photos import DataError


def load_frames(path: Path, *, stride: int = 1, max_frames: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
    """Decode every stride-th frame of a video; the file is closed when the iterator ends or is dropped.

    Args:
        path: any container and codec that OpenCV reads.
        stride: 1 takes every frame, 5 the frames 0, 5, 10 …; what lies between is not decoded to pixels.
        max_frames: at most so many; all of them if None.

    Yields:
        Number of the frame in the file, from 0, and uint8 (H, W, 3) RGB.

    Raises:
        ValueError: stride or max_frames below 1.
        DataError: missing, no video, or without a single frame.
    """
    for name, value in (("stride", stride), ("max_frames", max_frames)):
        if value is not None and value < 1:
            raise ValueError(f"{name}: expected 1 or more, found {value}")
    capture = cv2.VideoCapture(str(path))
    try:
        if not path.is_file() or not capture.isOpened():
            raise DataError(f"{path}: missing or no video")
        number = 0
        while (max_frames is None or number < max_frames * stride) and capture.grab():
            if number % stride == 0:
                is_decoded, bgr = capture.retrieve()
                if not is_decoded:
                    raise DataError(f"{path}: frame {number} cannot be decoded")
                yield number, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
            number += 1
        if number == 0:
            raise DataError(f"{path}: expected at least one frame, found none")
    finally:
        capture.release()


def rolling_mean(frames: Iterable[np.ndarray], window: int) -> Iterator[np.ndarray]:
    """Average each frame with those before it: what moves fades, what stays gets clearer.

    Args:
        frames: uint8 (H, W, 3) RGB, all of one size.
        window: frames in an average; the first ones average over as many as there are.

    Yields:
        uint8 (H, W, 3) RGB, one a frame, rounded.

    Raises:
        ValueError: window below 1, or a frame of another size.
    """
    if window < 1:
        raise ValueError(f"window: expected 1 or more, found {window}")
    recent: deque[np.ndarray] = deque()
    total: np.ndarray | None = None
    for number, frame in enumerate(frames):
        if total is None:
            total = np.zeros(frame.shape, np.int64)
        if frame.shape != total.shape:
            raise ValueError(f"frames[{number}]: expected shape {total.shape}, found {frame.shape}")
        recent.append(frame)
        total += frame
        if len(recent) > window:
            total -= recent.popleft()
        yield np.rint(total / len(recent)).astype(np.uint8)
