"""Presets, flags and the record of a run; none of it needs torch."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from models.training.errors import TrainingError
from models.training.options import (
    NETWORK_OPTIONS,
    PRESETS,
    build_options,
    choose_network_options,
    load_options,
    resume_options,
    write_options,
)

DATA = (Path("data/a"),)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("network", NETWORK_OPTIONS)
def test_every_preset_gives_every_network_a_run_that_is_recorded(preset, network, tmp_path):
    pytest.importorskip("torch", reason="the record names torch's version")
    options = build_options(network, preset, DATA, tmp_path)
    write_options(options)
    assert load_options(tmp_path) == options
    record = json.loads((tmp_path / "training_options.json").read_text())
    assert set(record) == {*asdict(options), "versions"}
    assert set(record["versions"]) == {"torch", "ultralytics", "segmentation-models-pytorch", "timm"}


def test_flags_win_over_the_preset_and_none_leaves_it():
    options = build_options("gate", "gpu", DATA, Path("o"), steps=5, device="cpu", batch_size=None)
    assert (options.steps, options.device, options.batch_size) == (5, "cpu", PRESETS["gpu"]["gate"]["batch_size"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0), ("batch_size", 0), ("input_px", 100), ("learning_rate", 0.0), ("max_minutes", 0.0), ("seed", -1),
        ("rendered_share", 1.5), ("noise", -1.0), ("workers", 0), ("precision", "f64"), ("device", "tpu"),
        ("loss", "hinge"), ("cfg", "yolov3.yaml"),
    ],
)  # fmt: skip
def test_value_that_no_run_can_have_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=rf"^{name}: .*found"):
        build_options("segmenter", "smoke", DATA, Path("o"), **{name: value})


@pytest.mark.parametrize(
    ("network", "name", "value"),
    [("gate", "loss", "bce"), ("gate", "encoder", "efficientnet-b0"), ("localizer", "architecture", "unet")],
)
def test_option_of_another_network_is_refused(network, name, value):
    with pytest.raises(ValueError, match=f"^{name}: the {network} has no such option"):
        build_options(network, "smoke", DATA, Path("o"), **{name: value})


def test_two_starting_points_are_refused():
    with pytest.raises(ValueError, match=r"^initial_weights: "):
        build_options("gate", "smoke", DATA, Path("o"), initial_weights=Path("a"), encoder_weights=Path("b"))


def test_resumed_run_keeps_what_it_was_started_with(tmp_path):
    pytest.importorskip("torch", reason="the record names torch's version")
    started = build_options("gate", "smoke", DATA, tmp_path, steps=9, seed=4)
    write_options(started)
    resumed = resume_options("gate", DATA, tmp_path, steps=None, seed=4, max_minutes=2.0, workers=3)
    assert (resumed.steps, resumed.seed, resumed.max_minutes, resumed.workers) == (9, 4, 2.0, 3)
    for changes in ({"seed": 5}, {"preset": "cpu"}):
        with pytest.raises(TrainingError, match=rf"^{next(iter(changes))}: a resumed run keeps"):
            resume_options("gate", DATA, tmp_path, **changes)
    with pytest.raises(TrainingError, match=r"^network: "):
        resume_options("segmenter", DATA, tmp_path)
    with pytest.raises(TrainingError, match=r"^data: "):
        resume_options("gate", (Path("data/b"),), tmp_path)
    resume_options("gate", (Path("data/a").resolve(),), tmp_path)


def test_run_from_before_precision_had_a_name_is_read(tmp_path):
    record = {
        "network": "segmenter", "data": ["a"], "out": "o", "preset": "cpu", "steps": 10, "max_minutes": 3.0,
        "batch_size": 2, "input_px": 64, "learning_rate": 1e-3, "is_bf16": False, "teacher": "t.onnx",
        "encoder_weights": None,
    }  # fmt: skip
    (tmp_path / "training_options.json").write_text(json.dumps(record))
    options = load_options(tmp_path)
    assert (options.precision, options.teacher) == ("f32", Path("t.onnx"))
    assert choose_network_options(options) == {}


@pytest.mark.parametrize("text", ["{", "[]", '{"network": "gate"}', '{"unheard": 1, "data": [], "out": ""}'])
def test_damaged_record_is_one_line_that_names_it(text, tmp_path):
    (tmp_path / "training_options.json").write_text(text)
    with pytest.raises(TrainingError, match=r"training_options\.json: not the options of a run") as refused:
        load_options(tmp_path)
    assert "\n" not in str(refused.value)


def test_network_is_rebuilt_from_what_was_chosen_alone():
    options = build_options("segmenter", "gpu", DATA, Path("o"), encoder="efficientnet-b3")
    assert choose_network_options(options) == {"encoder": "efficientnet-b3"}
