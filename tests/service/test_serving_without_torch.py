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


FIND = """
import sys
import numpy as np
from models.object_store import FolderStore
from models.renderer import render_photo
from models.store import PRETRAINED_DIR, ModelSet, ModelStore
from service.pipeline import Decoded, Pipeline, PipelineOptions
from tests.models.tiny_networks import build_finder_version

models = ModelStore(FolderStore(PRETRAINED_DIR)).load_promoted()
rows = np.array([[28, 28, 36, 36, 0.9, 2, 1, 1, 1, 1]])
finder = build_finder_version(rows, (64, 64), small_px=1000)
models = ModelSet({**models.versions, "finder": finder}, models.digest)
image = render_photo(1, size_hw=(240, 320), view="left", is_close_up=False).image
for use in ("beside", "instead"):
    options = PipelineOptions(gate_score_threshold=0.0, finder=use)
    (finding,) = Pipeline(models, options).inspect([Decoded(image, 0.5, 1.0)])
    print(use, any(region.class_id == 2 for region in finding.regions), "torch" in sys.modules)
"""


def test_a_finder_serves_there(serving_python: str):
    done = run(serving_python, "-c", FIND)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["beside True False", "instead True False"]


def test_every_command_shows_its_help_there(serving_python: str):
    for command in (["--help"], ["models", "--help"], ["worker", "--help"]):
        done = run(serving_python, "-m", "service.cli", *command)
        assert done.returncode == 0, done.stderr
