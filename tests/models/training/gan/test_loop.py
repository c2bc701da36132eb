"""A GAN of 8 x 8 images and a few channels: what the loop promises whatever it trains."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs vehicle-damage[train]")

from models.training.errors import TrainingError, TrainingStopped  # noqa: E402
from models.training.gan import GanOptions, loop, train_gan  # noqa: E402
from models.training.gan.loop import load_networks  # noqa: E402
from tests.models.training.small_runs import StopAfter  # noqa: E402

OPTIONS = GanOptions(
    canvas_px=8, images=24, batch_size=4, channel_base=32, channel_max=4, snapshot_images=12, r1_interval=2,
    path_length_interval=2, ada_ramp_images=100, device="cpu", progress=False,
)  # fmt: skip


def squares(count=12, channels=3):
    rng = np.random.default_rng(5)
    return np.kron(rng.integers(0, 256, (count, 2, 2, channels), np.uint8), np.ones((1, 4, 4, 1), np.uint8))


def weights(state):
    parts = (state.gan.generator, state.gan.discriminator, state.averaged)
    return [value for part in parts for value in part.state_dict().values()]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


@pytest.mark.parametrize("augment", ["none", "diffaugment", "ada"])
def test_resumed_run_ends_where_an_unbroken_one_does(augment, tmp_path, monkeypatch):
    options = replace(OPTIONS, augment=augment)
    whole = train_gan(squares(), options, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(loop, "StopRequest", StopAfter)
        with pytest.raises(TrainingStopped, match="SIGTERM after step 3 of 6"):
            train_gan(squares(), options, tmp_path / "broken")
    torch.rand(7)  # chance moves on between the sessions
    resumed = train_gan(squares(), options, tmp_path / "broken")
    assert resumed.step == whole.step == 6
    assert same(whole, resumed)
    assert resumed.adaptive == whole.adaptive
    assert torch.equal(resumed.mean_length, whole.mean_length)
    assert whole.mean_length > 0


def test_every_network_learns_and_the_average_follows(tmp_path):
    before = loop.build_state(OPTIONS, torch.device("cpu"))
    after = train_gan(squares(), OPTIONS, tmp_path)
    for name in ("generator", "discriminator"):
        own, other = getattr(before.gan, name).state_dict(), getattr(after.gan, name).state_dict()
        still = [key for key in own if torch.equal(own[key], other[key]) and key != "synthesis.blocks.0.conv1.noise"]
        moved = len(own) - len(still)
        assert moved > 0.8 * len(own), still
    first, last, mean = (
        torch.cat([p.detach().flatten() for p in network.parameters()])
        for network in (before.gan.generator, after.gan.generator, after.averaged)
    )
    assert (mean - last).norm() < (first - last).norm()


def test_ada_moves_its_probability_by_the_signs_it_counted(tmp_path):
    state = train_gan(squares(), OPTIONS, tmp_path)  # 6 steps of 4 images: p moves once, by 16 images of 100
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert state.adaptive.probability in (0.0, pytest.approx(0.16))
    assert state.adaptive.image_count == 8
    assert lines[-1]["images"] == 24


def test_snapshots_are_taken_when_they_are_due_and_at_the_end(tmp_path):
    options = replace(OPTIONS, images=28)
    seen = []

    def take(generator, images):
        assert not generator.training
        z = torch.zeros(2, 512)
        seen.append(generator.generate(z).shape)
        return {"kid": float(images)}

    state = train_gan(squares(), options, tmp_path, take_snapshot=take)
    assert state.snapshots == [{"images": n, "kid": float(n)} for n in (12, 24, 28)]
    assert seen == [(2, 3, 8, 8)] * 3
    assert train_gan(squares(), options, tmp_path, take_snapshot=take).snapshots == state.snapshots
    assert len(seen) == 3


def test_networks_are_read_back_from_their_run(tmp_path):
    options = replace(OPTIONS, is_rgba=True, mapping="mlp")
    state = train_gan(squares(channels=4), options, tmp_path)
    networks, read = load_networks(tmp_path)
    assert read == replace(options, device="auto", progress=None)
    z = torch.randn(4, 512, generator=torch.Generator().manual_seed(1))
    images = networks.generator.generate(z)
    assert torch.equal(images, state.averaged.generate(z))
    assert torch.equal(networks.discriminator(images), state.gan.discriminator(images))


@pytest.mark.parametrize(("name", "value"), [("images", 32), ("seed", 1), ("mapping", "mlp"), ("augment", "none")])
def test_resuming_with_another_option_is_refused_by_name(name, value, tmp_path):
    train_gan(squares(), OPTIONS, tmp_path)
    with pytest.raises(TrainingError, match=rf"^{name}: .*found {value}"):
        train_gan(squares(), replace(OPTIONS, **{name: value}), tmp_path)


def test_damaged_checkpoint_is_one_line(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"nothing")
    with pytest.raises(TrainingError, match=r"checkpoint\.pt: damaged"):
        train_gan(squares(), OPTIONS, tmp_path)
    torch.save({"network": {}}, tmp_path / "checkpoint.pt")
    with pytest.raises(TrainingError, match=r"checkpoint\.pt: no checkpoint of a GAN"):
        train_gan(squares(), OPTIONS, tmp_path)


def test_loss_that_is_not_finite_stops_before_the_weights_change(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "generator_loss", lambda logits: logits.mean() * float("nan"))
    with pytest.raises(TrainingError, match="step 0: generator: the loss is not finite"):
        train_gan(squares(), OPTIONS, tmp_path)
    assert not (tmp_path / "checkpoint.pt").exists()


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (squares(channels=4), r"^pixels: expected uint8 \(N, \(8, 8, 3\)\), found uint8 \(12, 8, 8, 4\)"),
        (squares()[:0], "^pixels: expected"),
        (squares().astype(np.float32), "found float32"),
    ],
)
def test_images_that_do_not_fit_are_refused(pixels, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        train_gan(pixels, OPTIONS, tmp_path)


@pytest.mark.parametrize(
    ("name", "value"), [("images", 0), ("batch_size", 1), ("augment", "some"), ("precision", "fp16"), ("device", "tpu")]
)
def test_option_that_no_run_can_have_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=rf"^{name}: expected .*found {value!r}"):
        replace(OPTIONS, **{name: value})


WORKER = """
import sys, torch, numpy as np
from pathlib import Path
from torch import distributed
from dataclasses import replace
from models.training.gan import train_gan
from tests.models.training.gan.test_loop import OPTIONS, squares, weights
torch.set_num_threads(1)
state = train_gan(squares(), OPTIONS, Path(sys.argv[1]))
import os
torch.save(weights(state), Path(sys.argv[2]) / f"{os.environ['RANK']}.pt")
"""


def test_two_processes_end_with_the_same_weights_as_each_other(tmp_path):
    (tmp_path / "worker.py").write_text(WORKER)
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0",
        "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0",
        tmp_path / "worker.py", tmp_path / "run", tmp_path,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    alone = weights(train_gan(squares(), OPTIONS, tmp_path / "alone"))
    assert any(not torch.equal(a, b) for a, b in zip(first, alone, strict=True))  # other batches, other noise
    log = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == [6]
