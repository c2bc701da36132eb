"""The report as one self-contained HTML page: no script, no file beside it, nothing fetched.

In:   a report, as models.evaluation.report and the command compose it. Out: text of the page.
Must not know: photos, predictors.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any, Final

from models.evaluation import plots
from models.evaluation.definitions import DEFINITIONS, INTERVAL, define_measure

SAMPLES: Final = ("real", "rendered")
_PAGE: Final = "page.html"
_PROTOCOLS: Final = {"across_sources": "across sources", "within_source": "within one source"}


def build_page(report: Mapping[str, Any]) -> str:
    """Lay a report out.

    Args:
        report: "model_set", "versions", "split", "data", "options", "thresholds", and the sections of each sample.

    Returns:
        HTML.
    """
    samples = {name: report[name] for name in SAMPLES if name in report}
    template = Template(files("models.evaluation").joinpath(_PAGE).read_text(encoding="utf-8"))
    return template.substitute(
        facts=_facts(report),
        summary=_summary(samples),
        localizer=_measures({name: own["localizer"] for name, own in samples.items()}),
        gate=_gate(samples),
        segmentation=_segmentation(samples),
        end_to_end=_end_to_end(samples),
        slices="".join(_slices(name, own["slices"]) for name, own in samples.items()),
        definitions=_definitions(),
    )


def _facts(report: Mapping[str, Any]) -> str:
    rows = [
        ("Model set", str(report["model_set"])[:16]),
        ("Versions", ", ".join(f"{network} {version}" for network, version in report["versions"].items())),
        ("Photos", f"split {report['split']} of {', '.join(report['data'])}"),
        ("Path", ", ".join(f"{name} {_text(value)}" for name, value in report["options"].items())),
        ("Thresholds", ", ".join(f"{name} {_text(value)}" for name, value in report["thresholds"].items())),
    ]
    return "<dl>" + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in rows) + "</dl>"


def _summary(samples: Mapping[str, Any]) -> str:
    """The few numbers that decide, a card each."""
    cards = []
    for name, own in samples.items():
        end, gate = own["end_to_end"], own["gate"]
        for label, measures, key in (
            ("damaged photos recalled", end, "recall"),
            ("recalled at ≤ 0.2 false regions", end, "recall_at_false_regions_0_2"),
            ("false regions per undamaged photo", end, "false_regions_per_undamaged_photo"),
            ("gate ROC AUC, across sources", gate["across_sources"], "roc_auc"),
            ("gate ROC AUC, within one source", gate["within_source"], "roc_auc"),
        ):
            if key in measures:
                cards.append(
                    f'<div class="card"><b>{_number(measures[key])}</b>{_interval(measures, key)}'
                    f"<span>{escape(label)}</span><i>{escape(name)}</i></div>"
                )
    return f'<div class="cards">{"".join(cards)}</div>'


def _gate(samples: Mapping[str, Any]) -> str:
    parts, curves, bins = [], {}, {}
    columns: dict[str, Mapping[str, Any]] = {}
    for name, own in samples.items():
        for protocol, told in _PROTOCOLS.items():
            measures = own["gate"][protocol]
            if measures:
                label = f"{name}, {told}"
                columns[label] = measures
                curves[label], bins[label] = measures["roc_curve"], measures["reliability"]
    if not columns:
        return _NOTHING
    parts.append(
        _figures([("ROC", plots.draw_roc(curves)), ("Reliability; colours as left", plots.draw_reliability(bins))])
    )
    parts.append(_measures(columns))
    stated = {label: own["at_stated_recall"] for label, own in columns.items()}
    recall = next(iter(stated.values()))["stated_recall"]
    parts.append(f"<h3>At the threshold that reaches a recall of {recall:g} on these photos</h3>" + _measures(stated))
    return "".join(parts)


def _segmentation(samples: Mapping[str, Any]) -> str:
    parts = []
    for name, own in samples.items():
        measures = own["segmentation"]
        if not measures:
            continue
        policies = measures["by_policy"]
        parts.append(f"<h3>{escape(name)}</h3>")
        if any("_iou_" in key for key in measures):
            parts.append(
                _figures(
                    [
                        ("Foreground IoU", plots.draw_bars(policies, "iou_foreground_positives", "IoU")),
                        ("Border within 2 px", plots.draw_bars(policies, "boundary_f_2px", "Boundary F")),
                    ]
                )
            )
        parts.append(
            _measures({"serving": measures, **{f"{policy} for all classes": own for policy, own in policies.items()}})
        )
    return "".join(parts) or _NOTHING


def _end_to_end(samples: Mapping[str, Any]) -> str:
    curves = {
        name: own["end_to_end"]["operating_curve"]
        for name, own in samples.items()
        if "operating_curve" in own["end_to_end"]
    }
    at = {
        name: (samples[name]["end_to_end"]["false_regions_per_undamaged_photo"], samples[name]["end_to_end"]["recall"])
        for name in curves
    }
    drawn = _figures([("Operating curve; dots: as served", plots.draw_operating_curve(curves, at))]) if curves else ""
    return drawn + _measures({name: own["end_to_end"] for name, own in samples.items()})


def _slices(sample: str, outcomes: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]) -> str:
    parts = []
    for outcome, partitions in outcomes.items():
        rows = []
        for partition, slices in partitions.items():
            for row in slices:
                mark = ' class="apart"' if row["is_apart"] else ""
                cells = (
                    f"{escape(partition)}: <b>{escape(row['label'])}</b>",
                    f"{row['successes']} / {row['trials']}",
                    _number(row["rate"]),
                    _number(row["complement_rate"]),
                    f"{_number(row['shrunk_rate'])} <small>{_number(row['low'])} to {_number(row['high'])}</small>",
                )
                rows.append(f"<tr{mark}>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        head = _row("th", ["slice", "counts", "rate", "complement", "shrunk rate, 95 % interval"])
        parts.append(f"<h3>{escape(sample)}: {escape(outcome.replace('_', ' '))}</h3>")
        parts.append(f'<div class="wide"><table>{head}{"".join(rows)}</table></div>')
    return "".join(parts)


def _measures(columns: Mapping[str, Mapping[str, Any]]) -> str:
    """One table, a row a measure, a column a mapping; lists and nested mappings are left out."""
    columns = {label: own for label, own in columns.items() if own}
    if not columns:
        return _NOTHING
    names = [
        name for name in dict.fromkeys(n for own in columns.values() for n in own) if _is_number(columns.values(), name)
    ]
    rows = [_row("th", ["", *columns])]
    for name in names:
        cells = "".join(
            f"<td>{_number(own[name])}{_interval(own, name)}</td>" if name in own else "<td>·</td>"
            for own in columns.values()
        )
        told = escape(define_measure(name), quote=True)
        rows.append(f'<tr><td title="{told}">{escape(name)}</td>{cells}</tr>')
    return f'<div class="wide"><table>{"".join(rows)}</table></div>'


def _is_number(columns: Iterable[Mapping[str, Any]], name: str) -> bool:
    return any(isinstance(own.get(name), int | float) for own in columns)


def _definitions() -> str:
    rows = (f"<dt>{escape(_readable(pattern))}</dt><dd>{escape(told)}</dd>" for pattern, told in DEFINITIONS)
    return f"<dl>{''.join(rows)}</dl>"


def _readable(pattern: str) -> str:
    """A pattern of DEFINITIONS as people write it."""
    return (
        pattern.replace("(scratch|dent|spacing)", "CLASS").replace(r"\d+", "N").replace(r"\d", "N").replace("|", ", ")
    )


def _figures(drawn: Sequence[tuple[str, str]]) -> str:
    figures = (f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>" for caption, svg in drawn)
    return f'<div class="figures">{"".join(figures)}</div>'


def _interval(measures: Mapping[str, Any], name: str) -> str:
    if name + INTERVAL not in measures:
        return ""
    low, high = measures[name + INTERVAL]
    return f" <small>{_number(low)} to {_number(high)}</small>"


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _row(tag: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"


_NOTHING: Final = "<p>Nothing in these photos allows it.</p>"
