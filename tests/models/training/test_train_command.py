"""`vehicle-damage models train` as its users run it: in a process of its own, on a folder of small photos."""

import json
import signal
import subprocess
import sys

import pytest

pytest.importorskip("torch", reason="training needs vehicle-damage[train]")

from models.training.checkpoint import load_checkpoint
from tests.models.tiny_data import write_folder

DEADLINE_S = 240


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("data") / "rendered")


COMMAND = (sys.executable, "-c", "from models.cli import app; app()", "train")


def run(*arguments):
    finished = subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=DEADLINE_S
    )
    return finished.returncode, finished.stdout, finished.stderr


@pytest.mark.parametrize("network", ["localizer", "gate", "segmenter"])
def test_smoke_preset_trains(network, data, tmp_path):
    code, out, err = run(network, "--data", data, "--out", tmp_path / "run", "--preset", "smoke", "--device", "cpu")
    assert code == 0, err
    assert out.splitlines()[-1] == f"trained {network}: {tmp_path / 'run'}"
    assert load_checkpoint(tmp_path / "run")["state"]["step"] == 2
    recorded = json.loads((tmp_path / "run" / "training_options.json").read_text())
    assert (recorded["preset"], recorded["steps"], recorded["device"]) == ("smoke", 2, "cpu")


def test_flags_reach_the_run(data, tmp_path):
    code, _, err = run(
        "segmenter", "--data", data, "--out", tmp_path, "--preset", "smoke", "--steps", 1, "--batch-size", 3,
        "--input-px", 32, "--learning-rate", 0.01, "--seed", 9, "--rendered-share", 1, "--loss", "bce+tversky",
        "--architecture", "deeplabv3plus", "--encoder", "timm-efficientnet-b0", "--device", "cpu", "--progress",
    )  # fmt: skip
    assert code == 0, err
    assert "1/1" in err
    recorded = json.loads((tmp_path / "training_options.json").read_text())
    expected = {
        "steps": 1, "batch_size": 3, "input_px": 32, "learning_rate": 0.01, "seed": 9, "rendered_share": 1.0,
        "loss": "bce+tversky", "architecture": "deeplabv3plus", "encoder": "timm-efficientnet-b0",
    }  # fmt: skip
    assert {name: recorded[name] for name in expected} == expected
    assert "deeplab.encoder.conv_stem.weight" in load_checkpoint(tmp_path)["averaged"]


def test_terminated_run_is_saved_and_the_same_command_goes_on(data, tmp_path):
    arguments = (
        "gate", "--data", data, "--out", tmp_path, "--preset", "smoke", "--steps", 100_000, "--device", "cpu",
    )  # fmt: skip
    pipe = subprocess.PIPE
    with subprocess.Popen([*COMMAND, *map(str, arguments)], stdout=pipe, stderr=pipe, text=True) as process:
        try:
            line = process.stdout.readline()  # the first log line: training is under way
            assert json.loads(line)["step"] == 20
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=DEADLINE_S)
        finally:
            process.kill()
    assert process.returncode == 143
    assert "stopped by SIGTERM after step" in err
    done = load_checkpoint(tmp_path)["state"]["step"]
    assert done >= 20
    code, _, err = run(*arguments, "--resume", "--max-minutes", 1e-6)
    assert code == 0, err
    assert f"stopped by max_minutes after step {done + 1} of 100000" in err


@pytest.mark.parametrize(
    ("changes", "named"),
    [(["--steps", "5"], "steps"), (["--seed", "5"], "seed"), (["--preset", "cpu"], "preset")],
)
def test_resuming_with_another_flag_is_one_line_that_names_it(changes, named, data, tmp_path):
    from models.training.options import build_options, write_options  # noqa: PLC0415

    write_options(build_options("gate", "smoke", (data,), tmp_path))
    code, _, err = run("gate", "--data", data, "--out", tmp_path, "--resume", *changes)
    assert code == 2
    assert err.startswith(f"error: {named}: a resumed run keeps its options")
    assert err.count("\n") == 1
