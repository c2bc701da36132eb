"""A data folder's manifest: every file's sha256, size and split under one digest, so that a changed folder is noticed.

In:   a data folder. Out: manifest.json in it, or one error that lists every difference.
Must not know: networks, what the photos show.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from models.data.photos import ANNOTATIONS_NAME, DataError

MANIFEST_NAME: Final = "manifest.json"
SCHEMA: Final = 1


@dataclass(frozen=True)
class ManifestFile:
    """One file.

    Attributes:
        path: inside the folder, with forward slashes.
        size_bytes: its length.
        sha256: of its bytes, 64 hex digits.
        split: the photo's, by the folder's annotations; empty for any other file.
    """

    path: str
    size_bytes: int
    sha256: str
    split: str


@dataclass(frozen=True)
class Manifest:
    """What a folder held when the manifest was made.

    Attributes:
        files: sorted by path; the manifest itself is left out.
        annotations_sha256: of annotations.json; empty where the folder has none.
    """

    files: tuple[ManifestFile, ...]
    annotations_sha256: str

    @property
    def digest(self) -> str:
        """sha256 over the files and the annotations, 64 hex digits; the folder's own name and times do not matter."""
        lines = [[f.path, f.size_bytes, f.sha256, f.split] for f in self.files]
        return hashlib.sha256(json.dumps([SCHEMA, self.annotations_sha256, lines]).encode()).hexdigest()

    def count_splits(self) -> dict[str, int]:
        """Photos of each split, by name of split."""
        names = sorted({f.split for f in self.files} - {""})
        return {name: sum(f.split == name for f in self.files) for name in names}


def build_manifest(folder: Path) -> Manifest:
    """Read every file of a folder.

    Raises:
        DataError: no such folder, no file in it, or annotations that are no list of photos.
    """
    if not folder.is_dir():
        raise DataError(f"data folder: no such folder: {folder}")
    splits = _load_splits(folder / ANNOTATIONS_NAME)
    paths = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    files = []
    for path in paths:
        if path != MANIFEST_NAME:
            size_bytes, sha256 = _digest_file(folder / path)
            files.append(ManifestFile(path, size_bytes, sha256, splits.get(path, "")))
    if not files:
        raise DataError(f"data folder: expected at least one file: {folder}")
    return Manifest(tuple(files), next((f.sha256 for f in files if f.path == ANNOTATIONS_NAME), ""))


def write_manifest(folder: Path) -> Manifest:
    """Write manifest.json into a folder; one that is there is replaced.

    Raises:
        DataError: as build_manifest.
    """
    manifest = build_manifest(folder)
    fields = {"schema": SCHEMA, "digest": manifest.digest, **asdict(manifest)}
    partial = folder / f".{MANIFEST_NAME}.partial"
    partial.write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")
    partial.replace(folder / MANIFEST_NAME)
    return manifest


def load_manifest(folder: Path) -> Manifest:
    """Read manifest.json of a folder; the files themselves are not looked at.

    Raises:
        DataError: missing, wrong, of another schema, or changed since it was written.
    """
    path = folder / MANIFEST_NAME
    fields = _load_json(path)
    try:
        if fields["schema"] != SCHEMA:
            raise DataError(f"{path}: expected schema {SCHEMA}, found {fields['schema']!r}")
        manifest = Manifest(tuple(ManifestFile(**f) for f in fields["files"]), str(fields["annotations_sha256"]))
        told = fields["digest"]
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: no manifest: {type(error).__name__}: {error}") from error
    if told != manifest.digest:
        raise DataError(f"{path}: changed by hand: its digest says {told!r}, its content {manifest.digest!r}")
    return manifest


def verify_manifest(folder: Path) -> Manifest:
    """Compare a folder with its manifest.

    Returns:
        The manifest, which the folder fits.

    Raises:
        DataError: no manifest, or one line a difference: missing, added, changed files, changed splits.
    """
    expected, found = load_manifest(folder), build_manifest(folder)
    before, now = ({f.path: f for f in m.files} for m in (expected, found))
    differences = []
    for path in sorted(before.keys() | now.keys()):
        if path not in now:
            differences.append(f"{folder / path}: missing")
        elif path not in before:
            differences.append(f"{folder / path}: not in the manifest")
        elif (old := before[path]) != (new := now[path]):
            differences += [
                f"{folder / path}: {name}: expected {getattr(old, name)!r}, found {getattr(new, name)!r}"
                for name in ("size_bytes", "sha256", "split")
                if getattr(old, name) != getattr(new, name)
            ]
    if differences:
        raise DataError("\n".join(differences))
    return expected


def _load_splits(path: Path) -> dict[str, str]:
    """Split of each photo, by path inside the folder; empty where the folder has no annotations."""
    if not path.is_file():
        return {}
    records = _load_json(path)
    try:
        return {f"images/{record['image_id']}": str(record.get("split", "")) for record in records}
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(f"{path}: expected a list of photos with image_id: {type(error).__name__}: {error}") from error


def _load_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}") from error


def _digest_file(path: Path) -> tuple[int, str]:
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            return file.tell(), sha256
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
