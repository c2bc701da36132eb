import hashlib

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("torch", reason="export needs vehicle-damage[train]")

import torch
from safetensors.torch import load as load_safetensors

from models.cli import app
from models.data.photos import load_photos
from models.export import (
    build_card,
    build_for_export,
    compare_answers,
    convert_network,
    convert_to_ir,
    describe_architecture,
    export_version,
    measure_parity,
    split_formats,
    store_ir,
    view_photos,
)
from models.export.quantize import list_tail
from models.gate.network import DamageGate
from models.object_store import FolderStore, StoreError
from models.predictors import RuntimeOptions, load_gate, load_runtime
from models.runtime.openvino_runtime import OpenVinoRuntime
from models.store import ModelStore
from models.structures import DAMAGE_CLASSES
from models.training.options import build_options, write_options
from tests.models.runtime.small_networks import INPUT_HW, build_small, draw_batch
from tests.models.tiny_data import write_folder

BATCH = draw_batch(3)
CALIBRATION = [row[None] for row in draw_batch(4, seed=9)]


def open_ir(files):
    return OpenVinoRuntime(files["model.xml"], files["model.bin"])


def test_exported_network_takes_any_batch_size_and_one_image_size():
    runtime = open_ir(convert_network(build_small("maps"), INPUT_HW, "openvino-fp16"))
    assert runtime.input_hw == INPUT_HW
    assert [runtime.run(BATCH[:n]).shape[0] for n in (1, 3)] == [1, 3]


def test_parity_measures_the_runtime_against_torch():
    network = build_small("maps")
    ir = convert_to_ir(network, INPUT_HW)
    exact = measure_parity(network, open_ir(store_ir(ir, "openvino-f32")), BATCH)
    halved = measure_parity(network, open_ir(store_ir(ir, "openvino-fp16")), BATCH)
    assert exact["score_max_difference"] < 1e-4 < halved["score_max_difference"] < 0.01
    assert halved["score_mean_difference"] < halved["score_max_difference"]


def test_each_format_is_smaller_than_the_one_before():
    ir = convert_to_ir(build_small("maps"), INPUT_HW)
    sizes = [len(store_ir(ir, name)["model.bin"]) for name in ("openvino-f32", "openvino-fp16", "openvino-int8")]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 3


def test_an_ir_survives_being_quantized():
    ir = convert_to_ir(build_small("maps"), INPUT_HW)
    before = store_ir(ir, "openvino-f32")
    store_ir(ir, "openvino-int8")
    store_ir(ir, "openvino-int8-quantized", calibration=CALIBRATION)
    assert store_ir(ir, "openvino-f32") == before


def test_quantized_body_computes_in_int8_and_its_tail_does_not():
    files = convert_network(build_small("scores"), INPUT_HW, "openvino-int8-quantized", calibration=CALIBRATION)
    xml = files["model.xml"].decode()
    assert xml.count('type="FakeQuantize"') >= 3
    after_sigmoid = xml[xml.rindex('type="Convolution"') :]
    assert 'type="Sigmoid"' in after_sigmoid
    assert "FakeQuantize" not in after_sigmoid.split("<edges>")[0]


def test_tail_reaches_from_the_output_to_the_last_convolution():
    ir = convert_to_ir(build_small("scores"), INPUT_HW)
    types = {node.get_friendly_name(): node.get_type_name() for node in ir.get_ordered_ops()}
    tail = [types[name] for name in list_tail(ir)]
    assert tail[0] == "Sigmoid"
    assert tail.count("Convolution") == 1
    assert "ReduceMax" in tail  # of the log-sum-exp
    assert sum(kind == "Convolution" for kind in types.values()) == 3


def test_safetensors_hold_the_state_dict_and_no_pickle():
    network = build_small("maps")
    body = convert_network(network, INPUT_HW, "torch-safetensors")["model.safetensors"]
    state = load_safetensors(body)
    assert state.keys() == network.state_dict().keys()
    assert all(torch.equal(state[name], value) for name, value in network.state_dict().items())
    assert b"pickle" not in body
    assert not body.startswith(b"PK")


def test_one_version_may_hold_openvino_and_torch():
    assert split_formats("openvino-int8+torch-safetensors") == ("openvino-int8", "torch-safetensors")
    files = convert_network(build_small("maps"), INPUT_HW, "openvino-int8+torch-safetensors")
    assert sorted(files) == ["model.bin", "model.safetensors", "model.xml"]


@pytest.mark.parametrize(
    ("weights_format", "words"),
    [
        ("pickle", "found 'pickle'"),
        ("", "found ''"),
        ("openvino-f32+openvino-int8", "at most one for OpenVINO"),
        ("torch-safetensors+torch-safetensors", "once"),
    ],
)
def test_format_that_no_version_can_hold_is_refused_by_name(weights_format, words):
    with pytest.raises(ValueError, match=words):
        convert_network(build_small("maps"), INPUT_HW, weights_format)


def test_quantizing_without_photos_is_refused():
    with pytest.raises(ValueError, match=r"^calibration: expected at least one"):
        convert_network(build_small("maps"), INPUT_HW, "openvino-int8-quantized")


def test_same_gate_decisions_are_those_on_one_side_of_the_threshold():
    original = np.array([[0.2], [0.5], [0.6], [0.9]], np.float32)
    exported = np.array([[0.3], [0.4], [0.7], [0.9]], np.float32)
    found = compare_answers(original, exported, thresholds={"score_threshold": 0.5})
    assert found["decision_agreement"] == 0.75
    assert found["score_max_difference"] == pytest.approx(0.1)
    assert found["score_mean_difference"] == pytest.approx(0.075)


def test_same_masks_are_measured_by_dice():
    thresholds = {f"{name}_score_threshold": 0.5 for name in DAMAGE_CLASSES}
    original, exported = np.zeros((1, 3, 2, 2), np.float32), np.zeros((1, 3, 2, 2), np.float32)
    assert compare_answers(original, exported, thresholds=thresholds)["decision_agreement"] == 1.0
    original[0, 0, 0, :2] = 0.9  # two pixels, of which the other has one, and one elsewhere
    exported[0, 0, 0, 0] = exported[0, 2, 1, 1] = 0.5
    assert compare_answers(original, exported, thresholds=thresholds)["decision_agreement"] == 0.5


def test_same_box_is_the_largest_one_and_overlaps_by_nine_tenths():
    thresholds = {"score_threshold": 0.25, "iou_threshold": 0.5}
    rows = np.array([[[20, 80], [20, 80], [20, 10], [20, 10], [0.8, 0.9]]], np.float32)  # large, small
    moved, lost = rows.copy(), rows.copy()
    moved[0, 0, 0] += 0.5  # IoU 19.5 / 20.5
    assert compare_answers(rows, moved, thresholds=thresholds)["decision_agreement"] == 1.0
    assert compare_answers(rows, moved)["box_max_difference_px"] == 0.5
    moved[0, 0, 0] += 2  # IoU 17.5 / 22.5
    assert compare_answers(rows, moved, thresholds=thresholds)["decision_agreement"] == 0.0
    lost[0, 4, 0] = 0.2  # the small one is the largest left
    assert compare_answers(rows, lost, thresholds=thresholds)["decision_agreement"] == 0.0
    lost[0, 4] = 0.2
    assert compare_answers(lost, lost, thresholds=thresholds)["decision_agreement"] == 1.0
    assert compare_answers(rows, lost, thresholds=thresholds)["decision_agreement"] == 0.0


def test_card_lists_every_file_with_its_sha256():
    card = build_card("gate", "0001", {"model.xml": b"<net/>"}, thresholds={"score_threshold": 0.3})
    assert card.files == {"model.xml": hashlib.sha256(b"<net/>").hexdigest()}
    assert card.thresholds == {"score_threshold": 0.3}
    assert card.classes == ("damaged",)
    assert card.network_options == {}


def test_card_names_what_was_chosen_for_the_network():
    assert "YOLOv3-tiny" in describe_architecture("localizer", {})
    assert describe_architecture("localizer", {"cfg": "yolov3.yaml"}) == "localizer: cfg yolov3.yaml"
    assert build_card("localizer", "1", {}, network_options={"cfg": "yolov3.yaml"}).architecture.endswith("yolov3.yaml")


@pytest.mark.parametrize("network", ["localizer", "gate", "segmenter"])
def test_unknown_network_option_is_refused_by_name(network):
    with pytest.raises(ValueError, match=r"^network_options: .*'wings'"):
        build_for_export(network, network_options={"wings": 2})


def test_unknown_network_is_refused_by_name():
    with pytest.raises(ValueError, match="found 'yolo'"):
        build_for_export("yolo")


def test_photos_are_viewed_evenly_and_as_serving_cuts_them(tmp_path):
    photos = load_photos([write_folder(tmp_path)])
    assert [view.shape for view in view_photos("localizer", photos, 2)] == [(96, 128, 3)] * 2
    crops = view_photos("gate", photos, 100)
    assert len(crops) == 6
    assert crops[0].shape == (56, 100, 3)  # the annotated car, 90 x 50, and 5 % on each side, in whole pixels
    wide = view_photos("localizer", photos, 100)
    np.testing.assert_array_equal(view_photos("localizer", photos, 2)[1], wide[5])


def write_checkpoint(folder, averaged):
    state = {"step": 2, "progress": 1.0}
    torch.save({"network": averaged, "averaged": averaged, "optimizer": {}, "state": state}, folder / "checkpoint.pt")


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A run of the gate as training leaves it, with untrained weights."""
    root = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    options = build_options("gate", "smoke", (write_folder(root / "data"),), root / "run")
    write_options(options)
    write_checkpoint(root / "run", DamageGate().state_dict())
    return root / "run"


def run(*arguments):
    return CliRunner().invoke(app, ["export", *(str(a) for a in arguments)])


def test_command_makes_a_version_that_both_runtimes_serve(run_dir, tmp_path):
    formats = ["--weights-format", "openvino-int8-quantized", "--weights-format", "torch-safetensors"]
    finished = run(
        run_dir, "--store", tmp_path, "--version", "7", "--input-px", 64, "--calibration-photos", 3, *formats
    )
    assert finished.exit_code == 0, finished.output
    assert "candidate gate/7 (openvino-int8-quantized+torch-safetensors)" in finished.output
    version = ModelStore(FolderStore(tmp_path)).load_version("gate", "7")
    card = version.card
    assert sorted(card.files) == ["model.bin", "model.safetensors", "model.xml"]
    assert card.input_hw == (64, 64)
    assert card.weights_format == "openvino-int8-quantized+torch-safetensors"
    assert card.metrics["export_torch_score_max_difference"] < 1e-4
    assert 0 <= card.metrics["export_score_max_difference"] < 0.2
    assert card.metrics["export_calibration_photos"] == 3
    assert 0 <= card.metrics["export_decision_agreement"] <= 1
    crops = [np.full((40, 70, 3), value, np.uint8) for value in (20, 200)]
    scores = [
        load_gate(version, RuntimeOptions(runtime=runtime)).predict_scores(crops) for runtime in ("openvino", "torch")
    ]
    np.testing.assert_allclose(*scores, atol=0.2)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--weights-format", "onnx"], "onnx"),
        (["--weights-format", "openvino-f32", "--weights-format", "openvino-int8"], "at most one for OpenVINO"),
        (["--input-px", 100], "multiple of 32"),
    ],
)
def test_impossible_export_is_told_in_one_line(run_dir, tmp_path, arguments, named):
    finished = run(run_dir, "--store", tmp_path / "store", *arguments)
    assert finished.exit_code == 2, finished.output
    assert named in finished.stderr
    assert finished.stderr.count("\n") == 1
    assert not (tmp_path / "store").exists()


def test_checkpoint_of_another_network_is_told_in_one_line(run_dir, tmp_path):
    (tmp_path / "training_options.json").write_text((run_dir / "training_options.json").read_text())
    write_checkpoint(tmp_path, {"w": torch.zeros(1)})
    finished = run(tmp_path, "--store", tmp_path / "store")
    assert finished.exit_code == 2, finished.output
    assert "checkpoint does not fit" in finished.stderr
    assert finished.stderr.count("\n") == 1


def test_torch_runtime_builds_what_the_card_records(tmp_path):
    options = {"architecture": "deeplabv3plus", "encoder": "tu-tf_efficientnet_lite0", "decoder_channels": (16,)}
    wrapped = build_for_export("segmenter", network_options=options)
    store = ModelStore(FolderStore(tmp_path))
    export_version(
        store, "segmenter", "1", wrapped,
        input_hw=(64, 64), weights_format="torch-safetensors", network_options=options,
    )  # fmt: skip
    version = store.load_version("segmenter", "1")
    assert "deeplabv3plus" in version.card.architecture
    batch = draw_batch(1, (64, 64))
    with torch.inference_mode():
        original = wrapped(torch.from_numpy(batch)).numpy()
    np.testing.assert_allclose(load_runtime(version, RuntimeOptions(runtime="torch")).run(batch), original, atol=1e-5)


def test_version_without_the_runtimes_files_is_refused_by_name(tmp_path):
    store = ModelStore(FolderStore(tmp_path))
    export_version(store, "gate", "1", build_for_export("gate"), input_hw=(64, 64), weights_format="torch-safetensors")
    version = store.load_version("gate", "1")
    with pytest.raises(StoreError, match=r"^gate/1: no file model\.xml, model\.bin$"):
        load_runtime(version)
    with pytest.raises(ValueError, match=r"^runtime: expected one of openvino, torch, found 'onnx'$"):
        RuntimeOptions(runtime="onnx")
    assert load_runtime(version, RuntimeOptions(runtime="torch")).input_hw == (64, 64)


def test_openvino_refuses_a_gpu():
    with pytest.raises(ValueError, match=r"^device: runtime openvino runs on cpu, found 'cuda'$"):
        RuntimeOptions(device="cuda")
