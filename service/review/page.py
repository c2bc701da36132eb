"""page: results as one HTML file beside their overlays, for people."""

from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final
from urllib.parse import quote

from models.structures import DAMAGE_CLASSES
from service.result import InspectionResult
from service.review.overlay import COLOURS_RGB

_STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1500px; padding: 0 1rem; color: #1c1c1e; }
h1 { font-size: 1.4rem; margin: 0 0 .3rem; } p { margin: .2rem 0 1rem; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(330px, 1fr)); gap: 1rem; }
figure { margin: 0; border: 1px solid #d1d1d6; border-radius: 8px; overflow: hidden; background: #fff; }
figure.damaged { border: 2px solid #ff3b30; } img { width: 100%; display: block; }
figcaption { padding: .5rem .7rem; font-size: .85rem; } .key { padding: 0 .4rem; border-radius: 4px; color: #fff; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0 .7rem; margin: .3rem 0 0; } dt { color: #6e6e73; }
dd { margin: 0; }
"""


def count_regions(result: InspectionResult) -> str:
    """Regions by class, in words: "2 scratch, 1 dent"; "–" when there are none."""
    counts = Counter(region.label for region in result.regions)
    return ", ".join(f"{counts[label]} {label}" for label in DAMAGE_CLASSES if counts[label]) or "–"


def build_page(results: Sequence[InspectionResult]) -> str:
    """Lay out results, each with its overlay from overlays/<stem>.png.

    Args:
        results: in the order to show.

    Returns:
        A whole HTML document that needs nothing from outside its folder.
    """
    damaged = sum(result.damage_level for result in results)
    let_go = sum(result.status == "undamaged" for result in results)
    rejected = sum(result.status == "rejected" for result in results)
    key = " ".join(
        f'<span class="key" style="background: rgb{COLOURS_RGB[label]}">{label}</span>' for label in DAMAGE_CLASSES
    )
    figures = "\n".join(_build_figure(result) for result in results)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Vehicle damage</title><style>{_STYLE}</style></head>
<body><h1>Vehicle damage</h1>
<p>{len(results)} photos: {damaged} with damage, {let_go} let go by the gate, {rejected} rejected. {key}</p>
<div class="grid">
{figures}
</div></body></html>
"""


def _build_figure(result: InspectionResult) -> str:
    stem = Path(result.image_id).stem
    link, words = quote(stem, safe=""), escape(stem, quote=True)
    facts = {
        "vehicle": f"{result.vehicle_id or '–'} {result.view or ''}",
        "taken": f"{result.taken_at:%Y-%m-%d %H:%M}" if result.taken_at else "–",
        "status": result.status + (f": {result.reason}" if result.reason else ""),
        "regions": count_regions(result),
        "gate": "–" if result.gate_score is None else f"{result.gate_score:.3f}",
        "ms": ", ".join(f"{stage} {milliseconds:.0f}" for stage, milliseconds in result.timings_ms.items()) or "–",
    }
    rows = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return (
        f'<figure class="{"damaged" if result.damage_level else "clean"}">'
        f'<a href="results/{link}.json"><img src="overlays/{link}.png" alt="{words}" loading="lazy"></a>'
        f"<figcaption><strong>{escape(result.image_id)}</strong><dl>{rows}</dl></figcaption></figure>"
    )
