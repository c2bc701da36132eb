"""Writes a folder in one step: it appears complete, or not at all."""

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from models.data.manifest import write_manifest
from models.data.photos import ANNOTATIONS_NAME, DataError


def check_new_folder(out: Path) -> None:
    """Refuse a place that is taken, before hours are spent on what goes there.

    Raises:
        DataError: out is a file or holds something.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise DataError(f"out: expected a new or empty folder, found {out}")


@contextlib.contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Lend a temporary sibling of a folder that becomes the folder if nothing is raised, and vanishes otherwise.

    Args:
        out: missing or empty.

    Raises:
        DataError: out is a file or holds something.
    """
    check_new_folder(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}-", suffix=".partial", dir=out.parent))
    try:
        yield partial
        partial.chmod(0o755)
        partial.replace(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_data_folder(
    out: Path, records: Sequence[dict[str, Any]], images_dir: Path | None, *, reports: dict[str, Any] | None = None
) -> None:
    """Write photos, annotations, reports and a manifest.

    Args:
        out: missing or empty.
        records: in the seed's schema, with the extensions that models.data.photos names.
        images_dir: holds a file for each record; hard-linked where that works, else copied. None: no images.
        reports: file name to content, written as JSON.

    Raises:
        DataError: out holds something, there is no record, or an image is missing.
    """
    if not records:
        raise DataError("records: expected at least one photo, none is left")
    with new_folder(out) as folder:
        if images_dir is not None:
            link_images(images_dir, folder / "images", (record["image_id"] for record in records))
        for name, content in {ANNOTATIONS_NAME: list(records), **(reports or {})}.items():
            (folder / name).write_text(json.dumps(content) + "\n", encoding="utf-8")
        write_manifest(folder)


def link_images(source: Path, destination: Path, names: Iterable[str]) -> None:
    """Put images of one folder into another, by hard link or copy.

    Raises:
        DataError: every image that is missing, whose name leads out of the folder, or whose place is taken, one a line.
    """
    names = list(names)
    if outside := [n for n in names if Path(n).is_absolute() or ".." in Path(n).parts]:
        raise DataError("\n".join(f"image_id: expected a path inside images/, found {name}" for name in outside))
    if missing := [f"{source / name}: missing" for name in names if not (source / name).is_file()]:
        raise DataError("\n".join(missing))
    if taken := [f"{destination / name}: two images of one name" for name in names if (destination / name).exists()]:
        raise DataError("\n".join(taken))
    for name in names:
        target = destination / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            target.hardlink_to(source / name)
        except OSError:  # another file system, or one without links
            shutil.copy2(source / name, target)
