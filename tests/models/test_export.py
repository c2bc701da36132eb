import hashlib

import numpy as np
import pytest

pytest.importorskip("torch", reason="export needs vehicle-damage[train]")

import torch
from torch import nn

from models.export import build_card, convert_network, measure_parity
from models.runtime.openvino_runtime import OpenVinoRuntime


class TinyHead(nn.Module):
    """Two seeded convolutions and a sigmoid."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.layers = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 3, 1), nn.Sigmoid())

    def forward(self, x):
        return self.layers(x)


BATCH = np.random.default_rng(0).random((3, 3, 32, 48), dtype=np.float32)


@pytest.mark.parametrize("weights_format", ["openvino-fp16", "openvino-int8"])
def test_exported_network_agrees_with_torch(weights_format):
    network = TinyHead()
    files = convert_network(network, (32, 48), weights_format)
    parity = measure_parity(network, files, BATCH)
    assert 0 < parity["export_score_max_difference"] < 0.01
    assert parity["export_score_mean_difference"] <= parity["export_score_max_difference"]


def test_exported_network_takes_any_batch_size_and_one_image_size():
    files = convert_network(TinyHead(), (32, 48), "openvino-fp16")
    runtime = OpenVinoRuntime(files["model.xml"], files["model.bin"])
    assert runtime.input_hw == (32, 48)
    assert [runtime.run(BATCH[:n]).shape[0] for n in (1, 3)] == [1, 3]


def test_unknown_format_is_refused_by_name():
    with pytest.raises(ValueError, match="pickle"):
        convert_network(TinyHead(), (32, 32), "pickle")


def test_card_lists_every_file_with_its_sha256():
    card = build_card("gate", "0001", {"model.xml": b"<net/>"}, thresholds={"score_threshold": 0.3})
    assert card.files == {"model.xml": hashlib.sha256(b"<net/>").hexdigest()}
    assert card.thresholds == {"score_threshold": 0.3}
    assert card.classes == ("damaged",)
