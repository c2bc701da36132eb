"""Decoding gives the pixels that Pillow gives, for every kind of photo."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from service.stages.decode import DecodeError, decode_photo, measure_brightness
from tests import photos

PAD = 114


def pillow_rgb(body: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(body)) as opened:
        return np.asarray(ImageOps.exif_transpose(opened).convert("RGB")).astype(int)


def pillow_on_grey(body: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(body)) as opened:
        rgba = np.asarray(ImageOps.exif_transpose(opened).convert("RGBA")).astype(float)
    opacity = rgba[..., 3:] / 255
    return np.round(rgba[..., :3] * opacity + PAD * (1 - opacity)).astype(int)


def difference(image: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference of any sample."""
    return float(np.abs(image.astype(float) - expected).max())


@pytest.mark.parametrize(
    ("body", "tolerance"),
    [
        (photos.good_jpeg(), 0),
        (photos.good_jpeg(progressive=True), 0),
        (photos.good_jpeg(subsampling=2), 1),
        (photos.grey_jpeg(), 0),
        (photos.cmyk_jpeg(), 2),
        (photos.good_png(), 0),
        (photos.palette_png(), 0),
        (photos.good_webp(), 0),
        (photos.good_webp(lossless=True), 0),
    ],
)
def test_a_photo_has_the_pixels_that_pillow_reads(body: bytes, tolerance: int):
    image = decode_photo(body)
    assert (image.dtype, image.ndim, image.flags["C_CONTIGUOUS"]) == (np.uint8, 3, True)
    assert difference(image, pillow_rgb(body)) <= tolerance


def test_the_channels_are_red_green_blue():
    image = decode_photo(photos.encode(np.full((8, 8, 3), (250, 120, 10), np.uint8), "PNG"))
    assert (image == (250, 120, 10)).all()


def test_sixteen_bits_become_eight():
    assert difference(decode_photo(photos.rgb16_png()), photos.scene()) <= 1
    assert difference(decode_photo(photos.grey16_png()), photos.scene()[..., :1]) <= 1


@pytest.mark.parametrize(
    "body",
    [
        photos.rgba_png(),
        photos.rgba_webp(),
        photos.encode(Image.fromarray(photos.rgba_scene()).convert("LA"), "PNG"),
        photos.encode(Image.fromarray(photos.scene()).quantize(16), "PNG", transparency=0),
    ],
    ids=["png", "webp", "grey png", "palette png"],
)
def test_a_transparent_picture_is_laid_on_grey(body: bytes):
    assert difference(decode_photo(body), pillow_on_grey(body)) <= 1


def test_the_colour_under_a_transparent_pixel_does_not_show():
    rgba = np.zeros((40, 40, 4), np.uint8)
    rgba[..., 0] = 255
    assert (decode_photo(photos.encode(rgba, "PNG")) == PAD).all()


def test_sixteen_bits_with_opacity_are_laid_on_grey():
    opacity = np.broadcast_to(np.linspace(65535, 0, 128).round(), (96, 128))[..., None]
    rows = np.concatenate([photos.scene() * 257.0, opacity], axis=-1).astype(">u2")
    expected = np.round(photos.scene() * opacity / 65535 + PAD * (1 - opacity / 65535))
    body = photos.build_png((96, 128), rows, bit_depth=16, colour_type=6)
    assert difference(decode_photo(body), expected) <= 1


@pytest.mark.parametrize("orientation", photos.EXIF_TURNS)
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_a_photo_is_turned_as_exif_says(kind: str, orientation: int):
    body = {
        "jpeg": lambda: photos.turned_jpeg(orientation),
        "png": lambda: photos.turned_png(orientation),
        "webp": lambda: photos.good_webp(lossless=True, exif=photos.turned_exif(orientation)),
    }[kind]()
    image, expected = decode_photo(body), pillow_rgb(body)
    assert image.shape[:2] == ((128, 96) if orientation > 4 else (96, 128))
    assert difference(image, expected) <= (1 if kind == "jpeg" else 0)


@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
def test_the_opacity_is_turned_with_the_picture(orientation: int):
    body = photos.rgba_png((64, 64), exif=photos.turned_exif(orientation))
    assert difference(decode_photo(body), pillow_on_grey(body)) <= 1


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_unknown_turn_is_no_turn(orientation: int):
    assert decode_photo(photos.turned_jpeg(orientation)).shape == (96, 128, 3)


def damaged_png() -> bytes:
    body = bytearray(photos.good_png())
    body[len(body) // 2] ^= 0xFF
    return bytes(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        photos.html(),
        b"\xff\xd8\xff\xd9",
        photos.truncated(photos.good_png(), 0.5),
        damaged_png(),
        photos.bomb_png(),
    ],
    ids=["empty", "html", "no picture", "cut", "damaged", "claims too much"],
)
def test_what_holds_no_picture_is_refused(body: bytes):
    with pytest.raises(DecodeError):
        decode_photo(body)


@pytest.mark.parametrize(
    ("colour", "expected"),
    [((0, 0, 0), 0.0), ((255, 255, 255), 1.0), ((255, 0, 0), 0.299), ((0, 255, 0), 0.587), ((0, 0, 51), 0.0228)],
)
def test_brightness_is_the_mean_luma(colour: tuple[int, int, int], expected: float):
    image = np.full((9, 13, 3), colour, np.uint8)
    assert measure_brightness(image) == pytest.approx(expected, abs=1e-6)


def test_brightness_is_measured_over_the_whole_picture():
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, 48:] = 255
    assert measure_brightness(image) == pytest.approx(0.25)
