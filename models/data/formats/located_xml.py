"""XML elements that know their lines; files that declare entities are refused."""

from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from models.data.formats.faults import FaultLog, Place


class EntityError(Exception):
    """The file declares an entity, which an annotation never needs and a bomb does."""


class LocatedElement(ElementTree.Element):
    """An element.

    Attributes:
        line: where its tag begins, counted from 1.
    """

    line: int = 1

    def text_of(self, path: str) -> str:
        """Text of a child, stripped; empty where there is none."""
        return (self.findtext(path) or "").strip()

    def line_of(self, path: str) -> int:
        """Line of a child; its own if there is none."""
        found = self.find(path)
        return self.line if found is None else found.line  # type: ignore[attr-defined]


def load_located_xml(path: Path, log: FaultLog) -> LocatedElement | None:
    """Read an XML file.

    Returns:
        The root, or None where a fault was noted.
    """
    parser = expat.ParserCreate()
    builder = ElementTree.TreeBuilder(element_factory=LocatedElement)

    def start(tag: str, attributes: dict[str, str]) -> None:
        builder.start(tag, attributes).line = parser.CurrentLineNumber  # type: ignore[attr-defined]

    def refuse_entity(*_: object) -> None:
        raise EntityError

    parser.StartElementHandler = start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = refuse_entity
    try:
        parser.Parse(path.read_bytes(), True)
        return builder.close()
    except OSError as error:
        log.add(Place(path), f"cannot be read: {error.strerror}")
    except expat.ExpatError as error:
        log.add(Place(path, error.lineno), f"not XML: {expat.ErrorString(error.code)} (column {error.offset + 1})")
    except EntityError:
        log.add(Place(path, parser.CurrentLineNumber), "declares an XML entity, which annotations never need")
    return None
