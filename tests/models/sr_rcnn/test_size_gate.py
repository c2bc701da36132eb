"""The gate against numpy, and what mixing leaves untouched."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from models.sr_rcnn.size_gate import SizeGate, gate_small, mix_features  # noqa: E402

BOXES = torch.tensor([[0.0, 0, 16, 16], [10, 20, 42, 52], [0, 0, 64, 16.01], [5, 5, 5.5, 600]])


def test_gate_is_a_perceptron_of_log_sizes():
    torch.manual_seed(0)
    gate = SizeGate(4)
    assert gate(BOXES).tolist() == [0.5] * 4
    torch.nn.init.normal_(gate.out.weight)
    torch.nn.init.normal_(gate.out.bias)
    weights = {name: value.numpy() for name, value in gate.state_dict().items()}
    sides = np.array([[16, 16], [32, 32], [64, 16.01], [1, 595]])
    hidden = np.tanh(np.log2(sides / 64) / 3 @ weights["hidden.weight"].T + weights["hidden.bias"])
    logits = (hidden @ weights["out.weight"].T + weights["out.bias"])[:, 0]
    np.testing.assert_allclose(gate(BOXES).detach().numpy(), 1 / (1 + np.exp(-logits)), rtol=1e-5)


def test_gate_can_learn_to_open_for_small_rois_only():
    torch.manual_seed(0)
    gate = SizeGate()
    sides = torch.tensor([8.0, 12, 16, 24, 128, 192, 256, 400])
    boxes = torch.stack([torch.zeros(8), torch.zeros(8), sides, sides], 1)
    wanted = torch.tensor([1.0] * 4 + [0.0] * 4)
    optimiser = torch.optim.AdamW(gate.parameters(), 0.05)
    for _ in range(100):
        optimiser.zero_grad()
        torch.nn.functional.binary_cross_entropy(gate(boxes), wanted).backward()
        optimiser.step()
    assert ((gate(boxes) > 0.5) == wanted.bool()).all()


def test_closed_and_open_gates_change_nothing_else():
    one, other = torch.randn(2, 3, 4, 7, 7, generator=torch.Generator().manual_seed(0))
    assert torch.equal(mix_features(one, other, torch.zeros(3)), one)
    assert torch.equal(mix_features(one, other, torch.ones(3)), other)
    mixed = mix_features(one, other, torch.tensor([0.0, 0.25, 1.0]))
    torch.testing.assert_close(mixed[1], 0.75 * one[1] + 0.25 * other[1])
    assert torch.equal(mixed[0], one[0])
    assert mix_features(one, other.bfloat16(), torch.ones(3)).dtype == torch.float32


def test_small_is_by_area():
    assert gate_small(BOXES, 32).tolist() == [True, False, False, True]
