"""links: where each page lies, and the place between two inspections as a word of its address."""

import base64
import binascii
import json
import re
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

from service.ledger_pages import Position

_PLAIN: Final = re.compile(r"[\w~-][\w.~-]*(/[\w~-][\w.~-]*)*", re.ASCII)


def build_link(page: str, name: str, **query: object) -> str:
    """The address of what has a name.

    Names are what messages said: a slash stays one where every proxy leaves it alone, and is %2F where "//" or a part
    that begins with a dot would be folded on the way.

    Args:
        page: inspections, results, photos or vehicles.
        name: an identity or a vehicle's id.
        **query: what follows the question mark; None: not there.
    """
    path = f"/{page}/{name}" if _PLAIN.fullmatch(name) else f"/{page}/{quote(name, safe='')}"
    return path + build_query(**query)


def build_query(**query: object) -> str:
    """The question mark and what follows it; "" when nothing does."""
    said = {name: value for name, value in query.items() if value not in (None, "")}
    return f"?{urlencode(said)}" if said else ""


def encode_position(position: Position) -> str:
    """A place in a list as a word."""
    said = json.dumps([position.moment.isoformat(), position.identity])
    return base64.urlsafe_b64encode(said.encode()).decode().rstrip("=")


def decode_position(word: str) -> Position:
    """A word as the place in a list that it was made of.

    Raises:
        ValueError: it was made of none.
    """
    try:
        said = json.loads(base64.urlsafe_b64decode(word + "=" * (-len(word) % 4)))
        match said:
            case [str(moment), str(identity)]:
                position = Position(datetime.fromisoformat(moment), identity)
            case _:
                raise ValueError("expected a moment and an identity")
    except (binascii.Error, UnicodeError, RecursionError, json.JSONDecodeError) as error:
        raise ValueError("not made by this page") from error
    if position.moment.tzinfo is None or "\x00" in position.identity or not position.identity.isprintable():
        raise ValueError("not made by this page")
    return position
