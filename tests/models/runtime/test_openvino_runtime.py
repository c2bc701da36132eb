"""The OpenVINO runtime computes what the network says, in any batch and from many threads."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from models.runtime.openvino_runtime import PRECISIONS, OpenVinoRuntime
from models.structures import ContractError

INPUT_HW = (6, 8)
KERNEL = np.random.default_rng(1).normal(size=(4, 3, 3, 3)).astype(np.float32)


def save(model: openvino.Model, folder: Path) -> tuple[bytes, bytes]:
    openvino.serialize(model, folder / "model.xml", folder / "model.bin")
    return (folder / "model.xml").read_bytes(), (folder / "model.bin").read_bytes()


def network(shape: list[int], *, outputs: int = 1) -> openvino.Model:
    """A convolution and a sigmoid."""
    photos = ops.parameter(shape, np.float32)
    convolved = ops.convolution(photos, ops.constant(KERNEL), [1, 1], [1, 1], [1, 1], [1, 1])
    return openvino.Model([ops.sigmoid(convolved), convolved][:outputs], [photos])


def by_hand(batch: np.ndarray) -> np.ndarray:
    """The same network, as a loop over the kernel."""
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


@pytest.fixture(scope="module")
def ir(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    return save(network([-1, 3, *INPUT_HW]), tmp_path_factory.mktemp("ir"))


@pytest.fixture(scope="module")
def runtime(ir: tuple[bytes, bytes]) -> OpenVinoRuntime:
    return OpenVinoRuntime(*ir, threads=2)


@pytest.mark.parametrize("photos", [1, 2, 5, 3, 1])
def test_any_batch_gives_what_numpy_gives(runtime: OpenVinoRuntime, photos: int):
    batch = batch_of(photos, seed=photos)
    probs = runtime.run(batch)
    assert (probs.shape, probs.dtype) == ((photos, 4, *INPUT_HW), np.float32)
    assert np.abs(probs - by_hand(batch)).max() < 1e-5


def test_a_photo_gets_the_same_answer_in_any_batch(runtime: OpenVinoRuntime):
    batch = batch_of(5)
    alone = np.concatenate([runtime.run(batch[i : i + 1]) for i in range(5)])
    assert np.abs(runtime.run(batch) - alone).max() < 1e-6


def test_the_next_call_does_not_overwrite_an_answer(runtime: OpenVinoRuntime):
    first = runtime.run(batch_of(2, seed=1))
    kept = first.copy()
    runtime.run(batch_of(2, seed=2))
    assert (first == kept).all()
    assert first.flags["OWNDATA"]
    assert first.flags["WRITEABLE"]


def test_a_batch_that_is_not_contiguous_is_read_right(runtime: OpenVinoRuntime):
    batch = np.ascontiguousarray(batch_of(2).transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert not batch.flags["C_CONTIGUOUS"]
    assert np.abs(runtime.run(batch) - by_hand(batch)).max() < 1e-5


def test_threads_get_their_own_answers(runtime: OpenVinoRuntime):
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


def test_the_input_size_is_the_networks(runtime: OpenVinoRuntime):
    assert runtime.input_hw == INPUT_HW


def test_every_precision_gives_an_answer_near_the_exact_one(ir: tuple[bytes, bytes]):
    for precision in PRECISIONS:
        probs = OpenVinoRuntime(*ir, precision=precision).run(batch_of(3))
        assert probs.dtype == np.float32
        assert np.abs(probs - by_hand(batch_of(3))).max() < {"f32": 1e-5, "bf16": 3e-2}[precision]


def test_nan_in_gives_nan_out_for_the_checks_behind(runtime: OpenVinoRuntime):
    assert np.isnan(runtime.run(np.full((1, 3, *INPUT_HW), np.nan, np.float32))).any()


@pytest.mark.parametrize("precision", ["f16", "F32", "", "int8"])
def test_an_unknown_precision_is_refused(ir: tuple[bytes, bytes], precision: str):
    with pytest.raises(ValueError, match=f"^precision: expected one of f32, bf16, found '{precision}'$"):
        OpenVinoRuntime(*ir, precision=precision)


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
def test_a_batch_of_another_shape_or_dtype_is_a_broken_contract(runtime: OpenVinoRuntime, batch: np.ndarray):
    with pytest.raises(ContractError, match=r"^batch: expected"):
        runtime.run(batch)


@pytest.mark.parametrize(
    ("spoil_xml", "spoil_bin"),
    [
        (lambda _: b"", lambda b: b),
        (lambda _: b"no xml", lambda b: b),
        (lambda x: x[: len(x) // 2], lambda b: b),
        (lambda x: x, lambda b: b[: len(b) // 2]),
        (lambda x: x, lambda _: b""),
        (lambda x: x.replace(b'type="Convolution"', b'type="Revolution"'), lambda b: b),
    ],
)
def test_what_is_no_network_is_refused(ir: tuple[bytes, bytes], spoil_xml, spoil_bin):
    with pytest.raises(RuntimeError):
        OpenVinoRuntime(spoil_xml(ir[0]), spoil_bin(ir[1]))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (network([-1, 3, *INPUT_HW], outputs=2), "expected one input and one output, found 1 and 2"),
        (network([-1, 3, -1, -1]), "with fixed H and W"),
    ],
)
def test_a_network_of_another_form_is_refused(tmp_path: Path, model: openvino.Model, words: str):
    with pytest.raises(RuntimeError, match=words):
        OpenVinoRuntime(*save(model, tmp_path))
