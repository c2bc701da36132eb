import json
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from models.cli import app
from models.data.photos import load_photos
from models.object_store import FolderStore
from models.store import ModelStore, sha256_hex
from models.structures import DAMAGE_CLASSES
from tests.models import tiny_networks
from tests.models.tiny_data import write_folder

NETWORKS = {"localizer": ("vehicle",), "gate": ("damaged",), "segmenter": DAMAGE_CLASSES}
THRESHOLDS = {
    "localizer": {"score_threshold": 0.25, "iou_threshold": 0.5, "min_box_ratio": 0.0},
    "gate": {"score_threshold": 0.3},
    "segmenter": {f"{name}_score_threshold": 0.9 for name in DAMAGE_CLASSES},
}


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def tiny_files(network):
    x = tiny_networks.image_input((64, 64))
    ops = tiny_networks.ops
    if network == "segmenter":
        return tiny_networks.to_files(ops.multiply(x, np.float32(1)), x)
    mean = ops.reduce_mean(x, [1, 2, 3], keep_dims=True)
    if network == "gate":
        return tiny_networks.to_files(ops.reshape(mean, np.array([-1, 1]), False), x)
    row = np.array([[[32.5], [35.5], [45], [25], [0.9]]], np.float32)
    nothing = ops.multiply(ops.reshape(mean, np.array([-1, 1, 1]), False), np.float32(0))
    return tiny_networks.to_files(ops.add(nothing, row), x)


def write_store(root, *versions):
    root.mkdir()
    store = ModelStore(FolderStore(root))
    for network, classes in NETWORKS.items():
        for version in versions:
            files = tiny_files(network)
            card = tiny_networks.build_card(network, (64, 64), classes, **THRESHOLDS[network])
            digests = {name: sha256_hex(body) for name, body in files.items()}
            store.add(card.model_copy(update={"version": version, "files": digests}), files)
    return root


def test_evaluate_writes_what_the_sample_allows(tmp_path):
    store = write_store(tmp_path / "store", "1")
    run("promote", "localizer=1", "gate=1", "segmenter=1", "--store", store)
    data = write_folder(tmp_path / "data", split="val")
    finished = run("evaluate", "--data", data, "--models", store, "--out", tmp_path / "out")
    assert finished.exit_code == 0, finished.output
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert "real" not in report
    measured = report["rendered"]
    assert measured["photos"] == 6
    assert measured["localizer"]["iou50_rate"] == 1.0  # the tiny localizer always answers nearly the drawn car
    assert measured["gate"]["across_sources"]["damaged_photos"] == 4
    assert 0 <= measured["segmentation"]["dent_iou_foreground_positives"] <= 1
    assert 0 <= measured["end_to_end"]["recall_at_false_regions_0_2"] <= 1
    assert (tmp_path / "out" / "report.html").read_text().startswith("<!doctype html>")
    assert not (tmp_path / "out" / "overlays").exists()


def test_promotion_and_rollback_name_what_serves(tmp_path):
    store = write_store(tmp_path / "store", "1", "2")
    run("promote", "localizer=1", "gate=1", "segmenter=1", "--store", store)
    assert run("promote", "gate=2", "--store", store).exit_code == 0
    assert ModelStore(FolderStore(store)).load_promoted().versions["gate"].card.version == "2"
    assert run("rollback", "--store", store).exit_code == 0
    assert ModelStore(FolderStore(store)).load_promoted().versions["gate"].card.version == "1"


def test_rendered_folder_trains(tmp_path):
    out = tmp_path / "rendered"
    assert run("render", "--out", out, "--photos", 2, "--seed", 5, "--split", "val").exit_code == 0
    assert [p.split for p in load_photos([out])] == ["val", "val"]


def test_calibrated_versions_carry_thresholds_and_measures_of_the_val_photos(tmp_path):
    candidates = write_store(tmp_path / "candidates", "1")
    data = write_folder(tmp_path / "data", split="val")
    store = tmp_path / "store"
    finished = run(
        "calibrate", "--from", candidates, "--version", 1, "--data", data, "--store", store, "--new-version", "0001"
    )
    assert finished.exit_code == 0, finished.output
    card = ModelStore(FolderStore(store)).load_version("gate", "0001").card
    # of the three cars the second is in the choosing half: its two photos set the thresholds, the others' judge them
    assert json.loads(finished.stdout)["chosen"]["photos"] == 2
    assert {"gate_recall_rendered_val", "gate_recall_rendered_val_other_half"} <= set(card.metrics)
    assert card.thresholds["score_threshold"] != THRESHOLDS["gate"]["score_threshold"]
    localizer = ModelStore(FolderStore(store)).load_version("localizer", "0001").card
    assert localizer.metrics["localizer_iou50_rate_rendered_val"] == 1.0
    assert localizer.thresholds["iou_threshold"] == 0.5


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["train", "gate", "--data", "nowhere", "--out", "o"], "nowhere"),
        (["train", "yolo", "--data", "DATA", "--out", "o"], "yolo"),
        (["train", "gate", "--data", "DATA", "--out", "o", "--preset", "huge"], "huge"),
        (["evaluate", "--data", "DATA", "--split", "train", "--out", "o", "--models", "nostore"], "nostore"),
        (["evaluate", "--data", "DATA", "--out", "o", "--split", "val"], "val"),
        (["evaluate", "--data", "DATA", "--out", "o", "--split", "train", "--dent-policy", "otsu"], "dent_policy"),
        (["evaluate", "--data", "nowhere", "--out", "o"], "nowhere"),
        (["calibrate", "--data", "DATA", "--from", "s", "--version", "1", "--store", "t"], "val"),
        (["render", "--out", "o", "--photos", "1", "--split", "dev"], "dev"),
        (["render", "--out", "o", "--photos", "0"], "photos"),
        (["promote", "gate", "--store", "DATA"], "NETWORK=VERSION"),
        (["promote", "gate=9", "--store", "DATA"], "gate/9"),
        (["rollback", "--store", "DATA"], "promoted.json"),
        (["export", "norun", "--store", "s"], "norun"),
    ],
)
def test_mistake_is_told_in_one_line_that_names_it(arguments, named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = write_folder(tmp_path / "data")
    finished = run(*[data if a == "DATA" else a for a in arguments])
    assert finished.exit_code == 2, finished.output
    assert finished.stderr.startswith("error: ")
    assert named in finished.stderr
    assert finished.stderr.count("\n") == 1


def test_commands_are_listed_without_loading_torch():
    code = (
        "import sys, models.cli, models.predictors; "
        "print([m for m in ('torch', 'ultralytics', 'timm', 'scipy') if m in sys.modules])"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"


def test_every_command_shows_an_example():
    for command in app.registered_commands:
        assert "Example: vehicle-damage models " in (command.callback.__doc__ or "")
