"""One contract for every runtime: any batch, any thread, numbers as numpy gives them, no broken input taken."""

import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from models.runtime.openvino_runtime import OpenVinoRuntime
from models.structures import ContractError

INPUT_HW = (6, 8)
KERNEL = np.random.default_rng(1).normal(size=(4, 3, 3, 3)).astype(np.float32)
PRECISIONS = ("f32", "bf16")


def by_hand(batch: np.ndarray) -> np.ndarray:
    """A convolution and a sigmoid, as a loop over the kernel."""
    count, _, height, width = batch.shape
    padded = np.pad(batch.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    summed = np.zeros((count, len(KERNEL), height, width))
    for dy in range(3):
        for dx in range(3):
            view = padded[:, :, dy : dy + height, dx : dx + width]
            summed += np.einsum("nihw,oi->nohw", view, KERNEL[:, :, dy, dx].astype(np.float64))
    return 1 / (1 + np.exp(-summed))


def batch_of(photos: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(photos, 3, *INPUT_HW)).astype(np.float32)


def open_openvino(folder: Path, precision: str, threads: int):
    photos = ops.parameter([-1, 3, *INPUT_HW], np.float32)
    convolved = ops.convolution(photos, ops.constant(KERNEL), [1, 1], [1, 1], [1, 1], [1, 1])
    openvino.serialize(openvino.Model([ops.sigmoid(convolved)], [photos]), folder / "model.xml", folder / "model.bin")
    files = [(folder / name).read_bytes() for name in ("model.xml", "model.bin")]
    return OpenVinoRuntime(*files, precision=precision, threads=threads)


def open_torch(folder: Path, precision: str, threads: int):
    import torch  # noqa: PLC0415
    from safetensors.torch import save  # noqa: PLC0415

    from models.runtime.torch_runtime import TorchRuntime  # noqa: PLC0415

    def build():
        return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1, bias=False), torch.nn.Sigmoid())

    weights = save({"0.weight": torch.from_numpy(KERNEL)})
    return TorchRuntime(weights, build, input_hw=INPUT_HW, precision=precision, threads=threads)


OPEN = {"openvino": open_openvino, "torch": open_torch}


@pytest.fixture(scope="module", params=list(OPEN))
def open_runtime(request, tmp_path_factory):
    if request.param == "torch" and not find_spec("torch"):
        pytest.skip("the torch runtime needs vehicle-damage[train]")
    folder = tmp_path_factory.mktemp(request.param)
    return lambda precision="f32", threads=1: OPEN[request.param](folder, precision, threads)


@pytest.fixture(scope="module")
def runtime(open_runtime):
    return open_runtime()


@pytest.mark.parametrize("photos", [1, 2, 5, 3, 1])
def test_any_batch_gives_what_numpy_gives(runtime, photos: int):
    batch = batch_of(photos, seed=photos)
    probs = runtime.run(batch)
    assert (probs.shape, probs.dtype) == ((photos, 4, *INPUT_HW), np.float32)
    assert np.abs(probs - by_hand(batch)).max() < 1e-5


def test_a_photo_gets_the_same_answer_in_any_batch(runtime):
    batch = batch_of(5)
    alone = np.concatenate([runtime.run(batch[i : i + 1]) for i in range(5)])
    assert np.abs(runtime.run(batch) - alone).max() < 1e-6


def test_the_next_call_does_not_overwrite_an_answer(runtime):
    first = runtime.run(batch_of(2, seed=1))
    kept = first.copy()
    runtime.run(batch_of(2, seed=2))
    assert (first == kept).all()
    assert first.flags["WRITEABLE"]
    assert first.flags["C_CONTIGUOUS"]


def test_the_batch_stays_as_it_was(runtime):
    batch = batch_of(2)
    runtime.run(batch)
    assert (batch == batch_of(2)).all()


def test_a_batch_that_is_not_contiguous_is_read_right(runtime):
    batch = np.ascontiguousarray(batch_of(2).transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert not batch.flags["C_CONTIGUOUS"]
    assert np.abs(runtime.run(batch) - by_hand(batch)).max() < 1e-5


def test_threads_get_their_own_answers(runtime):
    start = threading.Barrier(6)

    def run(seed: int) -> float:
        start.wait()
        worst = 0.0
        for round_number in range(20):
            batch = batch_of(1 + (seed + round_number) % 4, seed=100 * seed + round_number)
            worst = max(worst, float(np.abs(runtime.run(batch) - by_hand(batch)).max()))
        return worst

    with ThreadPoolExecutor(6) as pool:
        assert max(pool.map(run, range(6))) < 1e-5


def test_the_input_size_is_the_networks(runtime):
    assert runtime.input_hw == INPUT_HW


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_gives_an_answer_near_the_exact_one(open_runtime, precision: str):
    probs = open_runtime(precision).run(batch_of(3))
    assert probs.dtype == np.float32
    assert np.abs(probs - by_hand(batch_of(3))).max() < {"f32": 1e-5, "bf16": 3e-2}[precision]


def test_nan_in_gives_nan_out_for_the_checks_behind(runtime):
    assert np.isnan(runtime.run(np.full((1, 3, *INPUT_HW), np.nan, np.float32))).any()


@pytest.mark.parametrize("precision", ["f16", "F32", "", "int8"])
def test_an_unknown_precision_is_refused(open_runtime, precision: str):
    with pytest.raises(ValueError, match=f"^precision: expected one of f32, bf16, found '{precision}'$"):
        open_runtime(precision)


@pytest.mark.parametrize(
    "batch",
    [
        batch_of(1).astype(np.float64),
        batch_of(1)[0],
        batch_of(1)[:, :2],
        batch_of(1).transpose(0, 1, 3, 2),
        batch_of(1).transpose(0, 2, 3, 1),
        np.zeros((1, 3, 7, 8), np.float32),
    ],
)
def test_a_batch_of_another_shape_or_dtype_is_a_broken_contract(runtime, batch: np.ndarray):
    with pytest.raises(ContractError, match=r"^batch: expected"):
        runtime.run(batch)
