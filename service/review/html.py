"""html: facts into pages; whatever a message said is escaped by the template engine."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, get_args

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from models.structures import DAMAGE_CLASSES
from service.ledger_pages import Page
from service.request import View
from service.result import InspectionResult
from service.review.asking import AskedList
from service.review.links import build_link, build_query, encode_position

_HERE: Final = Path(__file__).parent
STYLE: Final = (_HERE / "static" / "style.css").read_bytes()
_LONGEST_BODY: Final = 4000
_NOTICE_COLUMNS: Final = 52
FINDINGS: Final[dict[str, str]] = {
    "damage": "any damage",
    "nothing": "no damage",
    **{label: label for label in DAMAGE_CLASSES},
}
PLURALS: Final[dict[str, str]] = {"scratch": "scratches", "dent": "dents", "spacing": "spacings"}
STATUSES: Final[dict[str, str]] = {
    "inspected": "inspected closely",
    "undamaged": "let go as undamaged",
    "rejected": "could not be inspected",
}


class PageWriter:
    """The templates, and the facts that each of them tells."""

    def __init__(self) -> None:
        """Load the templates' folder; a template is read when it is first written."""
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals |= {
            "link": build_link,
            "query": build_query,
            "style_version": hashlib.sha256(STYLE).hexdigest()[:12],
            "count_labels": count_labels,
        }
        self._templates.filters |= {"verdict": verdict_of, "when": _phrase_moment, "stamp": _stamp_moment}

    def write(self, template: str, **facts: Any) -> str:
        """One page.

        Args:
            template: its file's name.
            **facts: what it tells.
        """
        return self._templates.get_template(template).render(**facts)

    def write_notice(self, reason: str) -> str:
        """A picture, SVG, that says why a photo cannot be shown."""
        return self.write("notice.svg", lines=_break_lines(reason))

    def list_facts(self, page: Page, asked: AskedList) -> dict[str, Any]:
        """What the list tells."""
        words = asked.to_words()
        return {
            "results": page.results,
            "asked": words,
            "is_from_newest": asked.below is None,
            "older": page.older and "/" + build_query(**words, below=encode_position(page.older)),
            "statuses": STATUSES,
            "findings": FINDINGS,
        }

    def inspection_facts(self, result: InspectionResult) -> dict[str, Any]:
        """What the page of one inspection tells."""
        body = result.message_body
        return {
            "result": result,
            "body": body and body[:_LONGEST_BODY] + (" …" if len(body) > _LONGEST_BODY else ""),
        }

    def vehicle_facts(self, vehicle_id: str, page: Page) -> dict[str, Any]:
        """What the page of one car tells: its photos by view, in the order of a walk around the car."""
        by_view = {view: [result for result in page.results if result.view == view] for view in (*get_args(View), None)}
        return {
            "vehicle_id": vehicle_id,
            "sections": [(_name_view(view), results) for view, results in by_view.items() if results],
            "photos": len(page.results),
            "damaged": sum(result.damage_level for result in page.results),
            "older": page.older and build_link("vehicles", vehicle_id, below=encode_position(page.older)),
        }


def count_labels(result: InspectionResult) -> list[tuple[str, str]]:
    """Each class that was found, and how often in words: ("scratch", "2 scratches")."""
    counts = Counter(region.label for region in result.regions)
    return [
        (label, f"{counts[label]} {label if counts[label] == 1 else PLURALS[label]}")
        for label in DAMAGE_CLASSES
        if counts[label]
    ]


def verdict_of(result: InspectionResult) -> tuple[str, str]:
    """What a result means to the fleet: a word for the style sheet, and one for people."""
    if result.status == "rejected":
        return "rejected", "Could not be inspected"
    return ("damaged", "Damage found") if result.damage_level else ("clean", "No damage found")


def _name_view(view: str | None) -> str:
    return "View not given" if view is None else view.replace("_", " ").capitalize()


def _phrase_moment(moment: datetime | None) -> str:
    return "–" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _stamp_moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _break_lines(words: str) -> Iterable[str]:
    shown = "".join(sign if sign.isprintable() else "\ufffd" for sign in words)[: _NOTICE_COLUMNS * 5]
    return [shown[start : start + _NOTICE_COLUMNS] for start in range(0, len(shown), _NOTICE_COLUMNS)]
