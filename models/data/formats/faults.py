"""Faults of annotation files: collected while reading, so that one refusal lists every one."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path


@dataclass(frozen=True, order=True)
class Fault:
    """One thing wrong in an annotation file.

    Attributes:
        path: the file.
        line: counted from 1; 1 for the file as a whole.
        reason: what is wrong, with the record and the value found.
    """

    path: Path
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}"


class FaultyAnnotationsError(ValueError):
    """An annotation file was refused whole; the message has a line for every fault."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        super().__init__("\n".join(map(str, self.faults)))


@dataclass(frozen=True)
class Place:
    """Where a value stands: file, line, and the words that lead to it.

    Attributes:
        path: the file.
        line: counted from 1.
        what: such as `a.jpg: regions[0]`, or empty for the file as a whole.
    """

    path: Path
    line: int = 1
    what: str = ""

    def at(self, line: int, what: str = "") -> "Place":
        """A place inside this one."""
        return replace(self, line=line, what=f"{self.what}: {what}" if self.what and what else self.what or what)


@dataclass
class FaultLog:
    """What a reader found wrong, and what it could read but has no word for.

    Attributes:
        faults: in the order found.
        losses: things left behind, by description.
    """

    faults: list[Fault] = field(default_factory=list)
    losses: Counter[str] = field(default_factory=Counter)

    def add(self, place: Place, reason: str) -> None:
        """Note a fault."""
        self.faults.append(Fault(place.path, place.line, f"{place.what}: {reason}" if place.what else reason))

    def lose(self, what: str, count: int = 1) -> None:
        """Note that something is left behind."""
        self.losses[what] += count


def describe_losses(losses: Counter[str]) -> list[str]:
    """Say what is left behind: "12 polygons", "the order of classes" …"""
    return [what if what.startswith("the ") else f"{count} {what}" for what, count in losses.items() if count]
