"""Events reach stderr, one a line, from the level that was asked for."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import structlog
from service.logs import configure_logs
configure_logs(level={level!r}, form={form!r})
log = structlog.get_logger()
log.info("stored", image_id="a.jpg")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("bug")
"""


def lines(level: str, form: str) -> list[str]:
    script = SCRIPT.format(level=level, form=form)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_json_events_are_one_line_each_with_their_traceback():
    stored, bug = (json.loads(line) for line in lines("info", "json"))
    assert (stored["event"], stored["level"], stored["image_id"]) == ("stored", "info", "a.jpg")
    assert "ZeroDivisionError" in bug["exception"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_events_below_the_level_are_not_written(form: str):
    written = "\n".join(lines("error", form))
    assert "a.jpg" not in written
    assert "ZeroDivisionError" in written
