"""Writes the report of a finished job beside its steps."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from models.job.report.collect import collect_numbers
from models.job.report.folders import open_steps
from models.job.report.page import build_page
from models.job.report.pictures import collect_pictures

JSON_NAME: Final = "report.json"
PAGE_NAME: Final = "report.html"


def write_report(job: Path) -> Mapping[str, Any]:
    """Write report.html and report.json into a job's folder; those that are there are replaced.

    Args:
        job: holds the folders of the steps, all done.

    Returns:
        The content of report.json.

    Raises:
        DataError: a step is not complete; nothing is written.
    """
    steps = open_steps(job)
    report = collect_numbers(steps)
    texts = {
        PAGE_NAME: build_page(report, collect_pictures(steps)),
        JSON_NAME: json.dumps(report, indent=2, allow_nan=False) + "\n",
    }
    for name, text in texts.items():
        partial = job / f".{name}.partial"
        partial.write_text(text, encoding="utf-8")
        partial.replace(job / name)
    return report
