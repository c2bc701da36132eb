"""A photo's bytes are judged before anything is decoded, and fetched from allowed buckets only."""

import hashlib
import io
import struct
import tracemalloc
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from service.aws import build_client
from service.embedded import EmbeddedAws
from service.errors import BadRequest, PhotoMissing, PhotoUnreadable, StorageUnavailable
from service.photo import PhotoLimits, PhotoStorage, check_photo, read_size_hw
from service.request import PhotoLocation
from service.stages.decode import DecodeError, decode_photo
from tests import photos

LIMITS = PhotoLimits(max_bytes=2**20, max_px2=50_000_000, min_side_px=32)

GOOD = {
    "baseline.jpg": photos.good_jpeg(),
    "progressive.jpg": photos.good_jpeg(progressive=True),
    "restarts.jpg": photos.good_jpeg(restart_marker_rows=1),
    "filled.jpg": photos.good_jpeg().replace(b"\xff\xc0", b"\xff\xff\xff\xc0", 1),
    "rgb.png": photos.good_png(),
    "lossy.webp": photos.good_webp(),
    "lossless.webp": photos.good_webp(lossless=True),
    "alpha.webp": photos.rgba_webp(),
}
SIZES_HW = [(32, 32), (33, 101), (101, 33), (97, 640), (480, 37)]


@pytest.mark.parametrize("name", GOOD)
def test_a_good_photo_passes(name: str):
    check_photo(GOOD[name], LIMITS)


@pytest.mark.parametrize("name", photos.odd_but_good())
def test_an_odd_photo_passes(name: str):
    check_photo(photos.odd_but_good()[name], LIMITS)


@pytest.mark.parametrize("name", photos.unreadable())
def test_what_is_no_photo_is_refused_with_a_reason(name: str):
    with pytest.raises(PhotoUnreadable, match=r"^photo: \w+"):
        check_photo(photos.unreadable()[name], LIMITS)


@pytest.mark.parametrize("size_hw", SIZES_HW)
@pytest.mark.parametrize(
    "build",
    [
        photos.good_jpeg,
        lambda size_hw: photos.good_jpeg(size_hw, progressive=True),
        photos.cmyk_jpeg,
        photos.grey_jpeg,
        lambda size_hw: photos.turned_jpeg(6, size_hw),
        photos.good_png,
        photos.rgb16_png,
        photos.palette_png,
        photos.good_webp,
        lambda size_hw: photos.good_webp(size_hw, lossless=True),
        lambda size_hw: photos.good_webp(size_hw, exif=photos.turned_exif(6)),
        photos.rgba_webp,
    ],
)
def test_the_size_in_the_header_is_what_pillow_reads(build: Callable[[tuple[int, int]], bytes], size_hw):
    body = build(size_hw)
    with Image.open(io.BytesIO(body)) as opened:
        assert read_size_hw(body) == (opened.height, opened.width) == size_hw


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"\xff\xd8\xff", "truncated"),
        (photos.html(), "not a JPEG, PNG or WebP"),
        (photos.animated_gif(), "not a JPEG, PNG or WebP"),
        (photos.animated_png(), "animated"),
        (photos.animated_webp(), "animated"),
        (photos.truncated(photos.good_jpeg(), 0.999), "truncated"),
        (photos.truncated(photos.good_jpeg(), 0.02), "truncated"),
        (photos.truncated(photos.good_webp(), 0.7), "truncated"),
        (photos.good_png((1, 1)), "1 x 1 pixels, each side needs at least 32"),
        (photos.good_jpeg((31, 400)), "400 x 31 pixels, each side"),
        (photos.good_webp((400, 31)), "31 x 400 pixels, each side"),
        (photos.claim_jpeg_size(photos.good_jpeg(), (0, 128)), "128 x 0 pixels"),
        (photos.bomb_png(), "50000 x 50000 pixels, at most 50000000"),
        (photos.bomb_jpeg(), "60000 x 60000 pixels, at most 50000000"),
        (b"\xff\xd8\xff\xd9", "without a picture"),
        (b"\xff\xd8\xff\xda\x00\x02\xff\xd9", "without a picture"),
        (photos.good_jpeg() + b"x" * 2**20, "bytes, at most 1048576 are read"),
    ],
)
def test_the_reason_says_what_is_wrong(body: bytes, words: str):
    with pytest.raises(PhotoUnreadable) as refusal:
        check_photo(body, LIMITS)
    assert words in str(refusal.value)


@pytest.mark.parametrize("limit_px2", [96 * 128 - 1, 96 * 128])
def test_the_limits_are_inclusive(limit_px2: int):
    body = photos.good_jpeg()
    limits = PhotoLimits(max_bytes=len(body), max_px2=limit_px2, min_side_px=96)
    if limit_px2 == 96 * 128:
        check_photo(body, limits)
    else:
        with pytest.raises(PhotoUnreadable):
            check_photo(body, limits)


@pytest.mark.parametrize("body", [photos.bomb_png(), photos.bomb_jpeg()], ids=["png", "jpeg"])
def test_a_decompression_bomb_is_refused_without_memory_for_its_pixels(body: bytes):
    tracemalloc.start()
    try:
        with pytest.raises(PhotoUnreadable):
            check_photo(body, LIMITS)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def hide_from_the_walk(hidden: bytes, shown: bytes) -> bytes:
    """A JPEG whose first header lies inside what looks like a segment of the marker FF 00."""
    return b"\xff\xd8\xff\x00" + struct.pack(">H", len(hidden)) + hidden[2:] + shown[2:]


def test_a_bomb_cannot_hide_in_bytes_that_decoders_skip():
    hidden = hide_from_the_walk(photos.claim_jpeg_size(photos.good_jpeg(), (8000, 8000)), photos.good_jpeg((64, 64)))
    with pytest.raises(PhotoUnreadable):
        check_photo(hidden, LIMITS)


def png_header(size_hw: tuple[int, int]) -> bytes:
    return photos.png_chunk(b"IHDR", struct.pack(">IIBBBBB", size_hw[1], size_hw[0], 8, 2, 0, 0, 0))


def webp_canvas(size_hw: tuple[int, int], frame: bytes) -> bytes:
    """A WebP whose extended header claims a size of its own before the real frame."""
    content = struct.pack("<I", 0) + (size_hw[1] - 1).to_bytes(3, "little") + (size_hw[0] - 1).to_bytes(3, "little")
    chunks = b"WEBPVP8X" + struct.pack("<I", len(content)) + content + frame[12:]
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


@pytest.mark.parametrize(
    "body",
    [
        photos.good_png()[:8] + png_header((64, 64)) + photos.good_png()[8:],
        photos.good_png()[:8] + photos.png_chunk(b"abCd", struct.pack(">II", 64, 64)) + photos.good_png()[8:],
        webp_canvas((64, 64), photos.good_webp()),
        hide_from_the_walk(photos.good_jpeg(), photos.good_jpeg((64, 64))),
        photos.good_jpeg((64, 64))[:2] + photos.good_jpeg(),
        photos.good_jpeg((64, 64))[:-2] + photos.good_jpeg()[2:],
    ],
    ids=["two headers", "a chunk before the header", "canvas and frame", "skipped bytes", "two starts", "two frames"],
)
def test_no_file_shows_one_size_and_decodes_to_another(body: bytes):
    try:
        check_photo(body, LIMITS)
        size_hw = read_size_hw(body)
        image = decode_photo(body)
    except (PhotoUnreadable, DecodeError):
        return
    assert image.shape[:2] == size_hw


@given(st.sampled_from(sorted(GOOD)), st.data())
def test_a_cut_at_any_byte_is_refused_as_unreadable(name: str, data: st.DataObject):
    body = GOOD[name]
    cut = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(PhotoUnreadable):
        check_photo(body[:cut], LIMITS)


@given(st.sampled_from(sorted(GOOD)), st.data())
def test_any_changed_byte_gives_a_photo_or_a_reason(name: str, data: st.DataObject):
    body = bytearray(GOOD[name])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, min(len(body), 700) - 1))] = data.draw(st.integers(0, 255))
    try:
        check_photo(bytes(body), LIMITS)
    except PhotoUnreadable as error:
        assert str(error).startswith("photo: ")


STARTS = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x10\x00\x00\x00WEBP"]


@given(st.sampled_from(STARTS), st.binary(max_size=99))
def test_any_bytes_give_a_photo_or_a_reason(start: bytes, rest: bytes):
    try:
        check_photo(start + rest, LIMITS)
    except PhotoUnreadable as error:
        assert str(error).startswith("photo: ")


@pytest.mark.parametrize("tail", [b"\x00" * 512, photos.good_jpeg((40, 40))], ids=["padding", "second picture"])
def test_what_cameras_append_behind_the_picture_does_no_harm(tail: bytes):
    assert read_size_hw(photos.good_jpeg() + tail) == (96, 128)


# fetch ---------------------------------------------------------------------------------------------------------------


def storage(aws: EmbeddedAws, *buckets: str) -> PhotoStorage:
    return PhotoStorage(aws.client("s3"), buckets=buckets, max_bytes=LIMITS.max_bytes)


@pytest.fixture
def bucket(any_aws: EmbeddedAws) -> str:
    return any_aws.create_bucket(f"photos-{uuid4().hex[:12]}")


@pytest.mark.parametrize("key", ["a.jpg", "drive 7/Größe+α 100%.jpg", "x" * 1024, "a//b/../c.jpg", "?versionId=1#x"])
def test_a_photo_comes_as_it_was_uploaded_whatever_its_key(any_aws: EmbeddedAws, bucket: str, key: str):
    any_aws.client("s3").put_object(Bucket=bucket, Key=key, Body=photos.good_jpeg())
    photo = storage(any_aws, bucket).fetch_photo(PhotoLocation(bucket=bucket, key=key))
    assert (photo.body, photo.sha256) == (photos.good_jpeg(), hashlib.sha256(photos.good_jpeg()).hexdigest())


def test_a_named_version_comes_and_not_the_latest(any_aws: EmbeddedAws, bucket: str):
    s3 = any_aws.client("s3")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="a.jpg", Body=photos.good_jpeg((40, 40)))["VersionId"]
    s3.put_object(Bucket=bucket, Key="a.jpg", Body=photos.good_jpeg())

    fetched = storage(any_aws, bucket)

    old = fetched.fetch_photo(PhotoLocation(bucket=bucket, key="a.jpg", version_id=first))
    assert old.body == photos.good_jpeg((40, 40))
    assert fetched.fetch_photo(PhotoLocation(bucket=bucket, key="a.jpg")).body == photos.good_jpeg()


def test_a_missing_photo_is_missing(any_aws: EmbeddedAws, bucket: str):
    with pytest.raises(PhotoMissing, match=f"s3://{bucket}/never.jpg"):
        storage(any_aws, bucket).fetch_photo(PhotoLocation(bucket=bucket, key="never.jpg"))


def test_a_missing_version_is_missing(any_aws: EmbeddedAws, bucket: str):
    s3 = any_aws.client("s3")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="a.jpg", Body=photos.good_jpeg())
    location = PhotoLocation(bucket=bucket, key="a.jpg", version_id=str(uuid4()))
    with pytest.raises(PhotoMissing):
        storage(any_aws, bucket).fetch_photo(location)


def test_a_deleted_photo_is_missing(any_aws: EmbeddedAws, bucket: str):
    s3 = any_aws.client("s3")
    s3.put_object(Bucket=bucket, Key="a.jpg", Body=photos.good_jpeg())
    s3.delete_object(Bucket=bucket, Key="a.jpg")
    with pytest.raises(PhotoMissing):
        storage(any_aws, bucket).fetch_photo(PhotoLocation(bucket=bucket, key="a.jpg"))


def test_a_missing_bucket_is_missing(any_aws: EmbeddedAws):
    name = f"photos-{uuid4().hex[:12]}"
    with pytest.raises(PhotoMissing):
        storage(any_aws, name).fetch_photo(PhotoLocation(bucket=name, key="a.jpg"))


class Untouchable:
    """A client that must not be used."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was called")


@pytest.mark.parametrize("wanted", ["other-bucket", "fleet-photo", "fleet-photos2", "FLEET-PHOTOS"])
def test_a_bucket_that_is_not_allowed_is_never_asked(wanted: str):
    guarded = PhotoStorage(Untouchable(), buckets=("fleet-photos",), max_bytes=LIMITS.max_bytes)
    with pytest.raises(BadRequest, match="not an allowed bucket"):
        guarded.fetch_photo(PhotoLocation(bucket=wanted, key="a.jpg"))


def test_a_photo_over_the_limit_is_refused_by_its_length(aws: EmbeddedAws, make_bucket: Callable[[], str]):
    bucket = make_bucket()
    aws.client("s3").put_object(Bucket=bucket, Key="a.jpg", Body=photos.good_jpeg() + b"\x00" * 2**20)
    with pytest.raises(PhotoUnreadable, match="at most 1048576 are read"):
        storage(aws, bucket).fetch_photo(PhotoLocation(bucket=bucket, key="a.jpg"))


def test_storage_that_does_not_answer_is_unavailable(closed_port: int):
    client = build_client(
        "s3",
        connections=1,
        endpoint_url=f"http://127.0.0.1:{closed_port}",
        region_name="us-east-1",
        aws_access_key_id="id",
        aws_secret_access_key="not-to-be-shown",
    )
    away = PhotoStorage(client, buckets=("fleet-photos",), max_bytes=LIMITS.max_bytes)
    with pytest.raises(StorageUnavailable, match=r"s3://fleet-photos/a\.jpg") as refusal:
        away.fetch_photo(PhotoLocation(bucket="fleet-photos", key="a.jpg"))
    assert "not-to-be-shown" not in str(refusal.value)
