"""decode: a photo's bytes become an image.

In:   bytes of a JPEG, PNG or WebP file. Out: image, uint8 (H, W, 3) RGB, photo frame, EXIF turn applied.
Must not know: where the bytes came from.
"""

import struct
from typing import Final

import cv2
import numpy as np

from models.structures import Letterbox

_EXIF: Final = int(cv2.IMAGE_METADATA_EXIF)
_ORIENTATION_TAG: Final = 274


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
            image = _lay_on_grey(image, encoded)
    except cv2.error as error:
        raise DecodeError(f"the decoder failed: {error.err}") from error
    return image


def measure_brightness(image: np.ndarray) -> float:
    """Mean luma of an image, [0, 1], of every fourth pixel of every fourth row.

    Args:
        image: uint8 (H, W, 3) RGB, photo frame.

    Source: ITU-R BT.601, weights of red, green and blue in luma.
    """
    red, green, blue, _ = cv2.mean(image[::4, ::4])
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255


def _lay_on_grey(image: np.ndarray, encoded: np.ndarray) -> np.ndarray:
    """Mix a picture that has opacity with the grey; any other comes back as it is."""
    raw, kinds, metadata = cv2.imdecodeWithMetadata(encoded, flags=cv2.IMREAD_UNCHANGED)
    if raw is None or raw.ndim != 3 or raw.shape[2] != 4:
        return image
    exif = [bytes(np.asarray(block)) for kind, block in zip(kinds, metadata, strict=True) if kind == _EXIF]
    opacity = raw[..., 3].astype(np.float32) / np.iinfo(raw.dtype).max  # (H, W), not yet turned as the image is
    opacity = _turn(opacity, _read_orientation(exif[0]) if exif else 1)[..., None]
    laid = image * opacity + Letterbox.PAD_VALUE * (1 - opacity)
    return np.round(laid).astype(np.uint8)


def _turn(plane: np.ndarray, orientation: int) -> np.ndarray:
    """Turn a plane, (H, W), upright from its EXIF orientation; an unknown one is no turn."""
    if orientation in (5, 6, 7, 8):
        plane = plane.T
    if orientation in (2, 3, 6, 7):
        plane = plane[:, ::-1]
    if orientation in (3, 4, 7, 8):
        plane = plane[::-1]
    return plane


def _read_orientation(exif: bytes) -> int:
    """Find the orientation in the first directory of an EXIF block. Source: TIFF 6.0, section 2; EXIF 2.3, tag 274."""
    order = ">" if exif.startswith(b"MM") else "<"
    try:
        (at,) = struct.unpack_from(order + "I", exif, 4)
        (entries,) = struct.unpack_from(order + "H", exif, at)
        for entry in range(entries):
            tag, _, _, value = struct.unpack_from(order + "HHIH", exif, at + 2 + 12 * entry)
            if tag == _ORIENTATION_TAG:
                return value
    except struct.error:
        return 1
    return 1
