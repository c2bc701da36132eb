"""Frozen stages of a pretrained encoder keep what they know; the rest learns."""

import pytest
import torch

from models.gate.network import DamageGate
from models.training import loop
from models.training.errors import TrainingError
from tests.models.training.small_runs import tiny_options

STEM_AND_ONE = ("encoder.conv_stem.", "encoder.bn1.", "encoder.blocks.0.")


def make_batch(step):
    return {"x": torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(step))}


def measure_loss(network, batch):
    loss = network(batch["x"]).square().mean()
    return loss, {"square": loss.item()}


def train_gate(out, frozen_stages):
    """Three steps; returns the weights and statistics before and after."""
    options = tiny_options(out, steps=3, frozen_stages=frozen_stages)
    loop.begin_run(options, resume=False)
    network = DamageGate()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    loop.run_training(network, options, make_batch, measure_loss, resume=False, encoder=network.encoder)
    return before, network.state_dict()


def changed_names(before, after):
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


def test_frozen_stages_keep_weights_and_statistics(tmp_path):
    changed = changed_names(*train_gate(tmp_path, 1))
    assert not {name for name in changed if name.startswith(STEM_AND_ONE)}
    assert any(name.startswith("encoder.blocks.1.") for name in changed)
    assert any(name.startswith("cell.") for name in changed)


def test_without_frozen_stages_the_stem_learns_too(tmp_path):
    changed = changed_names(*train_gate(tmp_path, 0))
    assert "encoder.conv_stem.weight" in changed
    assert "encoder.bn1.running_mean" in changed


def test_encoder_without_stages_is_refused():
    with pytest.raises(TrainingError, match="frozen_stages: expected an EfficientNet encoder of timm's with 2"):
        loop.find_stages(torch.nn.Linear(2, 2), 2)
