"""Serving works, and is tested, in an environment without torch."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import require

FORBIDDEN = ("torch", "torchvision", "ultralytics", "segmentation_models_pytorch", "timm", "scipy")


@pytest.fixture(scope="module")
def serving_python() -> str:
    python = os.environ.get("SERVING_PYTHON", "")
    require(bool(python) and Path(python).exists(), "SERVING_PYTHON: an environment with serving's packages alone")
    return python


def run(python: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, *arguments], capture_output=True, text=True, timeout=240, check=False)


def test_the_serving_environment_has_no_torch(serving_python: str):
    for name in FORBIDDEN:
        found = run(serving_python, "-c", f"import {name}")
        assert found.returncode != 0, name
        assert "ModuleNotFoundError" in found.stderr


def test_the_demo_runs_there(serving_python: str, tmp_path: Path):
    done = run(serving_python, "-m", "service.cli", "demo", "--photos", "4", "--out", str(tmp_path / "demo"))
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "demo" / "results").glob("*.json"))) == 4


def test_every_command_shows_its_help_there(serving_python: str):
    for command in (["--help"], ["models", "--help"], ["worker", "--help"]):
        done = run(serving_python, "-m", "service.cli", *command)
        assert done.returncode == 0, done.stderr
