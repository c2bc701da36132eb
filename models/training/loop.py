"""The one training loop: steps, one-cycle rate, averaged weights, checkpoints, resume, a log line at a time."""

import contextlib
import copy
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from models.training.options import TrainingOptions

CHECKPOINT_NAME: Final = "checkpoint.pt"
LOG_NAME: Final = "log.jsonl"
LOG_EVERY_STEPS: Final = 20
SAVE_EVERY_STEPS: Final = 100


def run_training(
    network: nn.Module,
    options: TrainingOptions,
    batches: Iterator[Any],
    measure_loss: Callable[[nn.Module, Any], tuple[torch.Tensor, dict[str, float]]],
    *,
    resume: bool,
    encoder: nn.Module | None = None,
) -> nn.Module:
    """Train a network and leave a checkpoint in the run folder.

    Args:
        network: trained in place.
        options: the run.
        batches: endless.
        measure_loss: network and batch to the loss, a scalar tensor, and its terms for the log.
        resume: continue from the run's checkpoint where there is one.
        encoder: a pretrained part of the network, trained at a third of the rate.

    Returns:
        A copy with the averaged weights, in evaluation mode.
    """
    torch.manual_seed(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    network.to(memory_format=torch.channels_last)
    averaged = copy.deepcopy(network).eval()
    for parameter in averaged.parameters():
        parameter.requires_grad_(False)
    optimizer = torch.optim.AdamW(_group_parameters(network, options, encoder), lr=options.learning_rate)
    rates = [group["lr"] for group in optimizer.param_groups]
    state = {"step": 0, "progress": 0.0}
    path = options.out / CHECKPOINT_NAME
    if resume and path.exists():
        saved = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(saved["network"])
        averaged.load_state_dict(saved["averaged"])
        optimizer.load_state_dict(saved["optimizer"])
        state = saved["state"]
    start, progress_before = time.monotonic(), state["progress"]
    terms_sum: dict[str, float] = {}
    terms_steps = 0
    network.train()
    while state["progress"] < 1:
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * _rate_factor(state["progress"])
        autocast = torch.autocast("cpu", torch.bfloat16) if options.is_bf16 else contextlib.nullcontext()
        with autocast:
            loss, terms = measure_loss(network, next(batches))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimizer.step()
        state["step"] += 1
        _average(averaged, network, min(options.ema_decay, (1 + state["step"]) / (10 + state["step"])))
        minutes = (time.monotonic() - start) / 60
        state["progress"] = max(
            state["step"] / options.steps,
            progress_before + (1 - progress_before) * minutes / options.max_minutes,
        )
        terms_steps += 1
        for name, value in terms.items():
            terms_sum[name] = terms_sum.get(name, 0.0) + value
        if state["step"] % LOG_EVERY_STEPS == 0 or state["progress"] >= 1:
            means = {name: round(total / terms_steps, 4) for name, total in terms_sum.items()}
            _log(options.out, {**state, "minutes": round(minutes, 2), **means})
            terms_sum, terms_steps = {}, 0
        if state["step"] % SAVE_EVERY_STEPS == 0 or state["progress"] >= 1:
            _save(path, network, averaged, optimizer, state)
    return averaged


def load_averaged(network: nn.Module, run_dir: Path) -> nn.Module:
    """Put the averaged weights of a run's checkpoint into a freshly built network, in evaluation mode.

    Raises:
        FileNotFoundError: the run has no checkpoint.
    """
    saved = torch.load(run_dir / CHECKPOINT_NAME, map_location="cpu", weights_only=True)
    network.load_state_dict(saved["averaged"])
    return network.eval()


def _group_parameters(network: nn.Module, options: TrainingOptions, encoder: nn.Module | None) -> list[dict[str, Any]]:
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


def _rate_factor(progress: float) -> float:
    """Share of the peak rate: linear warm-up over the first 5 %, then half a cosine down to 2 %."""
    if progress < 0.05:
        return 0.05 + 0.95 * progress / 0.05
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min((progress - 0.05) / 0.95, 1)))


def _average(averaged: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the average a step towards the network; counters are copied."""
    with torch.no_grad():
        for mean, value in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
            if mean.dtype.is_floating_point:
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)


def _log(run_dir: Path, line: dict[str, Any]) -> None:
    text = json.dumps(line)
    print(text, flush=True)
    with (run_dir / LOG_NAME).open("a") as file:
        file.write(text + "\n")


def _save(
    path: Path, network: nn.Module, averaged: nn.Module, optimizer: torch.optim.Optimizer, state: dict[str, Any]
) -> None:
    partial = path.with_suffix(".partial")
    torch.save(
        {
            "network": network.state_dict(),
            "averaged": averaged.state_dict(),
            "optimizer": optimizer.state_dict(),
            "state": state,
        },
        partial,
    )
    partial.replace(path)
