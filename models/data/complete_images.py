"""Image files that promise more pixels than they hold are found before work is built on them."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def find_damaged(paths: Iterable[Path]) -> list[str]:
    """Decode every image to its last pixel.

    Args:
        paths: image files.

    Returns:
        A line for each that is cut off or no image: its path and the reason.
    """
    with ThreadPoolExecutor() as threads:
        return [fault for fault in threads.map(_find_fault, paths) if fault is not None]


def _find_fault(path: Path) -> str | None:
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - of the offline path; serving does without

    try:
        with Image.open(path) as image:
            image.load()
    except UnidentifiedImageError:
        return f"{path}: no image"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return f"{path}: {error}"
    return None
