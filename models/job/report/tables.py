"""The tables of a job's report as HTML."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

import numpy as np

from models.evaluation.proof.arms import BASELINE
from models.job.report.words import ARM_MEANINGS, name_arm, tell_points

ARM_MEASURES: Final = {
    "precision": "P",
    "recall": "R",
    "ap_50": "AP50",
    "ap_50_95": "AP50-95",
    "true_positive_share": "TP",
    "missed_share": "FN→background",
}
"""Source: SEEDS A12."""
_DOT: Final = "·"


def tabulate_arms(report: Mapping[str, Any]) -> str:
    """A row an arm: what it adds, its measures on test, its gain over the baseline."""
    head = ["arm", "photos added", *ARM_MEASURES.values(), "gain, points", "Holm p"]
    rows = []
    for arm, told in report["arms"].items():
        added = report["augmented"].get(arm)
        mark = ' class="apart"' if arm == report["decision"]["promoted_arm"] else ""
        cells = [
            f'<b title="{escape(ARM_MEANINGS.get(arm, ""), quote=True)}">{escape(name_arm(arm))}</b>',
            f"{added['photos']} <small>{100 * told['ratio']:g} %</small>" if added else "0",
            *(_share(told["test_mean"][name]) for name in ARM_MEASURES),
            _gain(told["gain"]),
            _DOT if told["p_adjusted"] is None else f"{told['p_adjusted']:.3g}",
        ]
        rows.append(f"<tr{mark}>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return _table(_head(head), rows)


def tabulate_controls(report: Mapping[str, Any]) -> str:
    """What is left of each generated arm's gain once repeating, or pasting real crops, is taken off; or nothing."""
    arms = {arm: told["over_controls"] for arm, told in report["arms"].items() if told["over_controls"]}
    controls = list(dict.fromkeys(control for own in arms.values() for control in own))
    if not controls:
        return ""
    rows = [
        _row([escape(name_arm(arm)), *(_gain(own.get(control)) for control in controls)]) for arm, own in arms.items()
    ]
    return _table(_head(["arm", *(f"gain over {name_arm(control)}, points" for control in controls)]), rows)


def tabulate_classes(report: Mapping[str, Any]) -> str:
    """Change of each class's AP50 over the baseline, in points, a row an arm."""
    names = report["data"]["class_names"]
    rows = [
        _row([escape(name_arm(arm)), *(tell_points(told["per_class_change"].get(name)) for name in names)])
        for arm, told in report["arms"].items()
        if arm != BASELINE
    ]
    return _table(_head(["change of AP50, points", *names]), rows)


def tabulate_confusion(counts: Sequence[Sequence[int]], class_names: Sequence[str]) -> str:
    """What annotated boxes were taken for, a row an annotated class.

    Args:
        counts: row = predicted class, column = annotated class, the last the background, as ConfusionMatrix has them.
        class_names: of the classes.
    """
    table = np.array(counts).T  # (annotated, predicted)
    rows = []
    for label, own in zip([*class_names, "nothing there"], table, strict=True):
        total = int(own.sum())
        cells = [f"{int(n)} <small>{n / total:.1%}</small>" if total else str(int(n)) for n in own]
        if label == "nothing there":
            cells[-1] = _DOT
        rows.append(_row([escape(label), *cells]))
    return _table(_head(["annotated, found as", *class_names, "nothing"]), rows)


def tabulate_screening(screening: Mapping[str, Any]) -> str:
    """A row a rule: what it rejects of the generated, and both its errors on labelled crops."""
    rows = []
    for rule, errors in screening["errors"].items():
        rejected = screening["rejected"][rule]
        decides = " <small>decides</small>" if rule == screening["rule"] else ""
        own = (rejected, errors["false_reject"], errors["false_accept"], errors["broken_among_kept"])
        rows.append(_row([f"<b>{escape(rule)}</b>{decides}", *(_rate(rate) for rate in own)]))
    head = ["rule", "generated: rejected", "good crops: rejected", "broken crops: kept", "broken among what it keeps"]
    return _table(_head(head), rows)


def tabulate_breakages(screening: Mapping[str, Any]) -> str:
    """A row a rule, a column a kind of breakage: the share of such crops that it keeps."""
    kinds = screening["labelled"]["kinds"]
    rows = [
        _row([escape(rule), *(f"{own['false_accept_by_kind'][kind]:.1%}" for kind in kinds)])
        for rule, own in screening["errors"].items()
    ]
    return _table(_head(["kept of", *(kind.replace("_", " ") for kind in kinds)]), rows)


def tabulate_generation(generation: Mapping[str, Mapping[str, Any]]) -> str:
    """A row a mapping network: how it was trained and what its last snapshot told beside the distances."""
    names = list(dict.fromkeys(name for own in generation.values() for name in own))
    rows = [
        _row([escape(mapping), *(_value(own[name]) if name in own else _DOT for name in names)])
        for mapping, own in generation.items()
    ]
    return _table(_head(["mapping", *(name.replace("_", " ") for name in names)]), rows)


def tabulate_curves(curves: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]) -> str:
    """A row a measure: each mapping network's value at its last snapshot, and its lowest over training."""
    mappings = list(dict.fromkeys(mapping for own in curves.values() for mapping in own))
    rows = []
    for measure, own in curves.items():
        cells = [escape(measure)]
        for mapping in mappings:
            values = [point["value"] for point in own.get(mapping, ()) if point["value"] is not None]
            cells.append(f"{values[-1]:.4g} <small>lowest {min(values):.4g}</small>" if values else _DOT)
        rows.append(_row(cells))
    return _table(_head(["last snapshot", *mappings]), rows)


def _gain(gain: Mapping[str, Any] | None) -> str:
    if gain is None:
        return _DOT
    told = f"<b>{tell_points(gain['value'])}</b>"
    if gain["low"] is None:
        return f"{told} <small>no interval</small>"
    return f"{told} <small>{tell_points(gain['low'])} to {tell_points(gain['high'])}</small>"


def _rate(rate: Mapping[str, Any]) -> str:
    if rate["value"] is None:
        return _DOT
    interval = f"{100 * rate['low']:.1f} to {100 * rate['high']:.1f} %"
    return f"{rate['value']:.1%} <small>{rate['count']} of {rate['total']}; {interval}</small>"


def _share(value: float | None) -> str:
    return _DOT if value is None else f"{value:.3f}"


def _value(value: object) -> str:
    if value is None:
        return _DOT
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else escape(str(value))


def _head(cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in cells) + "</tr>"


def _row(cells: Iterable[str]) -> str:
    """A row of cells that are HTML already."""
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _table(head: str, rows: Iterable[str]) -> str:
    return f'<div class="wide"><table>{head}{"".join(rows)}</table></div>'
