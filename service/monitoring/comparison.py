"""When a serving model set is worse than the incumbent, in PromQL; a rollout compares more strictly, and acts."""

from typing import Final

from service.monitoring.expressions import INSTALLATION
from service.monitoring.recordings import (
    ATTEMPTS,
    COMPARED_WITH,
    ERRORS,
    GATED,
    MODEL_SET,
    REGIONS,
    SECONDS,
    WORKERS,
    Recording,
)

Z: Final = 4
"""Standard errors that lie between the counts of two sets before they count as different."""
RATE_FACTOR: Final = 1.5
"""A gate or region rate so many times the incumbent's, or so many times smaller, is worse."""
ERROR_MARGIN: Final = 0.02
SECONDS_FACTOR: Final = 1.5
LEAST_ATTEMPTS: Final = 100
_BESIDE: Final = f"on ({', '.join(INSTALLATION)}) group_left ()"


def worse_than_incumbent() -> str:
    """Serving sets that are worse than the incumbent, labelled by measure: errors, gate_rate, region_rate or seconds.

    Source: of two Poisson counts, z squared is (c - i)^2 n / ((c + i) / 2), c and i the rates a photo, n the photos of
        the smaller. Here: n is the compared set's, which has fewer workers.
    """
    parts = {
        "errors": f"{_is_apart(ERRORS)}\nand {_compare(ERRORS, '>', f'+ {ERROR_MARGIN}')}",
        "gate_rate": f"{_is_apart(GATED)}\nand {_is_off(GATED)}",
        "region_rate": f"{_is_apart(REGIONS)}\nand {_is_off(REGIONS)}",
        "seconds": f"{_compare(SECONDS, '>', f'* {SECONDS_FACTOR}')}\nand {ATTEMPTS.name} >= {LEAST_ATTEMPTS}",
    }
    named = (f'label_replace(\n{expr},\n"measure", "{measure}", "", "")' for measure, expr in parts.items())
    return "(\n" + "\nor\n".join(named) + f"\n)\nand on ({', '.join(MODEL_SET)}) {WORKERS.name}"


def _compare(measure: Recording, operator: str, change: str) -> str:
    return f"{measure.name} {operator} {_BESIDE} ({COMPARED_WITH[measure].name} {change})"


def _is_off(measure: Recording) -> str:
    above, below = _compare(measure, ">", f"* {RATE_FACTOR}"), _compare(measure, "<", f"/ {RATE_FACTOR}")
    return f"(\n{above}\nor {below}\n)"


def _is_apart(measure: Recording) -> str:
    incumbents = f"{_BESIDE} {COMPARED_WITH[measure].name}"
    return f"({measure.name} - {incumbents}) ^ 2\n* {ATTEMPTS.name}\n/ ({measure.name} + {incumbents}) > {Z**2 // 2}"
