"""JSON in which every value knows its line: objects and arrays remember where each of their values began."""

import json
from bisect import bisect_right
from collections.abc import Callable
from json.decoder import JSONArray, JSONObject
from json.scanner import py_make_scanner
from pathlib import Path
from typing import Any

from models.data.formats.faults import FaultLog, Place


class LocatedObject(dict[str, Any]):
    """A JSON object.

    Attributes:
        line: where it begins, counted from 1.
        lines: where each value begins, by key.
        repeated: keys that stood in it more than once.
    """

    line: int
    lines: dict[str, int]
    repeated: tuple[str, ...]

    def line_of(self, key: str) -> int:
        """Line of a key's value; the object's own if it lacks the key."""
        return self.lines.get(key, self.line)


class LocatedArray(list[Any]):
    """A JSON array.

    Attributes:
        line: where it begins, counted from 1.
        lines: where each value begins.
    """

    line: int
    lines: list[int]


class _LocatingDecoder(json.JSONDecoder):
    def __init__(self, text: str) -> None:
        super().__init__()
        self._newlines = [at for at, character in enumerate(text) if character == "\n"]
        self.parse_object = self._parse_object
        self.parse_array = self._parse_array
        self.scan_once = py_make_scanner(self)

    def _line(self, at: int) -> int:
        return bisect_right(self._newlines, at) + 1

    def _parse_object(self, s_and_end, strict, scan_once, object_hook, object_pairs_hook, memo=None):  # noqa: ARG002
        starts: list[int] = []

        def scan(text: str, at: int) -> Any:
            starts.append(at)
            return scan_once(text, at)

        pairs, end = JSONObject(s_and_end, strict, scan, None, list, memo)
        located = LocatedObject(pairs)
        located.line = self._line(s_and_end[1] - 1)
        located.lines = {key: self._line(at) for (key, _), at in zip(pairs, starts, strict=True)}
        keys = [key for key, _ in pairs]
        located.repeated = tuple(key for key in located if keys.count(key) > 1) if len(keys) > len(located) else ()
        return located, end

    def _parse_array(self, s_and_end, scan_once):
        starts: list[int] = []

        def scan(text: str, at: int) -> Any:
            starts.append(at)
            return scan_once(text, at)

        values, end = JSONArray(s_and_end, scan)
        located = LocatedArray(values)
        located.line = self._line(s_and_end[1] - 1)
        located.lines = [self._line(at) for at in starts]
        return located, end


def parse_located(text: str) -> Any:
    """Parse JSON whose objects and arrays know their lines.

    Raises:
        ValueError: not JSON; json.JSONDecodeError names the line.
    """
    return _LocatingDecoder(text).decode(text)


def load_located(path: Path, log: FaultLog) -> Any:
    """Read a JSON file.

    Returns:
        Its content, or None where a fault was noted.
    """
    text = load_text(path, log)
    if text is None:
        return None
    try:
        found = parse_located(text)
    except json.JSONDecodeError as error:
        log.add(Place(path, error.lineno), f"not JSON: {error.msg} (column {error.colno})")
    except RecursionError:
        log.add(Place(path), "not JSON that can be read: nested too deeply")
    except ValueError as error:
        log.add(Place(path), f"not JSON that can be read: {error}")
    else:
        if found is None:
            log.add(Place(path), "empty: null")
        return found
    return None


def load_text(path: Path, log: FaultLog) -> str | None:
    """Read a UTF-8 text file; None where a fault was noted."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        log.add(Place(path), f"cannot be read: {error.strerror}")
        return None
    except UnicodeDecodeError as error:
        log.add(Place(path), f"not UTF-8 text at byte {error.start}")
        return None
    if not text.strip():
        log.add(Place(path), "empty file")
        return None
    return text


def looks_like_json(path: Path, fits: Callable[[Any], bool], *, broken: bool = False) -> bool:
    """Is a file JSON whose content fits?

    Args:
        path: the file.
        fits: judges the content.
        broken: the answer for a file that is no JSON.
    """
    if path.suffix.lower() != ".json":
        return False
    try:
        return fits(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError):
        return broken
