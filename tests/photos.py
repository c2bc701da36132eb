"""Photos of every kind, made in memory: what a fleet's cameras, its users and its enemies send."""

import io
import struct
import zlib
from functools import cache
from typing import Any, Final

import numpy as np
from PIL import Image

EXIF_ORIENTATION: Final = 0x0112
EXIF_TURNS: Final = tuple(range(1, 9))
_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


@cache
def scene(size_hw: tuple[int, int] = (96, 128)) -> np.ndarray:
    """A smooth picture that differs in every corner, read-only; uint8 (H, W, 3) RGB."""
    height, width = size_hw
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    red, green = 255 * x / max(width - 1, 1), 255 * y / max(height - 1, 1)
    blue = 128 + 100 * np.sin(x / 17) * np.cos(y / 13)
    image = np.round(np.stack([red, green, blue], axis=-1)).astype(np.uint8)
    image.flags.writeable = False
    return image


def encode(image: Image.Image | np.ndarray, form: str, **options: Any) -> bytes:
    """Encode a picture with Pillow; options are Pillow's."""
    stream = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(stream, form, **options)
    return stream.getvalue()


def good_jpeg(size_hw: tuple[int, int] = (96, 128), **options: Any) -> bytes:
    return encode(scene(size_hw), "JPEG", **{"quality": 95, **options})


def good_png(size_hw: tuple[int, int] = (96, 128)) -> bytes:
    return encode(scene(size_hw), "PNG")


def good_webp(size_hw: tuple[int, int] = (96, 128), **options: Any) -> bytes:
    return encode(scene(size_hw), "WEBP", **options)


def cmyk_jpeg(size_hw: tuple[int, int] = (96, 128)) -> bytes:
    return encode(Image.fromarray(scene(size_hw)).convert("CMYK"), "JPEG", quality=95)


def grey_jpeg(size_hw: tuple[int, int] = (96, 128)) -> bytes:
    return encode(Image.fromarray(scene(size_hw)).convert("L"), "JPEG", quality=95)


def rgb16_png(size_hw: tuple[int, int] = (96, 128)) -> bytes:
    """16 bits a channel: the scene in the high byte."""
    rows = scene(size_hw).astype(">u2") * 256 + 128
    return build_png(size_hw, rows.astype(">u2"), bit_depth=16, colour_type=2)


def grey16_png(size_hw: tuple[int, int] = (96, 128)) -> bytes:
    return build_png(size_hw, scene(size_hw)[..., 0].astype(">u2") * 257, bit_depth=16, colour_type=0)


def rgba_png(size_hw: tuple[int, int] = (96, 128), **options: Any) -> bytes:
    """Opaque at the left, transparent at the right."""
    return encode(rgba_scene(size_hw), "PNG", **options)


def rgba_webp(size_hw: tuple[int, int] = (96, 128)) -> bytes:
    """Lossless; opaque at the left, transparent at the right."""
    return encode(rgba_scene(size_hw), "WEBP", lossless=True, exact=True)


def rgba_scene(size_hw: tuple[int, int] = (96, 128)) -> np.ndarray:
    """The scene with an opacity that falls from left to right; uint8 (H, W, 4)."""
    opacity = np.broadcast_to(np.linspace(255, 0, size_hw[1]).round().astype(np.uint8), size_hw)
    return np.concatenate([scene(size_hw), opacity[..., None]], axis=-1)


def palette_png(size_hw: tuple[int, int] = (96, 128)) -> bytes:
    return encode(Image.fromarray(scene(size_hw)).quantize(64), "PNG")


def turned_exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    return exif


def turned_jpeg(orientation: int, size_hw: tuple[int, int] = (96, 128)) -> bytes:
    """Stored as the scene; EXIF says how to turn it, 1 to 8."""
    return good_jpeg(size_hw, exif=turned_exif(orientation), subsampling=0)


def turned_png(orientation: int, size_hw: tuple[int, int] = (96, 128)) -> bytes:
    return encode(scene(size_hw), "PNG", exif=turned_exif(orientation))


def truncated(body: bytes, kept_ratio: float) -> bytes:
    """The start of a file."""
    return body[: int(len(body) * kept_ratio)]


def html() -> bytes:
    """What a login page leaves behind under the name of a photo."""
    return b"<!doctype html><html><head><title>Sign in</title></head><body>Session expired</body></html>\n"


def animated_png(size_hw: tuple[int, int] = (96, 128)) -> bytes:
    return _animated("PNG", size_hw)


def animated_webp(size_hw: tuple[int, int] = (96, 128)) -> bytes:
    return _animated("WEBP", size_hw)


def animated_gif(size_hw: tuple[int, int] = (96, 128)) -> bytes:
    return _animated("GIF", size_hw)


def _animated(form: str, size_hw: tuple[int, int]) -> bytes:
    first = Image.fromarray(scene(size_hw))
    second = Image.fromarray(scene(size_hw)[::-1].copy())
    return encode(first, form, save_all=True, append_images=[second], duration=100)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def build_png(size_hw: tuple[int, int], rows: np.ndarray, *, bit_depth: int = 8, colour_type: int = 2) -> bytes:
    """Write a PNG that Pillow cannot write, or one whose header claims another size than its rows have.

    Args:
        size_hw: what the header says.
        rows: the samples, big-endian, (H, …).
        bit_depth: 8 or 16.
        colour_type: 0 grey, 2 RGB, 6 RGBA.
    """
    raw = b"".join(b"\x00" + np.ascontiguousarray(row).tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", size_hw[1], size_hw[0], bit_depth, colour_type, 0, 0, 0)
    return (
        _PNG_SIGNATURE + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(raw)) + png_chunk(b"IEND", b"")
    )


def bomb_png(size_hw: tuple[int, int] = (50_000, 50_000)) -> bytes:
    """A small, well-formed PNG whose header claims 7.5 GB of pixels."""
    return build_png(size_hw, scene((8, 8)))


def bomb_jpeg(size_hw: tuple[int, int] = (60_000, 60_000)) -> bytes:
    """A small JPEG whose frame header claims 10.8 GB of pixels."""
    return claim_jpeg_size(good_jpeg(), size_hw)


def claim_jpeg_size(body: bytes, size_hw: tuple[int, int]) -> bytes:
    """Overwrite height and width in the frame header of a baseline JPEG."""
    at = body.index(b"\xff\xc0") + 5
    return body[:at] + struct.pack(">HH", *size_hw) + body[at + 4 :]


def odd_but_good() -> dict[str, bytes]:
    """Ten photos that are not what one expects and are fine all the same, by file name."""
    return {
        "cmyk.jpg": cmyk_jpeg(),
        "grey.jpg": grey_jpeg(),
        "progressive.jpg": good_jpeg(progressive=True),
        "turned.jpg": turned_jpeg(6),
        "rgb16.png": rgb16_png(),
        "grey16.png": grey16_png(),
        "transparent.png": rgba_png(),
        "palette.png": palette_png(),
        "lossy.webp": good_webp(),
        "lossless.webp": good_webp(lossless=True),
    }


def unreadable() -> dict[str, bytes]:
    """Ten files that are no photos that can be read, by file name."""
    return {
        "empty.jpg": b"",
        "html.jpg": html(),
        "half.jpg": truncated(good_jpeg(), 0.5),
        "half.png": truncated(good_png(), 0.5),
        "one-pixel.png": good_png((1, 1)),
        "animated.png": animated_png(),
        "animated.webp": animated_webp(),
        "animated.gif": animated_gif(),
        "bomb.png": bomb_png(),
        "bomb.jpg": bomb_jpeg(),
    }
