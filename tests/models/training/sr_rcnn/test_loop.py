"""A detector of a few channels on photos of 96 x 128 pixels: what the loop promises."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="training needs vehicle-damage[train]")

from models.training.errors import TrainingError, TrainingStopped  # noqa: E402
from models.training.processes import Processes  # noqa: E402
from models.training.sr_rcnn import loop  # noqa: E402
from models.training.sr_rcnn.loop import train_detector  # noqa: E402
from models.training.sr_rcnn.options import MASK_RCNN, SR_RCNN  # noqa: E402
from models.training.sr_rcnn.photos import load_detection_data  # noqa: E402
from models.training.sr_rcnn.state import Recipe  # noqa: E402
from models.training.stopping import StopRequest  # noqa: E402
from tests.models.sr_rcnn.tiny_detector import TINY  # noqa: E402
from tests.models.training.small_runs import StopAfter  # noqa: E402
from tests.models.training.sr_rcnn.tiny_coco import OPTIONS, write_coco  # noqa: E402

RUN = replace(OPTIONS, detector=replace(TINY, n_classes=3), gate_iterations=2, learning_rate=0.01, warmup_iterations=2)
ALONE = Processes(0, 1, torch.device("cpu"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return load_detection_data([write_coco(tmp_path_factory.mktemp("loop") / "coco")])


def recipe(name, iterations=3, **changes):
    return Recipe(name, 1, ("scratch", "dent"), iterations, "digest", replace(RUN, **changes))


def train(data, own, out, *, request=None):
    return train_detector(data, own, out, processes=ALONE, request=request or StopRequest(None))


def flatten(value):
    if isinstance(value, torch.Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [tensor for part in parts for tensor in flatten(part)]


def tensors(state):
    return [*state.network.state_dict().values(), *flatten([o.state_dict() for o in state.optimizers.values()])]


@pytest.mark.parametrize(("name", "stop"), [(MASK_RCNN, 2), (SR_RCNN, 2), (SR_RCNN, 4)])
def test_resumed_run_ends_bit_for_bit_where_an_unbroken_one_does(name, stop, data, tmp_path):
    whole = train(data, recipe(name), tmp_path / "whole")
    request = StopAfter(None)
    request.steps = stop
    with pytest.raises(TrainingStopped, match=f"SIGTERM after step {stop} of {whole.step}; the same command goes on"):
        train(data, recipe(name), tmp_path / "broken", request=request)
    torch.rand(7)  # chance moves on between the sessions
    resumed = train(data, recipe(name), tmp_path / "broken")
    assert resumed.step == whole.step == {MASK_RCNN: 3, SR_RCNN: 5}[name]
    pairs = list(zip(tensors(whole), tensors(resumed), strict=True))
    assert len(pairs) > 100
    assert all(torch.equal(a, b) for a, b in pairs)
    lines = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == ([3] if name == MASK_RCNN else [3, 5])
    assert all(line["s_per_iteration"] > 0 for line in lines)
    assert train(data, recipe(name), tmp_path / "whole").step == whole.step  # nothing is left to do


def test_learning_rate_follows_the_schedule(data, tmp_path, monkeypatch):
    rates = []

    def note(state, *_):
        rates.append(state.optimizers["detector"].param_groups[0]["lr"])
        return {}

    monkeypatch.setattr(loop, "take_step", note)
    train(data, recipe(MASK_RCNN, iterations=13), tmp_path)
    full = [0.01] * 6 + [0.001] * 3 + [0.0001] * 2
    assert rates == pytest.approx([0.00001, 0.005005, *full])


def test_gate_learns_after_everything_else_from_photos_of_its_own(data, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(loop, "take_step", lambda state, batch, *_: calls.append(("detector", len(batch[0]))) or {})
    monkeypatch.setattr(loop, "take_gate_step", lambda state, batch, *_: calls.append(("gate", batch[1])) or {})
    train(data, recipe(SR_RCNN), tmp_path)
    assert calls[:3] == [("detector", 2)] * 3
    assert [name for name, _ in calls[3:]] == ["gate"] * 2
    (only,) = data.gate
    labels = [target["labels"].tolist() for _, targets in calls[3:] for target in targets]
    assert labels == [[only.objects[0].class_id]] * 4


@pytest.mark.parametrize(("name", "value"), [("batch_size", 1), ("weight_decay", 0.5), ("share", 0.5)])
def test_resuming_with_another_option_is_refused_by_name(name, value, data, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "take_step", lambda *_: {})
    train(data, recipe(MASK_RCNN), tmp_path)
    with pytest.raises(TrainingError, match=rf"^{name}: a resumed run keeps its options: .*found {value}"):
        train(data, recipe(MASK_RCNN, **{name: value}), tmp_path)
    with pytest.raises(TrainingError, match=r"^iterations: .*started with 3, found 4"):
        train(data, recipe(MASK_RCNN, iterations=4), tmp_path)


def test_failure_of_a_step_keeps_the_last_checkpoint_and_says_so(data, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "take_step", lambda *_: {})
    request = StopAfter(None)
    request.steps = 1
    with pytest.raises(TrainingStopped):
        train(data, recipe(MASK_RCNN), tmp_path, request=request)
    before = (tmp_path / "checkpoint.pt").read_bytes()

    def fail(*_):
        raise TrainingError("step 1: nothing works")

    monkeypatch.setattr(loop, "take_step", fail)
    with pytest.raises(TrainingError, match=r"^step 1: nothing works; the last checkpoint is kept: .*checkpoint\.pt"):
        train(data, recipe(MASK_RCNN), tmp_path)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_checkpoint_of_something_else_is_refused(data, tmp_path):
    torch.save({"network": {}}, tmp_path / "checkpoint.pt")
    with pytest.raises(TrainingError, match=r"checkpoint\.pt: no checkpoint of a detector"):
        train(data, recipe(MASK_RCNN), tmp_path)


def test_batch_must_divide_among_the_processes(data, tmp_path):
    with pytest.raises(ValueError, match=r"^batch_size: expected a multiple of 3 processes, found 2"):
        train_detector(
            data, recipe(MASK_RCNN), tmp_path, processes=Processes(0, 3, torch.device("cpu")), request=StopRequest(None)
        )


WORKER = """
import os, sys, torch
from pathlib import Path
from models.training.processes import join_processes
from models.training.sr_rcnn.loop import train_detector
from models.training.sr_rcnn.photos import load_detection_data
from models.training.stopping import StopRequest
from tests.models.training.sr_rcnn.test_loop import SR_RCNN, recipe
torch.set_num_threads(1)
here = Path(sys.argv[1])
data = load_detection_data([here / "coco"])
with join_processes(torch.device("cpu")) as processes:
    own = recipe(SR_RCNN, iterations=1, gate_iterations=1)
    state = train_detector(data, own, here / "run", processes=processes, request=StopRequest(None))
    torch.save(state.network.state_dict(), here / f"{os.environ['RANK']}.pt")
"""


def test_two_processes_end_with_the_same_weights_as_each_other(data, tmp_path):
    write_coco(tmp_path / "coco")
    (tmp_path / "worker.py").write_text(WORKER)
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0",
        "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", tmp_path / "worker.py", tmp_path,
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=280, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    alone = train(data, recipe(SR_RCNN, iterations=1, gate_iterations=1), tmp_path / "alone").network.state_dict()
    learned = "roi_heads.box_predictor.cls_score.weight"
    assert not torch.equal(first[learned], alone[learned])  # the rate of two, other chance
    log = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == [1, 2]
