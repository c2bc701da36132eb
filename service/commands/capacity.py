"""capacity: assumptions and measurements become a page on disk."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress

from service.capacity.limits import find_bottlenecks
from service.capacity.options import CapacityOptions
from service.capacity.page import build_page
from service.capacity.plan import FACTORS, Load, count_days, plan_load
from service.errors import SetupError

_EXAMPLE: Final = "scaling.queue_length=500"


def capacity(
    out: Annotated[Path, typer.Option(help="Page to write.")] = Path("capacity.html"),
    photos_a_second: Annotated[
        float | None, typer.Option(help="Photos one pod finishes a second, as benchmarks/pipeline.py prints them.")
    ] = None,
    measured: Annotated[
        Path | None, typer.Option(help="JSON of benchmarks/capacity.py; instead of the numbers that are built in.")
    ] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help=f"Any option of the page, such as {_EXAMPLE}; may be given again.")
    ] = None,
    factors: Annotated[
        list[int] | None, typer.Option("--factor", min=1, help="Times the day's photos; may be given again.")
    ] = None,
) -> None:
    """Simulate days of photos and write a page: pods, waiting times, cost, and what gives way first.

    Example: vehicle-damage capacity --photos-a-second 12 --set scaling.queue_length=500 --out capacity.html
    """
    given = list(assignments or ())
    if photos_a_second is not None:
        given.append(f"worker.photos_a_second={photos_a_second}")
    options = read_options(given, measured)
    loads = []
    chosen = sorted(set(factors or FACTORS))
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("days", total=count_days(len(chosen)))
        for factor in chosen:
            loads.append(plan_load(factor, options, lambda: progress.advance(bar)))
        progress.update(bar, total=progress.tasks[0].completed)
    bottlenecks = find_bottlenecks([load.chosen.day for load in loads], options)
    try:
        out.write_text(build_page(loads, bottlenecks, options), encoding="utf-8")
    except OSError as error:
        raise SetupError(f"{out}: {error.strerror}") from error
    for load in loads:
        typer.echo(_summarise(load, options))
    typer.echo(f"first to give way: {bottlenecks[0].name}; {out}")


def read_options(assignments: Sequence[str], measured: Path | None) -> CapacityOptions:
    """Join the built-in options, a file of measurements, and what was assigned; the later wins.

    Args:
        assignments: group.name=value, or name=value.
        measured: JSON of groups of options.

    Raises:
        SetupError: no such option, or a value that it cannot have.
    """
    given: dict[str, Any] = {} if measured is None else _load_measured(measured)
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise SetupError(f"--set: expected NAME=VALUE such as {_EXAMPLE}, found {assignment!r}")
        group, dot, option = name.strip().partition(".")
        if dot:
            inner = given.setdefault(group, {})
            if not isinstance(inner, dict):
                raise SetupError(f"{group}: expected a group of options, found {inner!r}")
            inner[option] = value.strip()
        else:
            given[group] = value.strip()
    try:
        return CapacityOptions.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SetupError(f"{where}: {first['msg']}, found {first['input']!r}".removeprefix(": ")) from error


def _load_measured(path: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise SetupError(f"{path}: expected JSON: {error}") from error
    if not isinstance(loaded, dict):
        raise SetupError(f"{path}: expected a JSON object, found {type(loaded).__name__}")
    return loaded


def _summarise(load: Load, options: CapacityOptions) -> str:
    own, day = load.chosen, load.chosen.day
    return (
        f"{options.traffic.photos_a_day * load.factor:,} photos a day: minReplicaCount {own.min_replicas}, "
        f"pods {day.replicas.mean():.1f} on average and {day.replicas.max()} at most, oldest message {own.oldest_s} s, "
        f"{own.cost.total - own.cost.photo_storage:,.2f} USD a day"
    )
