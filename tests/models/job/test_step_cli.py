"""Every step as a command of its own, one after the other, as somebody would do a job by hand."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("torch", reason="the steps need vehicle-damage[train]")
pytest.importorskip("ultralytics", reason="the steps need vehicle-damage[train]")

from models.cli import app
from models.job.cli import augment_app
from tests.models.job.scenes import write_yolo

SMALL = ("--preset", "smoke")


def run(step, *given):
    finished = CliRunner().invoke(app, ["augment", step, *(str(value) for value in given)])
    assert finished.exit_code == 0, finished.output
    return finished.stdout


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    root = tmp_path_factory.mktemp("job")
    source = write_yolo(root / "source", train=40, val=10, is_figure=True)
    at = root / "steps"
    run("dataset", "--data", source, "--class", "person", "--out", at / "dataset")
    run("crops", "--dataset", at / "dataset", "--canvas-px", 16, "--alpha", "grabcut", "--out", at / "crops")
    gan = ("--crops", at / "crops", *SMALL, "--images", 32, "--measured-images", 8, "--no-progress")
    run("gan", *gan, "--out", at / "gan")
    made = ("--gan", at / "gan", "--crops", at / "crops")
    run("instances", *made, "--count", 40, "--out", at / "instances")
    run("screening", *made, "--instances", at / "instances", "--rule", "multi", "--out", at / "screening")
    run("extraction", "--crops", at / "crops", "--instances", at / "instances", "--out", at / "extraction")
    run("placement", "--dataset", at / "dataset", "--count", 6, "--out", at / "placement")
    dataset = ("--dataset", at / "dataset")
    for arm in ("repeat", "gan_screened"):
        run(
            "augmented", *dataset, "--placement", at / "placement", "--extraction", at / "extraction",
            "--screening", at / "screening", "--arm", arm, "--count", 6, "--out", at / "augmented" / f"{arm}-17",
        )  # fmt: skip
    for seed in (1, 2):
        run("detector", *dataset, *SMALL, "--seed", seed, "--out", at / "detectors" / f"baseline-0-seed{seed}")
        for arm in ("repeat", "gan_screened"):
            run(
                "detector", *dataset, *SMALL, "--augmented", at / "augmented" / f"{arm}-17", "--seed", seed,
                "--out", at / "detectors" / f"{arm}-17-seed{seed}",
            )  # fmt: skip
    judged = (*dataset, "--detectors", at / "detectors")
    run("evaluation", *judged, "--out", at / "evaluation")
    run("promotion", *judged, "--evaluation", at / "evaluation", "--out", at / "promotion")
    return at


def test_steps_done_by_hand_are_a_job_that_can_be_reported(job):
    assert "report.html" in run("report", job)
    report = json.loads((job / "report.json").read_text())
    assert list(report["arms"]) == ["baseline", "repeat", "gan_screened"]
    assert report["decision"]["promoted_arm"] is None
    assert report["screening"]["rule"] == "multi"


def test_step_tells_what_it_did_and_that_it_was_done(job):
    given = ("--gan", job / "gan", "--crops", job / "crops", "--count", 40, "--out", job / "instances")
    told = json.loads(run("instances", *given))
    assert told["was_done"]
    assert told["count"] == len(np.load(job / "instances" / "images.npy")) == 40
    refused = CliRunner().invoke(app, ["augment", "instances", *(str(v) for v in (*given[:-3], 41, *given[-2:]))])
    assert refused.exit_code == 2
    assert "options: count: made with 40, found 41" in refused.stderr


@pytest.mark.parametrize(
    ("step", "given", "message"),
    [
        ("crops", ("--alpha", "magic"), "alpha: expected one of none, outline, grabcut, found 'magic'"),
        ("placement", ("--count", 6, "--max-overlap", 2), "max_overlap: expected 0 to 1, found 2.0"),
        ("detector", (*SMALL, "--epochs", 0), "epochs: expected 1 or more, found 0"),
    ],
)
def test_option_that_cannot_be_is_one_line(job, tmp_path, step, given, message):
    arguments = ["augment", step, "--dataset", str(job / "dataset"), *map(str, given), "--out", str(tmp_path / "out")]
    finished = CliRunner().invoke(app, arguments)
    assert finished.exit_code == 2
    assert finished.stderr == f"error: {message}\n"
    assert list(tmp_path.iterdir()) == []


def test_input_that_is_no_step_is_one_line(job, tmp_path):
    arguments = ["augment", "crops", "--dataset", str(job / "crops"), "--out", str(tmp_path / "out")]
    finished = CliRunner().invoke(app, arguments)
    assert finished.exit_code == 2
    assert "expected the folder of step dataset, found crops" in finished.stderr
    assert finished.stderr.count("\n") == 1


def test_every_command_shows_an_example():
    assert len(augment_app.registered_commands) == 14
    for command in augment_app.registered_commands:
        assert "Example: vehicle-damage models augment " in (command.callback.__doc__ or "")
