"""What of the torch runtime is its own: safetensors that fit the network, and the device."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the torch runtime needs vehicle-damage[train]")

from safetensors.torch import save  # noqa: E402

from models.runtime.torch_runtime import TorchRuntime  # noqa: E402

INPUT_HW = (8, 8)
WEIGHT = torch.full((2, 3, 1, 1), 0.5)


def build():
    return torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1, bias=False), torch.nn.Dropout(0.5))


def open_runtime(weights: bytes, **options):
    return TorchRuntime(weights, build, input_hw=INPUT_HW, **options)


def test_it_runs_in_evaluation_mode_with_the_files_weights():
    runtime = open_runtime(save({"0.weight": WEIGHT}))
    answer = runtime.run(np.ones((2, 3, *INPUT_HW), np.float32))
    np.testing.assert_array_equal(answer, np.full((2, 2, *INPUT_HW), 1.5, np.float32))


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({}, r"^weights: 0\.weight: the network has \(2, 3, 1, 1\), the file nothing$"),
        (
            {"0.weight": WEIGHT, "1.bias": WEIGHT.clone()},
            r"^weights: 1\.bias: the network has nothing, the file \(2, 3, 1, 1\)$",
        ),
        ({"0.weight": WEIGHT[:1]}, r"^weights: 0\.weight: the network has \(2, 3, 1, 1\), the file \(1, 3, 1, 1\)$"),
    ],
)
def test_weights_of_another_network_are_refused_by_name(state, words):
    with pytest.raises(RuntimeError, match=words):
        open_runtime(save(state))


@pytest.mark.parametrize("spoil", [lambda b: b"", lambda b: b"pickle", lambda b: b[: len(b) // 2], lambda b: b[:-1]])
def test_what_is_no_safetensors_file_is_refused(spoil):
    with pytest.raises(RuntimeError, match=r"^weights: not a safetensors file: "):
        open_runtime(spoil(save({"0.weight": WEIGHT})))


def test_a_pickled_checkpoint_is_refused(tmp_path):
    torch.save({"0.weight": WEIGHT}, tmp_path / "checkpoint.pt")
    with pytest.raises(RuntimeError, match="not a safetensors file"):
        open_runtime((tmp_path / "checkpoint.pt").read_bytes())


def test_a_network_with_several_outputs_is_refused():
    class Two(torch.nn.Module):
        def forward(self, x):
            return x, x

    with pytest.raises(RuntimeError, match="expected one tensor out, found tuple"):
        TorchRuntime(save({}), Two, input_hw=INPUT_HW)


def test_a_device_without_room_says_so_as_the_pipeline_expects():
    class Greedy(torch.nn.Module):
        def forward(self, x):
            if len(x) > 1:
                raise torch.OutOfMemoryError("Tried to allocate 2.00 GiB.\nSee the documentation.")
            return x

    runtime = TorchRuntime(save({}), Greedy, input_hw=INPUT_HW)
    with pytest.raises(MemoryError, match=r"^cpu: Tried to allocate 2\.00 GiB\.$"):
        runtime.run(np.zeros((2, 3, *INPUT_HW), np.float32))
    assert runtime.run(np.zeros((1, 3, *INPUT_HW), np.float32)).shape == (1, 3, *INPUT_HW)


def test_an_unknown_device_is_refused():
    with pytest.raises(ValueError, match=r"^device: expected one of cpu, cuda, found 'tpu'$"):
        open_runtime(save({"0.weight": WEIGHT}), device="tpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_cuda_without_a_gpu_is_refused_by_name():
    with pytest.raises(ValueError, match=r"^device: cuda was asked for"):
        open_runtime(save({"0.weight": WEIGHT}), device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")
@pytest.mark.parametrize(("precision", "tolerance"), [("f32", 1e-4), ("bf16", 0.03)])
def test_cuda_says_what_the_cpu_says(precision, tolerance):
    rng = np.random.default_rng(0)
    weights = save({"0.weight": torch.from_numpy(rng.normal(size=(2, 3, 1, 1)).astype(np.float32))})
    batch = rng.random((3, 3, *INPUT_HW), dtype=np.float32)
    on_gpu = open_runtime(weights, device="cuda", precision=precision).run(batch)
    assert np.abs(on_gpu - open_runtime(weights).run(batch)).max() <= tolerance
