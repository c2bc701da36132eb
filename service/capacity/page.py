"""The capacity page: one self-contained HTML page, no script, no file beside it, nothing fetched.

In:   planned loads, bottlenecks and the options. Out: text of the page.
Must not know: how they were simulated.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from html import escape
from importlib.resources import files
from string import Template
from typing import Final

import numpy as np
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from service.capacity.charts import Line, draw_day, shorten
from service.capacity.cost import Cost
from service.capacity.limits import Bottleneck
from service.capacity.options import CapacityOptions, Origin
from service.capacity.plan import Load, Outcome

_PAGE: Final = "page.html"
_MINUTE_S: Final = 60
_ORIGINS: Final[dict[Origin, str]] = {
    "measured": "Measured",
    "cited": "Cited",
    "assumed": "Assumed: put in your own",
}
_COSTS: Final = {
    "compute": "pods' share of nodes",
    "sqs": "SQS requests",
    "s3_requests": "S3 requests",
    "photo_storage": "photos in S3",
    "result_storage": "results in S3",
    "ledger_storage": "ledger's disk",
}


def build_page(loads: Sequence[Load], bottlenecks: Sequence[Bottleneck], options: CapacityOptions) -> str:
    """Lay the plan out.

    Args:
        loads: from the smallest to the largest.
        bottlenecks: of the loads' chosen outcomes, the first to give way first.
        options: what both came from.

    Returns:
        HTML.
    """
    template = Template(files("service.capacity").joinpath(_PAGE).read_text(encoding="utf-8"))
    return template.substitute(
        summary=_summarise(loads, bottlenecks, options),
        answer=_answer(options),
        loads="".join(_show_load(load, options) for load in loads),
        costs=_tabulate_costs(loads, options),
        bottlenecks=_tabulate_bottlenecks(bottlenecks, loads, options),
        options="".join(_tabulate_options(options, origin, title) for origin, title in _ORIGINS.items()),
    )


def _summarise(loads: Sequence[Load], bottlenecks: Sequence[Bottleneck], options: CapacityOptions) -> str:
    """A column a load: what to set, what comes of it."""

    def tell(load: Load, index: int) -> dict[str, str]:
        chosen, day = load.chosen, load.chosen.day
        over = [own.name for own in bottlenecks if own.limit is not None and own.demands[index] > own.limit]
        return {
            "arrive at the peak": f"{_count(load.peak_a_second)} a second",
            "minReplicaCount": _count(chosen.min_replicas),
            "maxReplicaCount": _count(chosen.max_replicas),
            "queueLength": _count(chosen.queue_length),
            "pods, mean · most": f"{_count(day.replicas.mean())} · {_count(day.replicas.max())}",
            "wait, median · 99 %": f"{_seconds(day.wait_quantile_s(0.5))} · {_seconds(day.wait_quantile_s(0.99))}",
            "oldest message": _seconds(chosen.oldest_s) + ("" if load.is_kept else ": too old"),
            "USD a day": _count(chosen.cost.total),
            "of it for stored photos": _count(chosen.cost.photo_storage),
            "over its limit": ", ".join(over) or "nothing",
        }

    columns = [tell(load, index) for index, load in enumerate(loads)]
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    return _table(["a day", *_name_loads(loads, options)], rows)


def _answer(options: CapacityOptions) -> str:
    fleet, scaling = options.fleet, options.scaling
    cold_s = scaling.polling_interval_s + fleet.node_provisioning_s + fleet.image_pull_s + fleet.pod_start_s
    left_s = options.slo_oldest_s - cold_s
    margin = f"{_seconds(left_s)} less than" if left_s > 0 else f"{_seconds(-left_s)} more than"
    return (
        f"<p>Objective: the oldest message is younger than {_seconds(options.slo_oldest_s)}. From zero pods the first "
        f"photo waits {_seconds(cold_s)} at most: KEDA's look at the queue {scaling.polling_interval_s} s, a node "
        f"{fleet.node_provisioning_s:g} s, the image {fleet.image_pull_s:g} s, the start {fleet.pod_start_s:g} s; "
        f"{margin} the objective. A warm pod saves that wait; beyond it a peak waits for the nodes of the pods it "
        "adds.</p><p>queueLength is waiting time: pods settle where each has so many messages, so that under load a "
        f"photo waits about queueLength / {options.worker.photos_a_second:g} seconds. A small one asks for pods that "
        "are ready when the backlog is gone; maxReplicaCount bounds that.</p>"
    )


def _show_load(load: Load, options: CapacityOptions) -> str:
    least, chosen = load.by_min[0], load.chosen
    day, rate = chosen.day, options.worker.photos_a_second
    compared = list(dict.fromkeys([least, load.by_min[len(load.by_min) // 2], load.by_min[-1]]))
    charts = [
        draw_day(
            [
                Line("working pods could finish", _minutes(day.ready * rate, np.max), is_filled=True),
                Line("arrive", _minutes(day.arrived, np.mean)),
            ],
            "Photos a second",
        ),
        draw_day(
            [
                Line(f"minReplicaCount {_count(own.min_replicas)}", _minutes(own.day.oldest_s, np.max))
                for own in compared
            ],
            "Oldest message, seconds",
            mark=(options.slo_oldest_s, "objective"),
        ),
        draw_day(
            [
                Line("asked for", _minutes(day.replicas, np.max)),
                Line("working", _minutes(day.ready, np.mean)),
            ],
            "Pods",
        ),
        draw_day([Line("visible, in flight, hidden", _minutes(day.backlog, np.max))], "Backlog, messages"),
    ]
    by_min = _tabulate_outcomes(
        "minReplicaCount",
        {_count(own.min_replicas): own for own in load.by_min},
        chosen_at=load.by_min.index(chosen),
    )
    by_queue_length = _tabulate_outcomes("queueLength", {_count(own.queue_length): own for own in load.by_queue_length})
    return (
        f"<h2>{_count(options.traffic.photos_a_day * load.factor)} photos a day</h2>"
        f'<div class="pairs">{"".join(charts)}</div><div class="pairs">'
        f"<div><h3>minReplicaCount, at queueLength {_count(least.queue_length)}</h3>{by_min}</div>"
        f"<div><h3>queueLength, at minReplicaCount {_count(least.min_replicas)}</h3>{by_queue_length}</div></div>"
    )


def _tabulate_outcomes(name: str, outcomes: Mapping[str, Outcome], *, chosen_at: int | None = None) -> str:
    rows = [
        [
            value,
            f"{_count(own.day.replicas.mean())} · {_count(own.day.replicas.max())}",
            _seconds(own.day.wait_quantile_s(0.5)),
            _seconds(own.day.wait_quantile_s(0.99)),
            _seconds(own.oldest_s),
            _count(own.cost.compute),
        ]
        for value, own in outcomes.items()
    ]
    head = [name, "pods: mean · most", "median wait", "99 %", "oldest", "USD for pods"]
    return _table(head, rows, numbers=range(6), chosen_at=chosen_at)


def _tabulate_costs(loads: Sequence[Load], options: CapacityOptions) -> str:
    rows = [
        [_COSTS[field.name], *(_count(getattr(load.chosen.cost, field.name)) for load in loads)]
        for field in fields(Cost)
    ]
    rows.append(["<b>together</b>", *(f"<b>{_count(load.chosen.cost.total)}</b>" for load in loads)])
    head = ["USD", *_name_loads(loads, options)]
    return _table(head, rows, numbers=range(1, len(head)), is_html=True)


def _tabulate_bottlenecks(bottlenecks: Sequence[Bottleneck], loads: Sequence[Load], options: CapacityOptions) -> str:
    head = ["", "reached at", "limit"]
    head += [f"asked at {name}" for name in _name_loads(loads, options)]
    lines = []
    for own in bottlenecks:
        cells = [
            f"<td>{escape(own.name)}<br><small>{escape(own.unit)}</small></td>",
            f'<td class="number">{"–" if own.gives_way_at is None else f"{shorten(own.gives_way_at)} photos"}</td>',
            f'<td class="number">{"none" if own.limit is None else _count(own.limit)}</td>',
        ]
        for demand in own.demands:
            over = " over" if own.limit is not None and demand > own.limit else ""
            cells.append(f'<td class="number{over}">{_count(demand)}</td>')
        cells.append(f"<td>{escape(own.advice)}<br><small>{escape(own.origin)}: {escape(own.source)}</small></td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    shown = "".join(f'<th class="{"number" if name else ""}">{escape(name)}</th>' for name in head)
    return f'<div class="wide"><table><tr>{shown}<th>then</th></tr>{"".join(lines)}</table></div>'


def _tabulate_options(options: CapacityOptions, origin: Origin, title: str) -> str:
    rows = [
        [name, f"{value:,g}", f"{field.description or ''}", _extra(field, "source")]
        for name, field, value in walk_options(options)
        if _extra(field, "origin") == origin
    ]
    return f"<h3>{title}</h3>" + _table(["option", "value", "meaning", "from"], rows, numbers=[1])


def walk_options(options: BaseModel, prefix: str = "") -> Iterator[tuple[str, FieldInfo, float]]:
    """Every option by its dotted name, in the order of the models."""
    for name, field in type(options).model_fields.items():
        value = getattr(options, name)
        if isinstance(value, BaseModel):
            yield from walk_options(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field, value


def _name_loads(loads: Sequence[Load], options: CapacityOptions) -> list[str]:
    return [f"{shorten(options.traffic.photos_a_day * load.factor)} photos" for load in loads]


def _extra(field: FieldInfo, name: str) -> str:
    extra = field.json_schema_extra
    return str(extra[name]) if isinstance(extra, dict) else ""


def _minutes(values: np.ndarray, fold: Callable[..., np.ndarray]) -> np.ndarray:
    whole = values[: len(values) // _MINUTE_S * _MINUTE_S].reshape(-1, _MINUTE_S)
    return fold(whole, axis=1)


def _table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numbers: Iterable[int] = (),
    chosen_at: int | None = None,
    is_html: bool = False,
) -> str:
    right = set(numbers)

    def cells(tag: str, values: Sequence[str], *, raw: bool) -> str:
        return "".join(
            f"<{tag}{' class=number' if i in right else ''}>{value if raw else escape(value)}</{tag}>"
            for i, value in enumerate(values)
        )

    body = "".join(
        f"<tr{' class=chosen' if i == chosen_at else ''}>{cells('td', row, raw=is_html)}</tr>"
        for i, row in enumerate(rows)
    )
    return f'<div class="wide"><table><tr>{cells("th", head, raw=False)}</tr>{body}</table></div>'


def _count(value: float) -> str:
    """A number with as many digits as mean something: whole from 10 on, three digits below; thousands apart."""
    if value >= 10:
        return f"{value:,.0f}"
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _seconds(value: float) -> str:
    return f"{value:,.0f} s"
