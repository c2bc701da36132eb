"""The plots of a job's report as SVG text: deterministic, in the colours and the style of the evaluation's.

matplotlib is imported when a plot is drawn.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from models.evaluation.plots import close_as_svg, open_figure
from models.job.report.words import ARM_NAMES, MAPPING_NAMES

COLOURS: Final = ("#1f5f8b", "#c8553d", "#5b8c5a", "#8d6a9f", "#b98b2e")
_CHANNELS: Final = ("#c8553d", "#5b8c5a", "#1f5f8b")
"""Of R, G and B."""
_SPARK_WH: Final = (128, 56)


def draw_gains(gains: Mapping[str, Mapping[str, Any]], metric: str, promoted_arm: str | None) -> str:
    """Draw each arm's gain over the baseline with its 95 % interval, in points; a hollow dot has no interval.

    Args:
        gains: arm to "value", "low" and "high".
        metric: what is gained.
        promoted_arm: drawn in another colour.
    """
    figure, axes = open_figure(f"Gain of {metric}, points", "", (7.0, 0.7 + 0.42 * len(gains)))
    axes.axvline(0, color="#66707f", linewidth=1)
    for row, (arm, gain) in enumerate(gains.items()):
        colour = COLOURS[1] if arm == promoted_arm else COLOURS[0]
        if gain["low"] is not None:
            axes.plot([100 * gain["low"], 100 * gain["high"]], [row, row], color=colour, linewidth=1.8)
        fill = colour if gain["low"] is not None else "white"
        axes.plot(100 * gain["value"], row, "o", color=colour, markerfacecolor=fill, markersize=7)
    axes.set_yticks(range(len(gains)), [ARM_NAMES.get(arm, arm) for arm in gains])
    axes.set_ylim(len(gains) - 0.4, -0.6)
    axes.margins(x=0.1)
    return close_as_svg(figure, axes)


def draw_val_by_ratio(arms: Mapping[str, Mapping[str, float]], baseline: float | None, class_name: str) -> str:
    """Draw average precision on val over the share of photos added.

    Args:
        arms: arm to ratio, as a text, to AP at IoU 0.50.
        baseline: the same of the detectors trained on the photos alone; None: unknown.
        class_name: whose AP it is.
    """
    figure, axes = open_figure("Photos added, % of train", f"AP50 of {class_name} on val", (7.0, 3.4))
    if baseline is not None:
        axes.axhline(baseline, color="#66707f", linewidth=1, linestyle="--", label=ARM_NAMES["baseline"])
    for colour, (arm, by_ratio) in zip(COLOURS, arms.items(), strict=False):
        points = sorted((100 * float(ratio), value) for ratio, value in by_ratio.items())
        axes.plot(*zip(*points, strict=True), "o-", color=colour, linewidth=1.4, label=ARM_NAMES.get(arm, arm))
    percents = sorted({100 * float(ratio) for by_ratio in arms.values() for ratio in by_ratio})
    axes.set_xticks(percents, [f"{percent:g}" for percent in percents])
    axes.margins(x=0.15)
    return close_as_svg(figure, axes, legend_beside=True)


def draw_curves(curves: Mapping[str, Sequence[Mapping[str, float]]], y_label: str) -> str:
    """Draw a distance over training, a line a mapping network; mapping to points of "images" and "value"."""
    figure, axes = open_figure("Images shown, thousands", y_label, (4.6, 3.0))
    for colour, (mapping, points) in zip(COLOURS, curves.items(), strict=False):
        shown = [(point["images"] / 1000, point["value"]) for point in points if point["value"] is not None]
        if shown:
            label = MAPPING_NAMES.get(mapping, mapping)
            axes.plot(*zip(*shown, strict=True), "o-", color=colour, markersize=3.5, linewidth=1.5, label=label)
    axes.set_xlim(left=0)
    return close_as_svg(figure, axes)


def draw_histogram(histogram: np.ndarray) -> str:
    """Draw the histograms of an instance's three channels, small; heights are square roots, so that few pixels show.

    Args:
        histogram: int (3, 256), counts.
    """
    width, height = _SPARK_WH
    peak = max(int(histogram.max()), 1)
    heights = height * np.sqrt(histogram / peak)
    lines = []
    for colour, channel in zip(_CHANNELS, heights, strict=True):
        points = " ".join(f"{value / 2:g},{height - up:.1f}" for value, up in enumerate(channel))
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" opacity="0.8"/>')
    return (
        f'<svg viewBox="-4 -11 {width + 8} {height + 23}" role="img">'
        f'<line x1="0" x2="{width}" y1="{height}" y2="{height}" stroke="#66707f"/>'
        f'<line x1="120" x2="120" y1="0" y2="{height}" stroke="#bbbbbb" stroke-dasharray="2"/>'
        f"{''.join(lines)}"
        f'<text x="0" y="{height + 10}">0</text><text x="120" y="{height + 10}" text-anchor="middle">240</text>'
        f'<text x="0" y="-3">most: {peak} px</text></svg>'
    )
