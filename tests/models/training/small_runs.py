"""A network of a few weights and its run, for what the loop does whatever it trains."""

from dataclasses import replace

import torch
from torch import nn

from models.training import loop
from models.training.options import build_options


class StopAfter:
    """Where the loop expects a StopRequest: a signal that comes after so many steps of the session."""

    steps = 3

    def __init__(self, max_minutes):
        self.minutes, self._asked, self.signal_name = 0.0, 0, None

    @property
    def reason(self):
        self._asked += 1
        return "SIGTERM" if self._asked == self.steps else None


def tiny_options(out, **changes):
    """Six steps of a "gate"; the network is not built from them."""
    given = {"steps": 6, "device": "cpu", "precision": "f32", **changes}
    return replace(build_options("gate", "smoke", (), out), **given)


class TinyNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1))

    def forward(self, x):
        return self.layers(x)


def make_batch(step):
    return {"x": torch.rand(5, 4, generator=torch.Generator().manual_seed(step))}


def measure_loss(network, batch):
    loss = (network(batch["x"]) ** 2).mean()
    return loss, {"square": loss.item()}


def train_tiny(options, *, resume=False, make_batch=make_batch, measure_loss=measure_loss):
    loop.begin_run(options, resume=resume)
    return loop.run_training(TinyNetwork(), options, make_batch, measure_loss, resume=resume)
