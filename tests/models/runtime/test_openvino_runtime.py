"""What of the OpenVINO runtime is its own: which files are a network and which are not."""

from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from models.runtime.openvino_runtime import OpenVinoRuntime

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


@pytest.fixture(scope="module")
def ir(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    return save(network([-1, 3, *INPUT_HW]), tmp_path_factory.mktemp("ir"))


def test_an_answer_is_a_copy_of_its_own(ir: tuple[bytes, bytes]):
    assert OpenVinoRuntime(*ir).run(np.zeros((1, 3, *INPUT_HW), np.float32)).flags["OWNDATA"]


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
