"""The one training loop: steps, one-cycle rate, averaged weights, checkpoints, resume.

A run's weights depend on its options and its data alone: batches and rate are functions of the step, and a checkpoint
holds the rest. On the CPU a resumed run ends bit for bit where an unbroken one does (same machine, versions, number of
threads); on cuda, kernels that add in any order make the last bits differ from run to run.
"""

import contextlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from models.training.checkpoint import (
    TrainingState,
    copy_for_average,
    describe_kept,
    load_checkpoint,
    load_initial_weights,
    move_average,
)
from models.training.errors import TrainingError, TrainingStopped
from models.training.options import (
    CHECKPOINT_NAME,
    OPTIONS_NAME,
    TrainingOptions,
    as_given,
    load_options,
    refuse_changes,
    write_options,
)
from models.training.progress import TrainingLog, show_bar, wants_bar
from models.training.sampling import prefetch
from models.training.stopping import StopRequest, watch_signals

LOG_EVERY_STEPS: Final = 20
SAVE_EVERY_STEPS: Final = 100
MAX_GRADIENT_NORM: Final = 10.0

MeasureLoss = Callable[[nn.Module, Any], tuple[torch.Tensor, dict[str, float]]]


def begin_run(options: TrainingOptions, *, resume: bool) -> None:
    """Open the run folder and seed torch, before any network is built.

    Raises:
        TrainingError: the folder holds a checkpoint and the run does not resume it, or resumes it with other options.
    """
    path = options.out / CHECKPOINT_NAME
    if not path.exists():
        write_options(options)
    elif not resume:
        raise TrainingError(f"out: {options.out} holds a checkpoint already; --resume goes on from it")
    elif (options.out / OPTIONS_NAME).exists():
        refuse_changes(load_options(options.out), as_given(options))
    torch.manual_seed(options.seed)


def run_training(
    network: nn.Module,
    options: TrainingOptions,
    make_batch: Callable[[int], dict[str, torch.Tensor]],
    measure_loss: MeasureLoss,
    *,
    resume: bool,
    encoder: nn.Module | None = None,
) -> nn.Module:
    """Train a network and leave a checkpoint in the run folder.

    Args:
        network: trained in place.
        options: the run; begin_run has opened its folder.
        make_batch: step to batch, on the CPU, the same for the same step; called in threads.
        measure_loss: network and batch to the loss, a scalar tensor, and its terms for the log.
        resume: continue from the run's checkpoint where there is one.
        encoder: a pretrained part of the network, trained at a third of the rate.

    Returns:
        A copy with the averaged weights, on the CPU, in evaluation mode; every step is done.

    Raises:
        TrainingError: the loss or a weight is not finite, the disk is full, or a checkpoint is damaged; the last good
            checkpoint is untouched.
        TrainingStopped: a signal or max_minutes ended the session; the checkpoint holds its last step.
    """
    device = choose_device(options.device, options.precision)
    path = options.out / CHECKPOINT_NAME
    saved = load_checkpoint(path) if resume and path.exists() else None
    if options.initial_weights and saved is None:
        load_initial_weights(network, options.initial_weights)
    state = _prepare(network.to(device, memory_format=torch.channels_last), options, encoder, device)
    if saved is not None:
        state.restore(saved)
    if state.step < options.steps:
        _take_steps(state, options, make_batch, measure_loss, device)
    return state.averaged.cpu()


def _prepare(
    network: nn.Module, options: TrainingOptions, encoder: nn.Module | None, device: torch.device
) -> TrainingState:
    frozen = find_stages(encoder, options.frozen_stages)
    for part in frozen:
        part.requires_grad_(False)
    scaler = torch.amp.GradScaler(device.type, enabled=options.precision == "fp16")
    optimizer = torch.optim.AdamW(group_parameters(network, options, encoder), lr=options.learning_rate)
    network.train()
    for part in frozen:
        part.eval()  # batch statistics stay as the weights know them
    peaks = [group["lr"] for group in optimizer.param_groups]
    return TrainingState(network, copy_for_average(network), optimizer, scaler, peaks)


def _take_steps(
    state: TrainingState,
    options: TrainingOptions,
    make_batch: Callable[[int], dict[str, torch.Tensor]],
    measure_loss: MeasureLoss,
    device: torch.device,
) -> None:
    path = options.out / CHECKPOINT_NAME
    request, has_bar = StopRequest(options.max_minutes), wants_bar(options.progress)
    batches = prefetch(make_batch, state.step, end_step=options.steps, workers=options.workers)
    log = TrainingLog(options.out, start_step=state.step, to_stdout=not has_bar)
    with (
        watch_signals(request),
        contextlib.closing(log),
        contextlib.closing(batches),
        show_bar(has_bar, state.step, options.steps) as bar,
    ):
        while state.step < options.steps:
            terms = _take_step(state, next(batches), options, measure_loss, device, path)
            log.add(terms)
            bar.move(state.step, terms)
            is_last = state.step == options.steps
            reason = None if is_last else request.reason
            if state.step % LOG_EVERY_STEPS == 0 or is_last:
                _write_log(log, state, options, request.minutes)
            if state.step % SAVE_EVERY_STEPS == 0 or is_last or reason:
                state.save(path, steps=options.steps)
            if reason:
                raise TrainingStopped(reason, state.step, options.steps)


def _take_step(
    state: TrainingState,
    batch: dict[str, torch.Tensor],
    options: TrainingOptions,
    measure_loss: MeasureLoss,
    device: torch.device,
    path: Path,
) -> dict[str, float]:
    for group, peak in zip(state.optimizer.param_groups, state.peaks, strict=True):
        group["lr"] = peak * rate_factor(state.step / options.steps)
    batch = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
    with autocast(options.precision, device):
        loss, terms = measure_loss(state.network, batch)
    if not math.isfinite(loss.item()):
        told = ", ".join(f"{name} {value:.4g}" for name, value in terms.items())
        raise TrainingError(f"step {state.step}: the loss is not finite ({told}); {describe_kept(path)}")
    state.optimizer.zero_grad(set_to_none=True)
    state.scaler.scale(loss).backward()
    state.scaler.unscale_(state.optimizer)
    norm = nn.utils.clip_grad_norm_(state.network.parameters(), MAX_GRADIENT_NORM)
    if not state.scaler.is_enabled() and not math.isfinite(norm.item()):  # a scaler skips such a step and scales less
        raise TrainingError(f"step {state.step}: the gradient is not finite; {describe_kept(path)}")
    state.scaler.step(state.optimizer)
    state.scaler.update()
    state.step += 1
    move_average(state.averaged, state.network, min(options.ema_decay, (1 + state.step) / (10 + state.step)))
    return terms


def _write_log(log: TrainingLog, state: TrainingState, options: TrainingOptions, minutes: float) -> None:
    progress, rate = state.step / options.steps, state.optimizer.param_groups[-1]["lr"]
    try:
        log.write(state.step, progress=round(progress, 4), minutes=round(minutes, 2), rate=float(f"{rate:.4g}"))
    except OSError as error:
        path = options.out / CHECKPOINT_NAME
        raise TrainingError(f"{options.out}: the log cannot be written: {error}; {describe_kept(path)}") from error


def load_averaged(network: nn.Module, run_dir: Path) -> nn.Module:
    """Put the averaged weights of a run's checkpoint into a freshly built network, in evaluation mode.

    Raises:
        FileNotFoundError: the run has no checkpoint.
        TrainingError: it is damaged.
        RuntimeError: it is of another network.
    """
    network.load_state_dict(load_checkpoint(run_dir / CHECKPOINT_NAME)["averaged"])
    return network.eval()


def choose_device(name: str, precision: str) -> torch.device:
    """The device a run computes on.

    Args:
        name: auto (cuda where there is one), cpu or cuda.
        precision: f32, bf16 or fp16.

    Raises:
        TrainingError: cuda is asked for and not there, or fp16 without it.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError("device: expected a GPU that torch can use, found none; --device cpu trains without")
    if precision == "fp16" and name != "cuda":
        raise TrainingError("precision: fp16 needs cuda, found cpu; bf16 works on both")
    return torch.device(name)


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Compute in a lower precision where that is safe; f32 changes nothing."""
    if precision == "f32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, {"bf16": torch.bfloat16, "fp16": torch.float16}[precision])


def find_stages(encoder: nn.Module | None, count: int) -> list[nn.Module]:
    """The stem and the first stages of an EfficientNet encoder of timm's.

    Args:
        encoder: timm's features_only network, or smp's encoder around one.
        count: stages after the stem; 0 finds nothing, not even the stem.

    Raises:
        TrainingError: the encoder has no such parts.
    """
    if count == 0:
        return []
    inner = getattr(encoder, "model", encoder)
    names = ["conv_stem", "bn1", *(f"blocks.{index}" for index in range(count))]
    try:
        return [inner.get_submodule(name) for name in names]
    except AttributeError as error:
        raise TrainingError(
            f"frozen_stages: expected an EfficientNet encoder of timm's with {count} stages or more, found "
            f"{type(inner).__name__}"
        ) from error


def group_parameters(network: nn.Module, options: TrainingOptions, encoder: nn.Module | None) -> list[dict[str, Any]]:
    """Encoder at a third of the rate; norms and biases without weight decay."""
    inside = {id(p) for p in encoder.parameters()} if encoder is not None else set()
    groups = []
    for is_encoder in (True, False):
        for decays in (True, False):
            chosen = [
                p
                for p in network.parameters()
                if p.requires_grad and (id(p) in inside) == is_encoder and (p.ndim > 1) == decays
            ]
            if chosen:
                groups.append(
                    {
                        "params": chosen,
                        "lr": options.learning_rate * (1 / 3 if is_encoder else 1),
                        "weight_decay": options.weight_decay if decays else 0.0,
                    }
                )
    return groups


def rate_factor(progress: float) -> float:
    """Share of the peak rate: linear warm-up over the first 5 %, then half a cosine down to 2 %."""
    if progress < 0.05:
        return 0.05 + 0.95 * progress / 0.05
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min((progress - 0.05) / 0.95, 1)))
