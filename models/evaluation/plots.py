"""The report's plots as SVG text: deterministic, small, readable on a phone.

matplotlib is imported when a plot is drawn: serving lists the commands without it.
"""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from models.evaluation.definitions import INTERVAL
from models.evaluation.end_to_end import MAX_FALSE_REGIONS
from models.structures import DAMAGE_CLASSES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#1f5f8b", "#c8553d", "#5b8c5a", "#8d6a9f")
_POLICY_NAMES = {"crf": "CRF", "threshold": "threshold"}


def draw_roc(curves: Mapping[str, Sequence[Sequence[float]]]) -> str:
    """Draw ROC curves; label to points (false positive rate, recall)."""
    figure, axes = open_figure("False positive rate", "Recall")
    axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=1, linestyle=":")
    for colour, (label, points) in zip(_COLOURS, curves.items(), strict=False):
        axes.plot(*zip(*points, strict=True), color=colour, linewidth=1.6, label=label)
    axes.set(xlim=(0, 1), ylim=(0, 1.01))
    return close_as_svg(figure, axes)


def draw_reliability(bins: Mapping[str, Sequence[Sequence[float]]]) -> str:
    """Draw share of damage over gate score; label to rows (mean score, share, photos), a dot's area their number.

    It stands beside the ROC, whose legend it shares.
    """
    figure, axes = open_figure("Gate score", "Share of damaged photos")
    axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=1, linestyle=":")
    for colour, (label, rows) in zip(_COLOURS, bins.items(), strict=False):
        scores, shares, photos = zip(*rows, strict=True)
        axes.plot(scores, shares, color=colour, linewidth=1.2, label=label)
        axes.scatter(scores, shares, s=[6 + 60 * n / max(photos) for n in photos], color=colour)
    axes.set(xlim=(0, 1), ylim=(-0.01, 1.01))
    return close_as_svg(figure, axes, has_legend=False)


def draw_operating_curve(
    curves: Mapping[str, Sequence[Mapping[str, Any]]], at: Mapping[str, tuple[float, float]]
) -> str:
    """Draw end-to-end recall over false regions.

    Args:
        curves: label to points of an operating_curve.
        at: label to (false regions, recall) at the thresholds that serve.
    """
    figure, axes = open_figure("False regions per undamaged photo", "Damaged photos recalled")
    axes.axvline(MAX_FALSE_REGIONS, color="#bbbbbb", linewidth=1, linestyle=":")
    for colour, (label, points) in zip(_COLOURS, curves.items(), strict=False):
        falses = [p["false_regions_per_undamaged_photo"] for p in points]
        axes.step(falses, [p["recall"] for p in points], where="post", color=colour, linewidth=1.6, label=label)
        if label in at:
            axes.plot(*at[label], marker="o", color=colour, markersize=6, markeredgecolor="white")
    shown = [false for false, _ in at.values()]
    axes.set(xlim=(-0.02, max(1.0, *(1.5 * false for false in shown)) if shown else 1.0), ylim=(0, 1.01))
    return close_as_svg(figure, axes)


def draw_bars(sections: Mapping[str, Any], measure: str, y_label: str) -> str:
    """Draw one measure per class, a bar a policy with its interval.

    Args:
        sections: segmentation measures by policy.
        measure: the name after the class, for example "iou_foreground_positives".
        y_label: what is drawn.
    """
    figure, axes = open_figure("", y_label)
    names = [c for c in DAMAGE_CLASSES if any(f"{c}_{measure}" in own for own in sections.values())]
    width = 0.8 / max(len(sections), 1)
    for index, (policy, own) in enumerate(sections.items()):
        for position, class_name in enumerate(names):
            key = f"{class_name}_{measure}"
            if key not in own:
                continue
            low, high = own.get(key + INTERVAL, [own[key], own[key]])
            axes.bar(
                position + (index - (len(sections) - 1) / 2) * width,
                own[key],
                width * 0.9,
                color=_COLOURS[index],
                yerr=[[max(own[key] - low, 0)], [max(high - own[key], 0)]],
                error_kw={"linewidth": 1, "capsize": 3},
                label=_POLICY_NAMES.get(policy, policy) if position == 0 else None,
            )
    axes.set(xticks=range(len(names)), ylim=(0, 1))
    axes.set_xticklabels(names)
    return close_as_svg(figure, axes)


def open_figure(x_label: str, y_label: str, size_wh_in: tuple[float, float] = (4.4, 3.2)) -> tuple["Figure", "Axes"]:
    """Begin a plot in the pages' style."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - only evaluation installs it

    figure = Figure(figsize=size_wh_in, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#eeeeee", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def close_as_svg(figure: "Figure", axes: "Axes", *, has_legend: bool = True, legend_beside: bool = False) -> str:
    """Write a figure as an <svg> element; the same figure is the same text."""
    import matplotlib as mpl  # noqa: PLC0415

    if has_legend and axes.get_legend_handles_labels()[0]:
        beside = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)} if legend_beside else {}
        axes.legend(frameon=False, fontsize=8, **beside)
    text = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "vehicle-damage", "svg.fonttype": "none"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    svg = text.getvalue()
    return svg[svg.index("<svg") :].strip()
