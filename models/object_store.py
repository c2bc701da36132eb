"""object_store: the few things a model store needs of a bucket or a folder, and the folder.

Other kinds, such as S3, are known by their URL's scheme and handed in by who may speak to them: OPENERS.
"""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol


class StoreError(Exception):
    """The store lacks something or holds something damaged; the message names it."""


class StoreUnavailableError(StoreError):
    """The store does not answer; asking again later may help."""


class MissingObjectError(StoreError):
    """There is no such object."""


class ConflictError(StoreError):
    """Somebody else changed the object since it was read."""


class ObjectStore(Protocol):
    """The few things a model store needs of a bucket or a folder."""

    @property
    def location(self) -> str:
        """Where it is, for messages."""
        ...

    def read(self, key: str) -> bytes:
        """The object's bytes. Raises MissingObjectError when there is none, StoreError when it cannot be read."""
        ...

    def write(self, key: str, body: bytes, *, replaces: bytes | None) -> None:
        """Store body if the object is still what the caller read (None: absent); else raise ConflictError."""
        ...


class FolderStore:
    """ObjectStore on a local folder."""

    def __init__(self, root: Path) -> None:
        """Open a folder.

        Raises:
            StoreError: root is not a folder.
        """
        if not root.is_dir():
            raise StoreError(f"model folder: no such folder: {root}")
        self._root = root

    @property
    def location(self) -> str:
        """The folder's path."""
        return str(self._root)

    def read(self, key: str) -> bytes:
        """Read one file under the root.

        Raises:
            MissingObjectError: there is no such file.
            StoreError: it cannot be read.
        """
        try:
            return (self._root / key).read_bytes()
        except OSError as error:
            kind = MissingObjectError if isinstance(error, FileNotFoundError) else StoreError
            raise kind(f"model folder {self._root}: cannot read {key}: {error.strerror}") from error

    def write(self, key: str, body: bytes, *, replaces: bytes | None) -> None:
        """Write one file under the root, atomically, if it still holds what the caller read.

        Raises:
            ConflictError: it changed, appeared or vanished in between.
            StoreError: the folder cannot be written to.
        """
        try:
            self._write(self._root / key, key, body, replaces)
        except OSError as error:
            raise StoreError(f"model folder {self._root}: cannot write {key}: {error.strerror}") from error

    def _write(self, path: Path, key: str, body: bytes, replaces: bytes | None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (self._root / ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file closes, also when the process dies
            current = path.read_bytes() if path.exists() else None
            if current != replaces:
                raise ConflictError(f"{key}: changed since it was read")
            partial = path.with_name(path.name + ".partial")
            with partial.open("wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)


OPENERS: Final[dict[str, Callable[[str], ObjectStore]]] = {}
"""What opens a store by its URL's scheme, beside folders."""


def open_store(location: str | Path) -> ObjectStore:
    """Open a store by its name.

    Args:
        location: a folder, or scheme://… of an opener that was handed in.

    Raises:
        StoreError: no such folder, a scheme that nobody opens, or what the opener refuses.
    """
    scheme, mark, _ = str(location).partition("://")
    if not mark:
        return FolderStore(Path(location))
    if scheme not in OPENERS:
        known = ", ".join(f"{name}://…" for name in sorted(OPENERS))
        raise StoreError(f"model store: expected a folder{f' or {known}' if known else ''}, found {location}")
    return OPENERS[scheme](str(location))
