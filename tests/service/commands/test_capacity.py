"""The command writes the page, and refuses by name what it cannot use."""

import json
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from service.commands.capacity import capacity, read_options
from service.errors import SetupError


def test_the_page_is_written_with_what_was_given(tmp_path: Path):
    app = typer.Typer()
    app.command()(capacity)
    measured = tmp_path / "measured.json"
    measured.write_text(json.dumps({"ledger": {"sqlite_rows_a_second": 777}}))
    out = tmp_path / "page.html"
    arguments = ["--out", str(out), "--measured", str(measured), "--photos-a-second", "9.5", "--factor", "1"]
    done = CliRunner().invoke(app, [*arguments, "--set", "traffic.photos_a_day=50000"])
    assert done.exit_code == 0, done.output
    assert re.search(r"50,000 photos a day: minReplicaCount 0, pods .* USD a day", done.output)
    page = out.read_text(encoding="utf-8")
    for name, value in (("worker.photos_a_second", "9.5"), ("ledger.sqlite_rows_a_second", "777")):
        assert f"<td>{name}</td><td class=number>{value}</td>" in page


def test_what_is_assigned_wins_over_the_file(tmp_path: Path):
    path = tmp_path / "measured.json"
    path.write_text(json.dumps({"fleet": {"pod_start_s": 7, "image_pull_s": 8}, "seed": 3}))
    options = read_options(["fleet.pod_start_s=9", "seed=4"], path)
    assert (options.fleet.pod_start_s, options.fleet.image_pull_s, options.seed) == (9, 8, 4)


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("scaling.queue_length", "expected NAME=VALUE"),
        ("scaling.queue=3", "scaling.queue: Extra inputs are not permitted"),
        ("scaling.queue_length=many", "scaling.queue_length: .*found 'many'"),
        ("scaling.queue_length=0", "scaling.queue_length: expected more than 0"),
        ("scaling.queue_length=-1", "scaling.queue_length: .*greater than or equal to 0"),
        ("worker.photos_a_second=nan", "worker.photos_a_second: .*greater than or equal to 0|finite"),
        ("queue_length=3", "queue_length: Extra inputs"),
        ("scaling=3", "scaling: "),
    ],
)
def test_an_assignment_that_cannot_be_is_refused_by_name(assignment: str, said: str):
    with pytest.raises(SetupError, match=said):
        read_options([assignment], None)


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), ("{", "expected JSON"), ("[]", "found list")])
def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path: Path, content: str | None, said: str):
    path = tmp_path / "measured.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SetupError, match=f"measured.json.*{said}"):
        read_options([], path)
