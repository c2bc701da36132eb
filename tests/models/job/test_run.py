"""The whole job on a few dozen photos, through its command: unbroken, killed again and again, and refused."""

import html.parser
import json
import os
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch", reason="the job needs vehicle-damage[train]")
pytest.importorskip("ultralytics", reason="the job needs vehicle-damage[train]")

from models.cli import app
from models.data.photos import DataError
from models.evaluation.proof.arms import ARMS
from models.job.presets import PRESETS, choose_options
from models.job.run import run_job
from models.steps.step_folder import scratch_of
from tests.models.job.scenes import encode, write_yolo

COMMAND = [sys.executable, "-c", "from models.cli import app; app()", "augment", "run", "--class", "person"]
KILLED_AT = (
    "dataset.work", "gan.work/run/checkpoint.pt", "gan_mlp.work", "instances", "augmented/repeat-30",
    "detectors/baseline-0-seed1.work/run", "detectors/gan_screened-30-seed2.work",
)  # fmt: skip
LIMIT_S = 300


def arguments(source, out):
    return [*COMMAND, "--data", str(source), "--preset", "smoke", "--out", str(out)]


def environment():
    return {**os.environ, "OMP_NUM_THREADS": "1", "YOLO_AUTOINSTALL": "false"}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_yolo(tmp_path_factory.mktemp("job") / "source", train=40, val=10, is_figure=True)


@pytest.fixture(scope="module")
def job(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "job"
    finished = subprocess.run(
        arguments(source, out), env=environment(), capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert "report.html" in finished.stdout
    return out


def test_smoke_job_ends_in_a_report_and_a_decision(job):
    report = json.loads((job / "report.json").read_text())
    assert {"arms", "screening", "fid", "kid", "decision"} <= set(report)
    assert list(report["arms"]) == list(ARMS)
    assert report["decision"]["promoted_arm"] is None  # an epoch on 35 photos proves nothing
    assert report["decision"]["reasons"]
    assert {"false_accept", "false_reject"} <= set(report["screening"]["errors"]["multi"])
    html.parser.HTMLParser().feed((job / "report.html").read_text())
    assert [path.name for path in job.rglob("*.work")] == []


def test_killed_job_ends_with_the_same_report(source, job, tmp_path):
    out = tmp_path / "job"
    for point in KILLED_AT:
        process = subprocess.Popen(
            arguments(source, out), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + LIMIT_S
        while not (out / point).exists():
            assert process.poll() is None, f"ended before {point}"
            assert time.monotonic() < deadline, f"{point} never came"
            time.sleep(0.01)
        process.kill()
        process.wait()
    finished = subprocess.run(arguments(source, out), env=environment(), capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert "gan: was done" in finished.stderr
    assert (out / "report.json").read_bytes() == (job / "report.json").read_bytes()
    assert (out / "report.html").read_bytes() == (job / "report.html").read_bytes()


def test_finished_job_is_not_done_again_and_another_one_is_refused(source, job):
    told = []
    options = choose_options("smoke")
    run_job([source], "person", job, options, tell=lambda name, was_there: told.append((name, was_there)))
    assert ("detectors/rgba_blend-30-seed2", True) in told
    assert all(was_there for _, was_there in told)
    with pytest.raises(DataError, match="dataset: options: class_name: made with 'person', found 'truck'"):
        run_job([source], "truck", job, options)


def refuse(*given):
    finished = CliRunner().invoke(app, ["augment", "run", "--preset", "smoke", *(str(value) for value in given)])
    assert finished.exit_code == 2, finished.output
    return "".join(line for line in finished.stderr.splitlines(keepends=True) if not line.endswith(" done\n"))


def test_class_without_an_instance_is_one_line(source, tmp_path):
    line = refuse("--data", source, "--class", "forklift", "--out", tmp_path / "job")
    assert line.startswith("error: class: no instance of 'forklift' to learn from")
    assert "person (" in line
    assert line.count("\n") == 1
    assert list((tmp_path / "job").iterdir()) == []


def test_box_out_of_frame_is_one_line_with_its_file(tmp_path):
    source = write_yolo(tmp_path / "source", is_figure=True)
    (source / "labels" / "train" / "train003.txt").write_text(encode(1, (100, 10, 150, 40)) + "\n")
    line = refuse("--data", source, "--class", "person", "--out", tmp_path / "job")
    assert "train003.txt:1: box ends at x = " in line
    assert "outside the photo" in line
    assert line.count("\n") == 1
    assert list((tmp_path / "job").iterdir()) == []


def test_too_few_crops_to_train_are_one_line(tmp_path):
    source = write_yolo(tmp_path / "source", train=6, val=3, test=3, is_figure=True)
    line = refuse("--data", source, "--class", "person", "--out", tmp_path / "job")
    assert line.startswith("error: crops: expected at least 16 usable instances of 'person'")
    assert line.count("\n") == 1
    assert [path.name for path in (tmp_path / "job").iterdir()] == ["dataset"]


def test_corrupt_checkpoint_is_one_line_and_stays(source, tmp_path):
    out = tmp_path / "job"
    run = scratch_of(out / "gan") / "run"
    process = subprocess.Popen(arguments(source, out), env=environment(), stderr=subprocess.DEVNULL)
    while not (run / "checkpoint.pt").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    content = (run / "checkpoint.pt").read_bytes()
    (run / "checkpoint.pt").write_bytes(content[: len(content) // 2])
    line = refuse("--data", source, "--class", "person", "--out", out)
    assert line.startswith("error: ")
    assert "checkpoint.pt" in line
    assert line.count("\n") == 1
    assert (run / "checkpoint.pt").exists()
    assert not (out / "gan").exists()


def test_presets_are_told_by_name_and_changed_by_what_is_given():
    with pytest.raises(ValueError, match="preset: expected one of smoke, cpu, gpu, found 'night'"):
        choose_options("night")
    plain = choose_options("cpu", detector_cfg="yolov3-tinyu.yaml", alpha="none", device="cuda")
    assert plain.detector.cfg == "yolov3-tinyu.yaml"
    assert (plain.gan.device, plain.detector.device) == ("cuda", "0")
    assert not plain.gan.is_rgba
    assert "rgba_blend" not in plain.arms
    assert PRESETS["cpu"].gan.is_rgba
