"""Annotation formats: each one read into and written from models.data.formats.dataset.Dataset."""

from collections import Counter
from pathlib import Path
from typing import Final

from models.data.formats.carry import Format, narrow
from models.data.formats.coco import COCO
from models.data.formats.csv_table import CSV
from models.data.formats.dataset import Box, Dataset, Photo, Polygon
from models.data.formats.faults import Fault, FaultLog, FaultyAnnotationsError
from models.data.formats.folders import FOLDERS
from models.data.formats.located_json import load_located
from models.data.formats.seed import SEED
from models.data.formats.via import VIA
from models.data.formats.voc import VOC
from models.data.formats.yolo import YOLO

__all__ = [
    "FORMATS",
    "Box",
    "Dataset",
    "Fault",
    "FaultyAnnotationsError",
    "Format",
    "Photo",
    "Polygon",
    "detect_format",
    "find_format",
    "load_dataset",
    "narrow",
]

FORMATS: Final[dict[str, Format]] = {format_.name: format_ for format_ in (SEED, VOC, YOLO, COCO, VIA, FOLDERS, CSV)}


def find_format(name: str) -> Format:
    """Look a format up by its name.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in FORMATS:
        raise ValueError(f"format: expected one of {', '.join(FORMATS)}, found {name!r}")
    return FORMATS[name]


def detect_format(source: Path) -> Format:
    """Tell a folder's format, or a file's, by its files; folders per label only if nothing else fits.

    Raises:
        FaultyAnnotationsError: no format fits, and a JSON file there is broken.
        ValueError: missing, no format fits, or several do.
    """
    if not source.exists():
        raise ValueError(f"no such folder: {source}")
    fitting = [format_ for format_ in FORMATS.values() if format_ is not FOLDERS and format_.looks_like(source)]
    if not fitting and FOLDERS.looks_like(source):
        return FOLDERS
    if not fitting and source.is_dir():
        log = FaultLog()
        for path in sorted(source.glob("*.json")):
            load_located(path, log)
        if log.faults:
            raise FaultyAnnotationsError(log.faults)
    if len(fitting) != 1:
        found = " and ".join(format_.name for format_ in fitting) or "no known format"
        raise ValueError(f"{source}: looks like {found}; --from says which of {', '.join(FORMATS)} it is")
    return fitting[0]


def load_dataset(source: Path, source_format: Format) -> tuple[Dataset, Counter[str]]:
    """Read a folder of annotated photos, all of it or nothing.

    Returns:
        The dataset, and what of the source it has no place for, counted by description.

    Raises:
        FaultyAnnotationsError: every fault, with file and line.
    """
    if not source.exists():
        raise ValueError(f"no such folder: {source}")
    log = FaultLog()
    dataset = source_format.read(source, log)
    if log.faults:
        raise FaultyAnnotationsError(log.faults)
    return dataset, log.losses
