"""Image files beside annotations: found, measured from their headers, and put where a format keeps them."""

import shutil
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from models.data.formats.faults import FaultLog, Place

IMAGE_SUFFIXES: Final[frozenset[str]] = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
IMAGE_MODES: Final[tuple[str, ...]] = ("copy", "link", "none")
_ORIENTATION_TAG: Final = 0x0112


@dataclass(frozen=True)
class ImageSize:
    """Size of an image file.

    Attributes:
        width: pixels, after the EXIF orientation is applied.
        height: likewise.
        orientation: EXIF orientation, 1 to 8; 5 to 8 exchange width and height.
    """

    width: int
    height: int
    orientation: int = 1


def list_images(folder: Path) -> list[Path]:
    """Every image file below a folder, hidden ones left out, sorted."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def measure_image(path: Path) -> ImageSize:
    """Read an image's size from its header.

    Raises:
        OSError: missing, or no image.
    """
    try:
        from PIL import Image  # noqa: PLC0415 - of the offline path; serving does without
    except ImportError as error:
        raise OSError("measuring images needs pillow: pip install 'vehicle-damage[train]'") from error
    try:
        with Image.open(path) as image:
            width, height = image.size
            orientation = _read_orientation(image)
    except Image.DecompressionBombError as error:
        raise OSError(f"too large an image: {error}") from error
    except ModuleNotFoundError as error:  # ultralytics, once loaded, lets Image.open ask for pi_heif before it gives up
        raise OSError(f"cannot identify image file '{path}'") from error
    if 5 <= orientation <= 8:
        width, height = height, width
    return ImageSize(width, height, orientation)


def _read_orientation(image) -> int:
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    except (OSError, SyntaxError, ValueError, KeyError, struct.error):
        return 1  # decoders ignore broken EXIF
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def settle_size(
    log: FaultLog, place: Place, path: Path | None, declared_wh: tuple[int, int] | None, *, measured: bool = True
) -> tuple[int, int] | None:
    """Compare the size an annotation states with the image file's, noting faults.

    Args:
        log: takes the faults.
        place: of the record.
        path: the image file, or None if it was not found (the caller has noted it).
        declared_wh: what the annotation states, or None.
        measured: False trusts what is declared.

    Returns:
        Width and height to judge coordinates by; None if neither is known.
    """
    if path is None or (declared_wh and not measured):
        return declared_wh
    try:
        size = measure_image(path)
    except OSError as error:
        log.add(place, f"image cannot be read: {path.name}: {error.strerror or 'no image'}")
        return declared_wh
    if declared_wh and declared_wh != (size.width, size.height):
        turned = f" once its EXIF orientation {size.orientation} is applied" if size.orientation > 1 else ""
        log.add(
            place,
            f"size: the annotation says {declared_wh[0]}x{declared_wh[1]}, "
            f"the image is {size.width}x{size.height}{turned}",
        )
        return None
    return size.width, size.height


def find_image(log: FaultLog, place: Place, image_id: str, folders: Iterable[Path]) -> Path | None:
    """Find an image file in the first folder that has it; a missing one is a fault."""
    for folder in folders:
        if (path := folder / image_id).is_file():
            return path
    log.add(place, f"missing image {image_id}")
    return None


def check_image_id(log: FaultLog, place: Place, image_id: object) -> str | None:
    """Is it a file's name, or a path that stays inside its folder? None where a fault was noted."""
    if not isinstance(image_id, str) or not image_id:
        log.add(place, f"image name: expected text, found {image_id!r}")
        return None
    path = PurePosixPath(image_id)
    if (
        not image_id.isprintable()
        or image_id != image_id.strip()
        or "\\" in image_id
        or path.is_absolute()
        or ".." in path.parts
        or str(path) != image_id
        or image_id == "."
    ):
        log.add(place, f"image name: expected a file inside the folder, found {image_id!r}")
        return None
    return image_id


def place_images(sources: Mapping[str, Path | None], folder: Path, mode: str) -> None:
    """Copy or hard-link image files.

    Args:
        sources: image file by its path below the folder.
        folder: where they go.
        mode: one of IMAGE_MODES.

    Raises:
        ValueError: an unknown mode, or a photo without a file.
        OSError: it cannot be written, or linked across file systems.
    """
    if mode not in IMAGE_MODES:
        raise ValueError(f"images: expected one of {', '.join(IMAGE_MODES)}, found {mode!r}")
    if mode == "none":
        return
    for name, source in sources.items():
        if source is None:
            raise ValueError(f"images: no file is known for {name}")
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if mode == "link":
            target.hardlink_to(source.resolve())
        else:
            shutil.copyfile(source, target)
