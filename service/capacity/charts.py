"""charts: a day's series become inline SVG, drawn here so that the page needs no plotting library.

In:   values a minute. Out: an <svg> element; the same values are the same text.
Must not know: what the values mean.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np

COLOURS: Final = ("#1f5f8b", "#c8553d", "#5b8c5a", "#8d6a9f")
_WIDTH: Final = 620
_HEIGHT: Final = 190
_LEFT: Final = 58
_RIGHT: Final = 10
_TOP: Final = 10
_BOTTOM: Final = 22
_LABEL_HEIGHT: Final = 12
_TICKS: Final = 4
_HOURS: Final = 24


@dataclass(frozen=True)
class Line:
    """One series of a chart.

    Attributes:
        label: for the legend.
        values: a value a minute, evenly over the day.
        is_filled: drawn as an area.
    """

    label: str
    values: np.ndarray
    is_filled: bool = False


def draw_day(lines: Sequence[Line], y_label: str, *, mark: tuple[float, str] | None = None) -> str:
    """Draw series over the hours of a day.

    Args:
        lines: from the back to the front.
        y_label: what is drawn, with its unit.
        mark: a value and its name, drawn across.
    """
    highest = max([float(line.values.max()) for line in lines] + [mark[0] if mark else 0])
    step = choose_step(highest)
    top = max(math.ceil(highest / step), 1) * step
    parts = [_axis_y(step, top), _axis_x()]
    for colour, line in zip(COLOURS, lines, strict=False):
        points = " ".join(
            f"{_x(minute / len(line.values)):.1f},{_y(value / top):.1f}" for minute, value in enumerate(line.values)
        )
        if line.is_filled:
            corners = f"{_x(0):.1f},{_y(0):.1f} {points} {_x(1):.1f},{_y(0):.1f}"
            parts.append(f'<polygon points="{corners}" fill="{colour}" opacity="0.25"/>')
        else:
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.4"/>')
    if mark:
        value, name = mark
        y = _y(value / top)
        parts.append(
            f'<line x1="{_x(0)}" x2="{_x(1)}" y1="{y:.1f}" y2="{y:.1f}" stroke="#66707f" stroke-dasharray="4 3"/>'
        )
        label_y = y - 4 if y > _LABEL_HEIGHT + _TOP else y + _LABEL_HEIGHT
        parts.append(f'<text x="{_x(1)}" y="{label_y:.1f}" text-anchor="end">{escape(name)}</text>')
    label = f'aria-label="{escape(y_label)} over the day"'
    chart = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" {label}>{"".join(parts)}</svg>'
    legend = "".join(
        f'<i style="background:{colour}"></i>{escape(line.label)}' for colour, line in zip(COLOURS, lines, strict=False)
    )
    return f"<figure><figcaption><b>{escape(y_label)}</b> {legend}</figcaption>{chart}</figure>"


def choose_step(highest: float) -> float:
    """The distance of ticks: 1, 2 or 5 times a power of ten, about _TICKS of them up to the highest value."""
    if highest <= 0:
        return 1.0
    rough = highest / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))


def shorten(value: float) -> str:
    """A number in few characters: three digits, and million or billion in words."""
    for size, word in ((1e9, " billion"), (1e6, " million")):
        if value >= size * (1 - 1e-9):
            return f"{value / size:.3g}{word}"
    return f"{float(f'{value:.3g}'):,g}"


def _axis_y(step: float, top: float) -> str:
    parts = []
    for tick in range(round(top / step) + 1):
        y = _y(tick * step / top)
        parts.append(f'<line x1="{_x(0)}" x2="{_x(1)}" y1="{y:.1f}" y2="{y:.1f}" stroke="#eceef1"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{shorten(tick * step)}</text>')
    return "".join(parts)


def _axis_x() -> str:
    return "".join(
        f'<text x="{_x(hour / _HOURS):.1f}" y="{_HEIGHT - 6}" text-anchor="middle">{hour}:00</text>'
        for hour in range(0, _HOURS, 4)
    )


def _x(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _y(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)
