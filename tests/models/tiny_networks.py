"""Real OpenVINO networks a few layers small, so that predictors are tested without torch."""

import tempfile
from pathlib import Path

import numpy as np
import openvino
from openvino import opset13 as ops

from models.predictors import BIN_NAME, XML_NAME
from models.runtime.openvino_runtime import OpenVinoRuntime
from models.store import ModelCard, ModelVersion, sha256_hex
from models.structures import DAMAGE_CLASSES


def image_input(input_hw: tuple[int, int]) -> openvino.Node:
    """Parameter float32 (any, 3, H, W)."""
    return ops.parameter([-1, 3, *input_hw], np.float32, name="x")


def to_files(result: openvino.Node, parameter: openvino.Node) -> dict[str, bytes]:
    """A graph as the two files of a version."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / XML_NAME
        openvino.save_model(openvino.Model([result], [parameter], "tiny"), str(path), compress_to_fp16=False)
        return {XML_NAME: path.read_bytes(), BIN_NAME: (Path(folder) / BIN_NAME).read_bytes()}


def to_runtime(result: openvino.Node, parameter: openvino.Node) -> OpenVinoRuntime:
    """A graph, compiled."""
    files = to_files(result, parameter)
    return OpenVinoRuntime(files[XML_NAME], files[BIN_NAME])


def brightness_gate(input_hw: tuple[int, int]) -> OpenVinoRuntime:
    """(N, 3, H, W) to (N, 1): the mean of all values."""
    x = image_input(input_hw)
    return to_runtime(ops.reshape(ops.reduce_mean(x, [1, 2, 3]), np.array([-1, 1]), False), x)


def identity_segmenter(input_hw: tuple[int, int], *, scale: float = 1.0) -> OpenVinoRuntime:
    """(N, 3, H, W) to itself times scale: the red channel becomes the scratch map and so on."""
    x = image_input(input_hw)
    return to_runtime(ops.multiply(x, np.float32(scale)), x)


def constant_graph(rows: np.ndarray, input_hw: tuple[int, int]) -> tuple[openvino.Node, openvino.Node]:
    """(N, 3, H, W) to the same float32 (A, B) for every image: result and parameter."""
    x = image_input(input_hw)
    nothing = ops.multiply(ops.reduce_mean(x, [1, 2, 3], keep_dims=True), np.float32(0))  # (N, 1, 1, 1)
    per_image = ops.reshape(nothing, np.array([-1, 1, 1]), False)
    return ops.add(per_image, rows[None].astype(np.float32)), x


def constant_rows(rows: np.ndarray, input_hw: tuple[int, int]) -> OpenVinoRuntime:
    """constant_graph, compiled: rows of a finder, float32 (D, 6 + S²)."""
    return to_runtime(*constant_graph(rows, input_hw))


def build_finder_version(rows: np.ndarray, input_hw: tuple[int, int], *, small_px: float) -> ModelVersion:
    """A finder of our classes that finds the same on every crop, whatever scores 0.5 or more, as a store holds it."""
    thresholds = {f"{name}_score_threshold": 0.5 for name in DAMAGE_CLASSES}
    card = build_card("finder", input_hw, DAMAGE_CLASSES, **thresholds, small_px=small_px)
    files = to_files(*constant_graph(rows, input_hw))
    card = card.model_copy(update={"files": {name: sha256_hex(body) for name, body in files.items()}})
    return ModelVersion(card, files, sha256_hex(card.model_dump_json().encode()))


def constant_localizer(rows: np.ndarray, input_hw: tuple[int, int]) -> OpenVinoRuntime:
    """(N, 3, H, W) to the same float32 (4 + C, A) for every image."""
    return to_runtime(*constant_graph(rows, input_hw))


def build_card(network: str, input_hw: tuple[int, int], classes: tuple[str, ...], **thresholds: float) -> ModelCard:
    """A card for a tiny network: mean 0, standard deviation 1."""
    return ModelCard(
        network=network,
        version="tiny",
        architecture="tiny",
        input_hw=input_hw,
        normalisation_mean=(0, 0, 0),
        normalisation_std=(1, 1, 1),
        classes=classes,
        thresholds=thresholds,
        weights_format="openvino-fp32",
        dataset={},
        metrics={},
        files={},
    )
