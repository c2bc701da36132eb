"""photo: the bytes of one photo from S3, within limits that are checked before anything is decoded.

In:   a location. Out: bytes and their sha256.
Must not know: arrays.
"""

import hashlib
import struct
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from service.errors import BadRequest, PhotoMissing, PhotoUnreadable, StorageUnavailable
from service.request import PhotoLocation

_MISSING_CODES: Final = {"NoSuchKey", "NoSuchVersion", "NoSuchBucket", "404", "MethodNotAllowed"}
_JPEG_STANDALONE: Final = {0x01, *range(0xD0, 0xD9)}
_JPEG_FRAMES: Final = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True)
class PhotoLimits:
    """What a photo may be at most and at least."""

    max_bytes: int
    max_px2: int
    min_side_px: int


@dataclass(frozen=True)
class PhotoBytes:
    """One photo as it lies in storage."""

    body: bytes
    sha256: str


class PhotoStorage:
    """Fetches photos from the buckets that are allowed, and from no other."""

    def __init__(self, client: Any, *, buckets: tuple[str, ...], max_bytes: int) -> None:
        """Name the buckets; nothing is called yet.

        Args:
            client: boto3 S3 client.
            buckets: the only buckets ever asked.
            max_bytes: larger objects are not read.
        """
        self._client = client
        self._buckets = frozenset(buckets)
        self._max_bytes = max_bytes

    def fetch_photo(self, location: PhotoLocation) -> PhotoBytes:
        """Fetch one photo; whether it is one, `check_photo` says.

        Raises:
            BadRequest: its bucket is not allowed.
            PhotoMissing: there is no such object.
            PhotoUnreadable: more bytes than are read.
            StorageUnavailable: S3 does not answer, or refuses us.
        """
        if location.bucket not in self._buckets:
            raise BadRequest(f"photo.bucket: {location.bucket!r} is not an allowed bucket")
        where = {"Bucket": location.bucket, "Key": location.key}
        if location.version_id is not None:
            where["VersionId"] = location.version_id
        try:
            answer = self._client.get_object(**where)
            with answer["Body"] as stream:
                if (length := answer["ContentLength"]) > self._max_bytes:
                    raise PhotoUnreadable(f"photo: {length} bytes, at most {self._max_bytes} are read")
                body = stream.read()
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in _MISSING_CODES:
                raise PhotoMissing(f"photo: {code}: s3://{location.bucket}/{location.key}") from error
            raise StorageUnavailable(f"s3://{location.bucket}/{location.key}: {code}") from error
        except (BotoCoreError, OSError) as error:
            raise StorageUnavailable(f"s3://{location.bucket}/{location.key}: {type(error).__name__}") from error
        return PhotoBytes(body, hashlib.sha256(body).hexdigest())


def check_photo(body: bytes, limits: PhotoLimits) -> None:
    """Check a photo by its bytes alone, before a decoder reserves memory for it.

    Args:
        body: the file.
        limits: bounds on its bytes, pixels and sides.

    Raises:
        PhotoUnreadable: empty, no JPEG, PNG or WebP, truncated, animated, or over a limit.
    """
    if not body:
        raise PhotoUnreadable("photo: empty")
    if len(body) > limits.max_bytes:
        raise PhotoUnreadable(f"photo: {len(body)} bytes, at most {limits.max_bytes} are read")
    height, width = read_size_hw(body)
    if min(height, width) < limits.min_side_px:
        raise PhotoUnreadable(f"photo: {width} x {height} pixels, each side needs at least {limits.min_side_px}")
    if height * width > limits.max_px2:
        raise PhotoUnreadable(f"photo: {width} x {height} pixels, at most {limits.max_px2} are decoded")


def read_size_hw(body: bytes) -> tuple[int, int]:
    """Read height and width from the header and make sure that the file is whole.

    Args:
        body: a JPEG, PNG or WebP file.

    Returns:
        Height and width as stored, before any EXIF turn, pixels.

    Raises:
        PhotoUnreadable: another format, truncated, or animated.
    """
    try:
        if body.startswith(b"\xff\xd8\xff"):
            return _read_jpeg(body)
        if body.startswith(b"\x89PNG\r\n\x1a\n"):
            return _read_png(body)
        if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
            return _read_webp(body)
    except (struct.error, IndexError) as error:
        raise PhotoUnreadable("photo: truncated") from error
    raise PhotoUnreadable("photo: not a JPEG, PNG or WebP file")


def _read_jpeg(body: bytes) -> tuple[int, int]:
    """Walk the marker segments to the scan. Source: ITU T.81, annex B."""
    size_hw, at = None, 2
    while True:
        if body[at] != 0xFF:
            raise PhotoUnreadable("photo: damaged JPEG header")
        marker = body[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in _JPEG_STANDALONE:
            at += 2
            continue
        if marker == 0x00:  # decoders skip it as garbage and would read a header that we jump over
            raise PhotoUnreadable("photo: damaged JPEG header")
        if marker == 0xD9:
            raise PhotoUnreadable("photo: JPEG without a picture")
        if marker == 0xDA:
            break
        (length,) = struct.unpack_from(">H", body, at + 2)
        if marker in _JPEG_FRAMES:
            size_hw = struct.unpack_from(">HH", body, at + 5)
        at += 2 + length
    if size_hw is None:
        raise PhotoUnreadable("photo: JPEG without a picture")
    if body.find(b"\xff\xd9", at) < 0:
        raise PhotoUnreadable("photo: truncated")
    return size_hw


def _read_png(body: bytes) -> tuple[int, int]:
    """Walk the chunks to the end. Source: PNG specification, third edition, section 5."""
    width, height = struct.unpack_from(">II", body, 16)
    at = 8
    while True:
        length, kind = struct.unpack_from(">I4s", body, at)
        if kind == b"acTL":
            raise PhotoUnreadable("photo: animated")
        at += 12 + length
        if at > len(body):
            raise PhotoUnreadable("photo: truncated")
        if kind == b"IEND":
            return height, width


def _read_webp(body: bytes) -> tuple[int, int]:
    """Read the first chunk. Source: RFC 9649, section 2."""
    (riff_bytes,) = struct.unpack_from("<I", body, 4)
    if len(body) < riff_bytes + 8:
        raise PhotoUnreadable("photo: truncated")
    kind = body[12:16]
    if kind == b"VP8X":
        if body[20] & 0x02:
            raise PhotoUnreadable("photo: animated")
        width = int.from_bytes(body[24:27], "little") + 1
        height = int.from_bytes(body[27:30], "little") + 1
        return height, width
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", body, 21)
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", body, 26)
        return height & 0x3FFF, width & 0x3FFF
    raise PhotoUnreadable("photo: damaged WebP header")
