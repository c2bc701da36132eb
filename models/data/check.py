"""Validation of annotations: every fault of a folder, each with file, line and reason."""

from pathlib import Path

from models.data.formats import Dataset, Fault, Format, load_dataset
from models.data.formats.faults import FaultLog
from models.data.formats.seed import read as read_seed


def summarise(dataset: Dataset, source_format: Format) -> str:
    """One line about a dataset without a fault."""
    polygons = sum(len(photo.polygons) for photo in dataset.photos)
    boxes = sum(len(photo.boxes) for photo in dataset.photos)
    levels = [sum(photo.damage_level == level for photo in dataset.photos) for level in (1, 0, None)]
    known = " ".join(f"{n} {word}" for n, word in zip(levels, ("damaged", "undamaged", "unknown"), strict=True) if n)
    splits = [photo.split for photo in dataset.photos if photo.split]
    parts = [
        source_format.name,
        f"{len(dataset.photos)} photos ({known})",
        f"{polygons} polygons",
        f"{boxes} boxes",
        f"classes {', '.join(dataset.labels) or 'none'}",
    ]
    if splits:
        parts.append("splits " + ", ".join(f"{name} {splits.count(name)}" for name in sorted(set(splits))))
    return "; ".join(parts)


def check_folder(folder: Path, source_format: Format) -> str:
    """Check annotations and image files.

    Returns:
        One line about what is there.

    Raises:
        FaultyAnnotationsError: every fault, with file and line.
    """
    dataset, _ = load_dataset(folder, source_format)
    return summarise(dataset, source_format)


def find_seed_faults(folder: Path, *, measured: bool = False, unknown_levels: bool = False) -> tuple[Fault, ...]:
    """Find what is wrong with a data folder's annotations.json.

    Args:
        folder: holds images/ and annotations.json.
        measured: compare sizes with the image files; False only asks that the files are there.
        unknown_levels: damage_level may be null, which a conversion writes and training cannot use.

    Returns:
        Every fault, by line; none for a folder that can be used.
    """
    log = FaultLog()
    read_seed(folder, log, measured=measured, unknown_levels=unknown_levels)
    return tuple(sorted(set(log.faults)))
