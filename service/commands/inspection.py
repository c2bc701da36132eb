"""inspect: photos on disk through the pipeline, without a queue."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from service.errors import PermanentError, PhotoMissing, SetupError
from service.photo import PhotoLimits, check_photo
from service.pipeline import Decoded, Pipeline
from service.result import InspectionResult, finding_fields

PHOTO_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp"})


@dataclass(frozen=True)
class InspectedFile:
    """One file's result, and its image, uint8 (H, W, 3) RGB; None when it was rejected."""

    path: Path
    result: InspectionResult
    image: np.ndarray | None


def list_photos(paths: Sequence[Path]) -> list[Path]:
    """Replace each folder by the photos below it, in order.

    Raises:
        SetupError: a folder without photos.
    """
    photos = []
    for path in paths:
        if not path.is_dir():
            photos.append(path)
            continue
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in PHOTO_SUFFIXES and p.is_file())
        if not found:
            raise SetupError(f"{path}: no photo in this folder ({', '.join(sorted(PHOTO_SUFFIXES))})")
        photos += found
    return photos


def inspect_files(
    paths: Sequence[Path], pipeline: Pipeline, limits: PhotoLimits, *, batch_photos: int
) -> Iterator[InspectedFile]:
    """Inspect files in batches.

    Args:
        paths: files.
        pipeline: ready to inspect.
        limits: bounds on every photo.
        batch_photos: files in one batch.

    Yields:
        One result a file, in order; a file that cannot be inspected has a rejection.
    """
    for start in range(0, len(paths), batch_photos):
        batch = [_open_file(path, pipeline, limits) for path in paths[start : start + batch_photos]]
        findings = iter(pipeline.inspect([opened for _, _, opened in batch if isinstance(opened, Decoded)]))
        for path, sha256, opened in batch:
            common = {
                "image_id": path.name,
                "photo_sha256": sha256,
                "model_set": pipeline.digest,
                "inspected_at": datetime.now(UTC),
            }
            if isinstance(opened, Decoded):
                result = InspectionResult(**common, **finding_fields(next(findings)))
                yield InspectedFile(path, result, opened.image)
            else:
                result = InspectionResult(
                    **common, status="rejected", damage_level=0, reason=str(opened), error=type(opened).__name__
                )
                yield InspectedFile(path, result, None)


def _open_file(
    path: Path, pipeline: Pipeline, limits: PhotoLimits
) -> tuple[Path, str | None, Decoded | PermanentError]:
    try:
        body = path.read_bytes()
    except OSError as error:
        return path, None, PhotoMissing(f"photo: {error.strerror}: {path}")
    sha256 = hashlib.sha256(body).hexdigest()
    try:
        check_photo(body, limits)
        return path, sha256, pipeline.decode(body)
    except PermanentError as error:
        return path, sha256, error
