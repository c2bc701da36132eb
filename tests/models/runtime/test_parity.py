"""Every runtime, format and precision says what the f32 torch network says, within a stated tolerance."""

from pathlib import Path

import numpy as np
import pytest

from models.object_store import FolderStore
from models.predictors import SAFETENSORS_NAME, RuntimeOptions, load_runtime
from models.store import NETWORKS, PRETRAINED_DIR, ModelStore, ModelVersion
from models.structures import DAMAGE_CLASSES

torch = pytest.importorskip("torch", reason="the torch runtime needs vehicle-damage[train]")

from models.export import FORMATS, build_for_export, compare_answers, convert_network, convert_to_ir, store_ir  # noqa: E402
from models.runtime.openvino_runtime import OpenVinoRuntime  # noqa: E402
from models.runtime.torch_runtime import TorchRuntime  # noqa: E402
from tests.models.runtime.small_networks import INPUT_HW, build_small, draw_batch, settle  # noqa: E402

KINDS = {
    "scores": {"score_threshold": 0.5},
    "boxes": {"score_threshold": 0.25, "iou_threshold": 0.5},
    "maps": {f"{name}_score_threshold": 0.5 for name in DAMAGE_CLASSES},
}
TOLERANCES = {
    ("torch-safetensors", "f32"): (1e-4, 1e-5, 1.0),
    ("torch-safetensors", "bf16"): (0.03, 0.003, 0.95),
    ("openvino-f32", "f32"): (1e-4, 1e-5, 1.0),
    ("openvino-f32", "bf16"): (0.03, 0.003, 0.95),
    ("openvino-fp16", "f32"): (2e-3, 3e-4, 0.99),
    ("openvino-fp16", "bf16"): (0.03, 0.003, 0.95),
    ("openvino-int8", "f32"): (0.04, 0.004, 0.9),
    ("openvino-int8", "bf16"): (0.04, 0.006, 0.9),
    ("openvino-int8-quantized", "f32"): (0.4, 0.02, 0.85),
    ("openvino-int8-quantized", "bf16"): (0.4, 0.02, 0.85),
}
"""Format and precision to the largest and the mean difference of scores, and the least agreement of decisions. Boxes
may differ by ten pixels times the first."""
PHOTOS = 40


@pytest.fixture(scope="module")
def prepared():
    """Kind to (network, its IR, batch, answers of torch in f32)."""
    built = {}
    for kind in KINDS:
        network, batch = build_small(kind), draw_batch(PHOTOS, seed=5)
        with torch.inference_mode():
            answers = network(torch.from_numpy(batch)).numpy()
        built[kind] = network, convert_to_ir(network, INPUT_HW), batch, answers
    return built


def open_runtime(network, ir, weights_format, precision):
    if weights_format == "torch-safetensors":
        weights = convert_network(network, INPUT_HW, weights_format)[SAFETENSORS_NAME]
        fresh = type(network)
        return TorchRuntime(weights, fresh, input_hw=INPUT_HW, precision=precision)
    calibration = [row[None] for row in draw_batch(24, seed=9)]
    files = store_ir(ir, weights_format, calibration=calibration)
    return OpenVinoRuntime(files["model.xml"], files["model.bin"], precision=precision)


def test_every_format_has_its_tolerance():
    assert {weights_format for weights_format, _ in TOLERANCES} == set(FORMATS)


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize(("weights_format", "precision"), list(TOLERANCES))
def test_runtime_says_what_the_network_says(prepared, kind, weights_format, precision):
    network, ir, batch, original = prepared[kind]
    scores = original[:, 4:] if kind == "boxes" else original
    assert scores.std() > 0.05, "answers that are all alike would agree with anything"
    runtime = open_runtime(network, ir, weights_format, precision)
    found = compare_answers(original, runtime.run(batch), thresholds=KINDS[kind])
    largest, mean, agreement = TOLERANCES[weights_format, precision]
    assert found["score_max_difference"] <= largest
    assert found["score_mean_difference"] <= mean
    assert found["decision_agreement"] >= agreement
    if kind == "boxes":
        assert found["box_max_difference_px"] <= 10 * largest


@pytest.mark.parametrize("weights_format", ["openvino-int8", "openvino-int8-quantized"])
def test_int8_is_no_f32_in_disguise(prepared, weights_format):
    network, ir, batch, original = prepared["maps"]
    runtime = open_runtime(network, ir, weights_format, "f32")
    assert compare_answers(original, runtime.run(batch))["score_max_difference"] > 1e-3


@pytest.mark.parametrize("network", NETWORKS)
def test_real_architecture_is_the_same_in_both_runtimes(network):
    torch.manual_seed(0)
    size_hw = (64, 96)
    wrapped = settle(build_for_export(network), size_hw)
    batch = draw_batch(3, size_hw, seed=1)
    with torch.inference_mode():
        original = wrapped(torch.from_numpy(batch)).numpy()
    files = convert_network(wrapped, size_hw, "openvino-f32+torch-safetensors")
    for runtime in (
        OpenVinoRuntime(files["model.xml"], files["model.bin"]),
        TorchRuntime(files["model.safetensors"], lambda: build_for_export(network), input_hw=size_hw),
    ):
        found = compare_answers(original, runtime.run(batch))
        assert found["score_max_difference"] <= 1e-4
        assert found.get("box_max_difference_px", 0) <= 0.01


def load_shipped() -> dict[str, ModelVersion]:
    versions = ModelStore(FolderStore(Path(PRETRAINED_DIR))).load_promoted().versions
    return {network: version for network, version in versions.items() if SAFETENSORS_NAME in version.files}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_shipped_version_says_the_same_in_both_runtimes(network, precision):
    version = load_shipped().get(network)
    if version is None:
        pytest.skip("the set that ships holds no safetensors of it")
    card = version.card
    batch = np.clip(draw_batch(2, card.input_hw, seed=2), -1, 1)
    original = load_runtime(version, RuntimeOptions(runtime="torch")).run(batch)
    weights_format = next(name for name in card.weights_format.split("+") if name.startswith("openvino"))
    exact = {"openvino-f32", "openvino-fp16", "torch-safetensors"}
    for runtime, form in (("openvino", weights_format), ("torch", "torch-safetensors")):
        answers = load_runtime(version, RuntimeOptions(runtime=runtime, precision=precision)).run(batch)
        found = compare_answers(original, answers)
        assert found["score_mean_difference"] <= (1e-3 if precision == "f32" and form in exact else 0.03)
