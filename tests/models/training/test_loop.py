"""The loop over a network of a few weights: schedule, logs, and everything that can end a run early."""

import json
import math
import signal
import threading

import pytest

torch = pytest.importorskip("torch", reason="training needs vehicle-damage[train]")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402

from models.training import loop  # noqa: E402
from models.training.checkpoint import load_checkpoint  # noqa: E402
from models.training.errors import TrainingError, TrainingStopped  # noqa: E402
from tests.models.training.small_runs import StopAfter, make_batch, measure_loss, tiny_options, train_tiny  # noqa: E402


def read_log(run_dir):
    return [json.loads(line) for line in (run_dir / "log.jsonl").read_text().splitlines()]


def test_resumed_run_ends_where_an_unbroken_one_does(tmp_path, monkeypatch):
    whole = train_tiny(tiny_options(tmp_path / "whole"))
    with monkeypatch.context() as patch:
        patch.setattr(loop, "StopRequest", StopAfter)
        with pytest.raises(TrainingStopped, match=r"SIGTERM after step 3 of 6.*--resume") as stopped:
            train_tiny(tiny_options(tmp_path / "broken"))
    assert stopped.value.step == 3
    torch.rand(100)  # chance moves on between the sessions
    resumed = train_tiny(tiny_options(tmp_path / "broken"), resume=True)
    own, other = whole.state_dict(), resumed.state_dict()
    assert all(torch.equal(own[name], other[name]) for name in own)


def test_rate_follows_the_steps_whatever_the_clock_says(tmp_path):
    train_tiny(tiny_options(tmp_path / "a"))
    with pytest.raises(TrainingStopped, match="max_minutes after step 1 of 6"):
        train_tiny(tiny_options(tmp_path / "b", max_minutes=1e-9))
    for step in range(2, 6):
        with pytest.raises(TrainingStopped, match=f"max_minutes after step {step} of 6"):
            train_tiny(tiny_options(tmp_path / "b", max_minutes=1e-9), resume=True)
    train_tiny(tiny_options(tmp_path / "b", max_minutes=1e-9), resume=True)
    a, b = (load_checkpoint(tmp_path / name)["averaged"] for name in "ab")
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_rate_warms_up_and_falls():
    assert loop.rate_factor(0) == pytest.approx(0.05)
    assert loop.rate_factor(0.05) == pytest.approx(1)
    assert loop.rate_factor(0.525) == pytest.approx(0.51)
    assert loop.rate_factor(1) == pytest.approx(0.02)


def test_log_and_tensorboard_say_the_same(tmp_path):
    train_tiny(tiny_options(tmp_path, steps=25))
    lines = read_log(tmp_path)
    assert [line["step"] for line in lines] == [20, 25]
    assert lines[-1]["progress"] == 1
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, pytest.approx(e.value)) for e in events.Scalars("square")] == [
        (line["step"], line["square"]) for line in lines
    ]


def test_bar_is_shown_when_asked_for_and_replaces_the_lines(tmp_path, capsys):
    train_tiny(tiny_options(tmp_path / "a", progress=True))
    with_bar = capsys.readouterr()
    assert "6/6" in with_bar.err
    assert with_bar.out == ""
    train_tiny(tiny_options(tmp_path / "b"))  # stderr is no terminal here
    without = capsys.readouterr()
    assert without.err == ""
    assert json.loads(without.out)["step"] == 6


def test_log_lines_after_the_checkpoint_are_written_once(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "LOG_EVERY_STEPS", 1)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "StopRequest", StopAfter)
        with pytest.raises(TrainingStopped):
            train_tiny(tiny_options(tmp_path))
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 4}\n')  # logged, then killed before the next checkpoint
    train_tiny(tiny_options(tmp_path), resume=True)
    assert [line["step"] for line in read_log(tmp_path)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(value, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_EVERY_STEPS", 2)

    def break_at_3(network, batch):
        loss, _ = measure_loss(network, batch)
        step = int(batch["step"])
        return (loss * value if step == 3 else loss), {"square": value if step == 3 else loss.item()}

    def numbered(step):
        return {**make_batch(step), "step": torch.tensor(step)}

    with pytest.raises(TrainingError, match=rf"step 3: the loss is not finite \(square {value}\).*checkpoint is kept"):
        train_tiny(tiny_options(tmp_path), make_batch=numbered, measure_loss=break_at_3)
    assert load_checkpoint(tmp_path)["state"]["step"] == 2


def test_gradient_that_is_not_finite_is_not_applied(tmp_path):
    def steep(network, batch):
        values = network(batch["x"])
        return (values - values).abs().sqrt().sum() + (values**2).mean(), {}  # a root at 0: its slope is no number

    with pytest.raises(TrainingError, match="step 0: the gradient is not finite; there is no checkpoint yet"):
        train_tiny(tiny_options(tmp_path), measure_loss=steep)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_weights_that_are_not_finite_are_never_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_EVERY_STEPS", 2)

    def poison_at_3(network, batch):
        if int(batch["step"]) == 3:
            network.layers[1].running_mean.fill_(math.nan)  # no loss and no gradient sees it while training
        return measure_loss(network, batch)

    with pytest.raises(TrainingError, match=r"step 4: layers\.1\.running_mean is not finite.*checkpoint is kept"):
        train_tiny(
            tiny_options(tmp_path),
            make_batch=lambda step: {**make_batch(step), "step": torch.tensor(step)},
            measure_loss=poison_at_3,
        )
    assert load_checkpoint(tmp_path)["state"]["step"] == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_run_after_its_step_and_gives_the_handlers_back(number, tmp_path):
    before = signal.getsignal(number)

    def kill_at_2(network, batch):
        if int(batch["step"]) == 2:
            signal.getsignal(number)(number, None)  # a real one: test_train_command sends it to a process of its own
        return measure_loss(network, batch)

    with pytest.raises(TrainingStopped, match=f"{number.name} after step 3 of 6"):
        train_tiny(
            tiny_options(tmp_path),
            make_batch=lambda step: {**make_batch(step), "step": torch.tensor(step)},
            measure_loss=kill_at_2,
        )
    assert load_checkpoint(tmp_path)["state"]["step"] == 3
    assert signal.getsignal(number) is before


def test_run_outside_the_main_thread_needs_no_signals(tmp_path):
    trained = []
    thread = threading.Thread(target=lambda: trained.append(train_tiny(tiny_options(tmp_path))))
    thread.start()
    thread.join(timeout=60)
    assert len(trained) == 1


@pytest.mark.parametrize(
    ("name", "value"), [("steps", 7), ("learning_rate", 0.5), ("seed", 1), ("precision", "bf16"), ("noise", 1.0)]
)
def test_resuming_with_another_option_is_refused_by_name(name, value, tmp_path):
    train_tiny(tiny_options(tmp_path))
    with pytest.raises(TrainingError, match=rf"^{name}: .*found {value}"):
        train_tiny(tiny_options(tmp_path, **{name: value}), resume=True)


def test_session_options_may_differ_on_resume(tmp_path):
    train_tiny(tiny_options(tmp_path))
    train_tiny(tiny_options(tmp_path, workers=2, max_minutes=1.0, device="auto"), resume=True)


def test_finished_run_is_not_overwritten_without_being_told_to(tmp_path):
    train_tiny(tiny_options(tmp_path))
    content = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(TrainingError, match="holds a checkpoint already; --resume"):
        train_tiny(tiny_options(tmp_path))
    assert (tmp_path / "checkpoint.pt").read_bytes() == content


def test_resume_without_a_checkpoint_starts_the_run(tmp_path):
    train_tiny(tiny_options(tmp_path), resume=True)
    assert load_checkpoint(tmp_path)["state"]["step"] == 6


def test_fine_tuning_starts_from_the_averaged_weights_with_a_fresh_optimizer(tmp_path):
    train_tiny(tiny_options(tmp_path / "first"))
    first = load_checkpoint(tmp_path / "first")["averaged"]
    seen = []

    def note(network, batch):
        seen.append({name: value.clone() for name, value in network.state_dict().items()})
        return measure_loss(network, batch)

    for path in (tmp_path / "first", tmp_path / "first" / "checkpoint.pt"):
        seen.clear()
        train_tiny(tiny_options(tmp_path / f"from_{path.name}", steps=2, initial_weights=path), measure_loss=note)
        assert all(torch.equal(seen[0][name], first[name]) for name in first)
    assert load_checkpoint(tmp_path / "from_first")["optimizer"]["state"][0]["step"] == 2


def test_device_and_precision_that_are_not_here_are_refused(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    for name, changes in (("device", {"device": "cuda"}), ("precision", {"precision": "fp16"})):
        with pytest.raises(TrainingError, match=f"^{name}: "):
            train_tiny(tiny_options(tmp_path / name, **changes))
    assert loop.choose_device("auto", "f32").type == "cpu"


def test_encoder_learns_at_a_third_of_the_rate_and_norms_do_not_decay(tmp_path):
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 1))
    groups = loop.group_parameters(network, tiny_options(tmp_path, learning_rate=0.3), network[0])
    told = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    assert len(told) == len(list(network.parameters()))
    assert told[id(network[0].weight)] == (pytest.approx(0.1), 1e-4)
    assert told[id(network[0].bias)] == (pytest.approx(0.1), 0.0)
    assert told[id(network[1].weight)] == (pytest.approx(0.3), 0.0)
    assert told[id(network[2].weight)] == (pytest.approx(0.3), 1e-4)
