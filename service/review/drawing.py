"""drawing: a photo as the pages show it: fetched, checked, framed, marked, as JPEG.

Every picture is encoded anew: what else a photo's file holds (place, camera, owner) is never shown.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from service.errors import PhotoMissing
from service.photo import PhotoLimits, PhotoStorage, check_photo
from service.result import InspectionResult
from service.review.framing import close_up_of, frame_photo
from service.review.overlay import draw_overlay

SMALL_PX: Final = 480
LARGE_PX: Final = 2048
_JPEG_QUALITY: Final = 88


@dataclass(frozen=True)
class PhotoView:
    """How to show a photo.

    Attributes:
        longest_side_px: of the picture.
        is_marked: with the damages drawn on it.
        region: number of the region to show from close by, from 0; None: the whole photo.
    """

    longest_side_px: int
    is_marked: bool
    region: int | None = None


class PhotoArtist:
    """Shows the photos of the allowed buckets."""

    def __init__(self, storage: PhotoStorage, limits: PhotoLimits, decode: Callable[[bytes], np.ndarray]) -> None:
        """Name the parts; nothing is fetched yet.

        Args:
            storage: knows the allowed buckets.
            limits: bounds on every photo.
            decode: bytes of a photo within the limits to uint8 (H, W, 3) RGB, as the worker decodes; raises
                PhotoUnreadable.
        """
        self._storage = storage
        self._limits = limits
        self._decode = decode

    def draw(self, result: InspectionResult, view: PhotoView) -> bytes:
        """Draw one photo.

        Args:
            result: what was found on it.
            view: how to show it.

        Returns:
            A JPEG file.

        Raises:
            BadRequest: its bucket is not allowed.
            PhotoMissing: there is no such photo or region, or other bytes lie there now than were inspected.
            PhotoUnreadable: no photo within the limits.
            StorageUnavailable: S3 does not answer.
        """
        if result.photo is None:
            raise PhotoMissing("photo: the message named none")
        if view.region is not None and view.region >= len(result.regions):
            raise PhotoMissing(f"region: {view.region} of a photo with {len(result.regions)} regions")
        photo = self._storage.fetch_photo(result.photo)
        if result.photo_sha256 not in (None, photo.sha256):
            raise PhotoMissing("photo: it was replaced after its inspection, and is not the evidence any more")
        check_photo(photo.body, self._limits)
        image = self._decode(photo.body)
        window_xyxy = (0, 0, image.shape[1], image.shape[0])
        if view.region is not None:
            window_xyxy = close_up_of(result.regions[view.region], image.shape[:2])
        image, moved = frame_photo(image, result, window_xyxy=window_xyxy, longest_side_px=view.longest_side_px)
        if view.is_marked:
            is_whole = view.region is None
            is_explained = is_whole and view.longest_side_px > SMALL_PX
            shown = moved if is_explained else moved.model_copy(update={"crop_xyxy": None})
            image = draw_overlay(image, shown, is_filled=is_whole, is_labelled=is_explained)
        options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        _, encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
        return encoded.tobytes()
