"""decode: a photo's bytes become an image.

In:   bytes of a JPEG, PNG or WebP file. Out: image, uint8 (H, W, 3) RGB, photo frame, EXIF turn applied.
Must not know: where the bytes came from.
"""

import cv2
import numpy as np

from models.structures import Letterbox


class DecodeError(Exception):
    """The bytes hold no picture that can be decoded."""


def decode_photo(body: bytes) -> np.ndarray:
    """Decode a photo.

    CMYK and grey photos become RGB, 16 bits become 8, and a transparent picture is laid on the grey of the letterbox,
    because the colour under a transparent pixel means nothing.

    Args:
        body: the file; its header has passed the limits.

    Returns:
        uint8 (H, W, 3) RGB, photo frame; turned as EXIF says.

    Raises:
        DecodeError: the decoder refuses it.
    """
    encoded = np.frombuffer(body, np.uint8)
    try:
        image = cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)
        if image is None:
            raise DecodeError("the decoder found no picture")
        if body.startswith((b"\x89PNG", b"RIFF")):
            image = _lay_on_grey(image, cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED))
    except cv2.error as error:
        raise DecodeError(f"the decoder failed: {error.err}") from error
    return image


def _lay_on_grey(image: np.ndarray, raw: np.ndarray | None) -> np.ndarray:
    if raw is None or raw.ndim != 3 or raw.shape[2] != 4 or raw.shape[:2] != image.shape[:2]:
        return image
    opacity = raw[..., 3:].astype(np.float32) / np.iinfo(raw.dtype).max  # (H, W, 1)
    laid = image * opacity + Letterbox.PAD_VALUE * (1 - opacity)
    return np.round(laid).astype(np.uint8)
