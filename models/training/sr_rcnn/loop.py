"""The loop of one detector: batches, steps, log, checkpoints, signals.

A training's weights depend on its recipe, its photos and the number of processes alone: batches and chance are
functions of seed, step and process, and a checkpoint holds the rest. On the CPU a resumed training ends bit for bit
where an unbroken one does. Both detectors of a seed meet the same batches and draw by the same chance.
"""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import torch

from models.training.checkpoint import describe_kept
from models.training.errors import TrainingError, TrainingStopped
from models.training.options import CHECKPOINT_NAME
from models.training.processes import Processes
from models.training.progress import TrainingLog, show_bar, wants_bar
from models.training.sampling import prefetch
from models.training.sr_rcnn.batches import Batch, batch_maker
from models.training.sr_rcnn.photos import DetectionData
from models.training.sr_rcnn.schedule import rate_factor
from models.training.sr_rcnn.state import (
    DetectorState,
    Recipe,
    build_state,
    load_state_content,
    refuse_other_options,
)
from models.training.sr_rcnn.steps import take_gate_step, take_step
from models.training.stopping import StopRequest

LOG_EVERY_STEPS: Final = 20
SAVE_EVERY_S: Final = 120.0
GATE_SEED: Final = 1


def train_detector(
    data: DetectionData,
    recipe: Recipe,
    out: Path,
    *,
    processes: Processes,
    request: StopRequest,
    encoder_weights: Path | None = None,
    base: Path | None = None,
) -> DetectorState:
    """Train a detector, from the checkpoint in out where there is one.

    Args:
        data: photos to learn from.
        recipe: the training.
        out: run folder: checkpoint, log, TensorBoard's curves.
        processes: this one among those that train together.
        request: asks to end.
        encoder_weights: what a new backbone starts from.
        base: checkpoint of a plain Mask R-CNN that a new detector starts from.

    Returns:
        The state after the last step.

    Raises:
        ValueError: the batch does not divide among the processes.
        DataError: a photo cannot be read.
        TrainingError: a loss, gradient or weight is not finite, the disk is full, or the checkpoint is damaged or of
            other options.
        TrainingStopped: the request; the checkpoint holds the last step.
    """
    if recipe.run.batch_size % processes.count:
        raise ValueError(
            f"batch_size: expected a multiple of {processes.count} processes, found {recipe.run.batch_size}"
        )
    path = out / CHECKPOINT_NAME
    saved = load_state_content(path) if path.exists() else None
    if saved is not None:
        refuse_other_options(saved, recipe)
    if saved is None:
        state = build_state(recipe, processes, encoder_weights, base=base)
    else:
        state = build_state(recipe, processes, None)
        state.restore(saved)
    processes.share_weights([state.network])
    out.mkdir(parents=True, exist_ok=True)
    if state.step < recipe.steps:
        _take_steps(state, recipe, _make_batches(data, recipe, processes), out, processes, request)
        processes.share_weights([state.network])  # running statistics are each process's own
    return state


def _make_batches(data: DetectionData, recipe: Recipe, processes: Processes) -> Callable[[int], Batch]:
    shared = {"batch_size": recipe.run.batch_size, "rank": processes.rank, "processes": processes.count}
    main = batch_maker(data.train, seed=recipe.seed, **shared)
    gate = batch_maker(data.gate, seed=recipe.seed + GATE_SEED, **shared)
    return lambda step: main(step) if step < recipe.iterations else gate(step - recipe.iterations)


def _take_steps(
    state: DetectorState,
    recipe: Recipe,
    make_batch: Callable[[int], Batch],
    out: Path,
    processes: Processes,
    request: StopRequest,
) -> None:
    options = recipe.run
    has_bar = processes.is_first and wants_bar(options.progress)
    saved_s = time.monotonic()
    with contextlib.ExitStack() as stack:
        log = None
        if processes.is_first:
            log = TrainingLog(out, start_step=state.step, to_stdout=not has_bar)
            stack.enter_context(contextlib.closing(log))
        bar = stack.enter_context(show_bar(has_bar, state.step, recipe.steps))
        batches = prefetch(make_batch, state.step, end_step=recipe.steps, workers=options.workers)
        stack.enter_context(contextlib.closing(batches))
        while state.step < recipe.steps:
            start_s = time.monotonic()
            try:
                terms = _take_one(state, recipe, next(batches), processes)
            except TrainingError as error:
                raise TrainingError(f"{error}; {describe_kept(out / CHECKPOINT_NAME)}") from error
            state.seconds += time.monotonic() - start_s
            is_last = state.step == recipe.steps
            reason = None if is_last else request.reason
            should_stop = processes.agrees(reason is not None)
            if log is not None:
                log.add(terms)
                bar.move(state.step, terms)
                if state.step % LOG_EVERY_STEPS == 0 or state.step == recipe.iterations or is_last:
                    log.write(state.step, s_per_iteration=round(state.seconds / state.step, 3))
                if is_last or should_stop or time.monotonic() - saved_s > SAVE_EVERY_S:
                    state.save(out / CHECKPOINT_NAME, recipe)
                    saved_s = time.monotonic()
            if should_stop:
                raise TrainingStopped(reason or "another process", state.step, recipe.steps, again="the same command")


def _take_one(state: DetectorState, recipe: Recipe, batch: Batch, processes: Processes) -> dict[str, float]:
    options, device = recipe.run, processes.device
    chance = torch.Generator().manual_seed(_seed_of(recipe.seed, state.step, processes.rank))
    images = [image.to(device, non_blocking=True) for image in batch[0]]
    targets = [{name: value.to(device, non_blocking=True) for name, value in t.items()} for t in batch[1]]
    if state.step >= recipe.iterations:
        terms = take_gate_step(state, (images, targets), chance, options, processes)
    else:
        factor = rate_factor(state.step, recipe.iterations, warmup_iterations=options.warmup_iterations)
        for group in state.optimizers["detector"].param_groups:
            group["lr"] = options.learning_rate * processes.count * factor
        terms = take_step(state, (images, targets), chance, options, processes)
    state.step += 1
    return terms


def _seed_of(seed: int, step: int, rank: int) -> int:
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> np.uint64(1))
