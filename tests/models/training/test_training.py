"""Two real steps of each network, ending in a version that its predictor loads."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs vehicle-damage[train]")

from models.data.photos import DataError  # noqa: E402
from models.export import SPECS, build_for_export, convert_network, export_version, load_run  # noqa: E402
from models.object_store import FolderStore  # noqa: E402
from models.predictors import load_gate, load_localizer, load_segmenter  # noqa: E402
from models.runtime.openvino_runtime import OpenVinoRuntime  # noqa: E402
from models.store import ModelStore  # noqa: E402
from models.training import loop  # noqa: E402
from models.training.errors import TrainingStopped  # noqa: E402
from models.training.gate import train_gate  # noqa: E402
from models.training.localizer import train_localizer  # noqa: E402
from models.training.options import build_options, load_options  # noqa: E402
from models.training.segmenter import train_segmenter  # noqa: E402
from tests.models.tiny_data import write_folder  # noqa: E402
from tests.models.training.small_runs import StopAfter  # noqa: E402

TRAIN = {"localizer": train_localizer, "gate": train_gate, "segmenter": train_segmenter}
LOAD = {"localizer": load_localizer, "gate": load_gate, "segmenter": load_segmenter}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Sums of several threads may differ in their last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


ASK = {"localizer": "predict_boxes", "gate": "predict_scores", "segmenter": "predict_probs"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    return (write_folder(root / "rendered"), write_folder(root / "real", rendered=False))


@pytest.mark.parametrize("network", list(TRAIN))
def test_data_without_training_photos_is_refused_before_a_folder_is_opened(network, tmp_path):
    data = write_folder(tmp_path / "val", split="val")
    with pytest.raises(DataError, match="no photo has split 'train'"):
        TRAIN[network](build_options(network, "smoke", (data,), tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("network", list(TRAIN))
def test_smoke_run_ends_in_a_version_that_the_predictor_loads(network, data, tmp_path):
    options = build_options(network, "smoke", data, tmp_path / "run")
    TRAIN[network](options)
    assert load_options(tmp_path / "run") == options
    assert json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])["step"] == 2

    wrapped = load_run(network, tmp_path / "run")
    store = ModelStore(FolderStore(tmp_path))
    photos = [np.full((40, 70, 3), 90, np.uint8), np.full((20, 20, 3), 200, np.uint8)]
    export_version(store, network, "0001", wrapped, input_hw=(96, 96), parity_images=photos)
    version = store.load_version(network, "0001")
    answers = getattr(LOAD[network](version), ASK[network])(photos)
    assert len(answers) == 2
    assert version.card.metrics["export_score_max_difference"] < 0.05
    assert version.card.metrics["export_parity_photos"] == 2


@pytest.mark.parametrize(
    ("network", "changes"),
    [("localizer", {"cfg": "yolov5n.yaml", "input_px": 64}), ("gate", {"noise": 1.0}), ("segmenter", {"noise": 1.0})],
)
def test_resumed_run_ends_bit_for_bit_where_an_unbroken_one_does(network, changes, data, tmp_path, monkeypatch):
    changes = {"steps": 6, "device": "cpu", **changes}
    whole = TRAIN[network](build_options(network, "smoke", data, tmp_path / "whole", **changes))
    options = build_options(network, "smoke", data, tmp_path / "broken", workers=2, **changes)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "StopRequest", StopAfter)
        with pytest.raises(TrainingStopped, match="step 3 of 6"):
            TRAIN[network](options)
    torch.rand(10)  # chance moves on between the sessions
    resumed = TRAIN[network](options, resume=True)
    own, other = whole.state_dict(), resumed.state_dict()
    assert all(torch.equal(own[name], other[name]) for name in own)


def test_averaged_weights_follow_the_trained_ones(data, tmp_path):
    averaged = train_gate(build_options("gate", "smoke", data, tmp_path / "run"))
    saved = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    own = averaged.state_dict()
    assert all(torch.equal(own[name], value) for name, value in saved["averaged"].items())
    assert not torch.equal(saved["averaged"]["cell.weight"], saved["network"]["cell.weight"])


def test_exported_batch_equals_its_images_one_by_one():
    torch.manual_seed(0)
    files = convert_network(build_for_export("gate"), (64, 64), "openvino-fp16")
    runtime = OpenVinoRuntime(files["model.xml"], files["model.bin"])
    batch = np.random.default_rng(0).random((3, 3, 64, 64), dtype=np.float32)
    np.testing.assert_allclose(runtime.run(batch), np.concatenate([runtime.run(row[None]) for row in batch]), atol=1e-5)


@pytest.mark.parametrize(("preset", "network"), [("huge", "gate"), ("cpu", "yolo")])
def test_unknown_preset_or_network_is_refused_by_name(preset, network, tmp_path):
    with pytest.raises(ValueError, match=r"huge|yolo"):
        build_options(network, preset, (), tmp_path)


def test_every_network_has_a_spec():
    assert list(SPECS) == list(TRAIN)
