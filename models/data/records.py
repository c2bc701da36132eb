"""Reads a data folder's records as they are, with every key, for commands that write them again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from models.data.photos import ANNOTATIONS_NAME, DataError
from models.structures import DAMAGE_CLASSES


def load_records(path: Path) -> list[dict[str, Any]]:
    """Read annotations in the seed's schema, every key kept.

    Args:
        path: a data folder, or the JSON file itself.

    Raises:
        DataError: missing, not JSON, no photo in it, or every fault of its records, one a line.
    """
    path = path / ANNOTATIONS_NAME if path.is_dir() else path
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}") from error
    if not isinstance(records, list) or not records:
        raise DataError(f"{path}: expected a list with at least one photo")
    faults = [f"{path}: photo {number}: {fault}" for number, r in enumerate(records) for fault in _find_faults(r)]
    if faults:
        raise DataError("\n".join(faults))
    return records


def _find_faults(record: Any) -> Iterator[str]:
    if not isinstance(record, dict):
        yield f"expected an object, found {type(record).__name__}"
        return
    if not isinstance(record.get("image_id"), str) or not record["image_id"]:
        yield f"image_id: expected a name, found {record.get('image_id')!r}"
    if record.get("damage_level") not in (0, 1):
        yield f"damage_level: expected 0 or 1, found {record.get('damage_level')!r}"
    for name in ("width", "height"):
        if not isinstance(record.get(name), int) or record[name] < 1:
            yield f"{name}: expected whole pixels, found {record.get(name)!r}"
    if not isinstance(record.get("regions"), list):
        yield f"regions: expected a list, found {type(record.get('regions')).__name__}"
        return
    for index, region in enumerate(record["regions"]):
        class_id = region.get("class_name") if isinstance(region, dict) else None
        if class_id not in range(1, len(DAMAGE_CLASSES) + 1):
            yield f"regions[{index}].class_name: expected 1 to {len(DAMAGE_CLASSES)}, found {class_id!r}"
        elif not _is_outline(region.get("points")):
            yield f"regions[{index}].points: expected three or more (x, y)"


def _is_outline(points: Any) -> bool:
    try:
        corners = np.asarray(points, np.float64)
    except (TypeError, ValueError):
        return False
    return corners.ndim == 2 and corners.shape[1] == 2 and len(corners) >= 3 and bool(np.isfinite(corners).all())
