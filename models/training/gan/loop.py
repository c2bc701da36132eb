"""The loop of a GAN: discriminator and generator in turns, lazy regularisers, averaged generator, checkpoints.

A run's weights depend on its options, its images and the number of processes alone: chance is a function of seed, step
and rank, and a checkpoint holds the rest, the optimizers' and the augmentation's state included. On the CPU a resumed
run ends bit for bit where an unbroken one does.
"""

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from models.gan.adaptive import AdaptiveState, adapt_probability, observe_logits
from models.gan.augmentation import augment_images
from models.gan.build import Gan, build_gan
from models.gan.generator import Generator, draw_crossovers
from models.gan.images import encode_images
from models.gan.losses import (
    default_r1_gamma,
    discriminator_loss,
    generator_loss,
    lazy_adam,
    path_length_penalty,
    r1_penalty,
)
from models.gan.mapping import Z_DIM
from models.training.checkpoint import (
    copy_for_average,
    describe_kept,
    find_not_finite,
    first_line,
    load_tensors,
    write_atomically,
)
from models.training.errors import TrainingError, TrainingStopped
from models.training.gan.options import GanOptions
from models.training.loop import autocast, choose_device
from models.training.options import CHECKPOINT_NAME
from models.training.processes import Processes, join_processes
from models.training.progress import TrainingLog, show_bar, wants_bar
from models.training.stopping import StopRequest, watch_signals

LOG_EVERY_STEPS: Final = 20
SAVE_EVERY_S: Final = 120.0
ADAPT_EVERY_STEPS: Final = 4
BETAS: Final = (0.0, 0.99)
RAMP_UP: Final = 0.05
"""The average's half-life is at most this share of the images seen."""
KEYS: Final = frozenset({"generator", "discriminator", "averaged", "optimizers", "state", "options"})

Snapshot = Callable[[Generator, int], Mapping[str, float]]


@dataclass
class GanState:
    """What a step changes.

    Attributes:
        gan: generator and discriminator, trained in place.
        averaged: the generator whose weights follow; what is evaluated and kept.
        optimizers: of generator and discriminator.
        adaptive: strength of the augmentation.
        mean_length: running mean of path lengths.
        step: steps done.
        snapshots: what each snapshot told, with the images seen.
        seconds: wall-clock time of the steps, over every session.
    """

    gan: Gan
    averaged: Generator
    optimizers: dict[str, torch.optim.Optimizer]
    adaptive: AdaptiveState
    mean_length: torch.Tensor
    step: int = 0
    snapshots: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0

    def save(self, path: Path, options: GanOptions) -> None:
        """Replace the checkpoint at path.

        Raises:
            TrainingError: a weight is not finite, or the disk takes no more; the old checkpoint is untouched.
        """
        for part in (self.gan.generator, self.gan.discriminator, self.averaged):
            if name := find_not_finite(part):
                raise TrainingError(f"step {self.step}: {name} is not finite; {describe_kept(path)}")
        write_atomically(
            path,
            {
                "generator": self.gan.generator.state_dict(),
                "discriminator": self.gan.discriminator.state_dict(),
                "averaged": self.averaged.state_dict(),
                "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
                "state": {
                    "step": self.step,
                    "mean_length": self.mean_length.cpu(),
                    "adaptive": asdict(self.adaptive),
                    "snapshots": self.snapshots,
                    "seconds": self.seconds,
                },
                "options": dict(options.deciding()),
            },
        )

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Continue from the content of a checkpoint.

        Raises:
            TrainingError: it is of other networks.
        """
        try:
            self.gan.generator.load_state_dict(saved["generator"])
            self.gan.discriminator.load_state_dict(saved["discriminator"])
            self.averaged.load_state_dict(saved["averaged"])
            for name, optimizer in self.optimizers.items():
                optimizer.load_state_dict(saved["optimizers"][name])
        except (RuntimeError, ValueError, KeyError) as error:
            raise TrainingError(f"checkpoint: of other networks: {first_line(error)}") from error
        state = saved["state"]
        self.step, self.seconds = state["step"], state["seconds"]
        self.snapshots = [dict(snapshot) for snapshot in state["snapshots"]]
        self.adaptive = AdaptiveState(**state["adaptive"])
        self.mean_length = state["mean_length"].to(self.mean_length.device)


def train_gan(pixels: np.ndarray, options: GanOptions, out: Path, *, take_snapshot: Snapshot | None = None) -> GanState:
    """Train a GAN, from the checkpoint in out where there is one.

    Args:
        pixels: uint8 (N, S, S, 3 | 4), the real images, RGBA if the options say so.
        options: the run.
        out: run folder: checkpoint, log, TensorBoard's curves.
        take_snapshot: gets the averaged generator, in evaluation mode, and the images seen, every snapshot_images and
            at the end; what it returns goes into the state's snapshots. Called in the first process alone.

    Returns:
        The state after the last step.

    Raises:
        ValueError: pixels do not fit the options, or the batch does not divide among the processes.
        TrainingError: a loss or weight is not finite, the disk is full, or the checkpoint is damaged or of other
            options.
        TrainingStopped: a signal or max_minutes ended the session; the checkpoint holds its last step.
    """
    expected = (options.canvas_px, options.canvas_px, 4 if options.is_rgba else 3)
    if pixels.dtype != np.uint8 or pixels.shape[1:] != expected or len(pixels) == 0:
        raise ValueError(f"pixels: expected uint8 (N, {expected}), found {pixels.dtype} {pixels.shape}")
    with join_processes(choose_device(options.device, options.precision)) as processes:
        if options.batch_size % processes.count:
            raise ValueError(
                f"batch_size: expected a multiple of {processes.count} processes, found {options.batch_size}"
            )
        state = build_state(options, processes.device)
        path = out / CHECKPOINT_NAME
        if path.exists():
            state.restore(_load(path, options))
        out.mkdir(parents=True, exist_ok=True)
        processes.share_weights((state.gan.generator, state.gan.discriminator, state.averaged))
        if state.step < options.steps:
            _take_steps(state, torch.from_numpy(pixels), options, out, processes, take_snapshot)
        return state


def build_state(options: GanOptions, device: torch.device) -> GanState:
    """Networks and optimizers before the first step."""
    gan = build_gan(
        options.canvas_px,
        mapping=options.mapping,
        is_rgba=options.is_rgba,
        channel_base=options.channel_base,
        channel_max=options.channel_max,
        seed=options.seed,
    )
    gan = Gan(gan.generator.to(device), gan.discriminator.to(device))
    optimizers: dict[str, torch.optim.Optimizer] = {}
    for name, network, interval in (
        ("generator", gan.generator, options.path_length_interval),
        ("discriminator", gan.discriminator, options.r1_interval),
    ):
        rate, betas = lazy_adam(options.learning_rate, BETAS, interval)
        optimizers[name] = torch.optim.Adam(network.parameters(), lr=rate, betas=betas, eps=1e-8, fused=True)
    adaptive = AdaptiveState(probability=1.0 if options.augment == "diffaugment" else 0.0)
    averaged = copy_for_average(gan.generator)
    return GanState(gan, averaged, optimizers, adaptive, torch.zeros((), device=device))


def load_networks(run_dir: Path) -> tuple[Gan, GanOptions]:
    """Read the averaged generator and the discriminator of a run, in evaluation mode, on the CPU.

    Raises:
        FileNotFoundError: the run has no checkpoint.
        TrainingError: it is damaged.
    """
    saved = _load_content(run_dir / CHECKPOINT_NAME)
    options = GanOptions(**saved["options"])
    state = build_state(options, torch.device("cpu"))
    state.restore(saved)
    return Gan(state.averaged.eval(), state.gan.discriminator.eval()), options


def _load(path: Path, options: GanOptions) -> dict[str, Any]:
    saved = _load_content(path)
    for name, value in options.deciding().items():
        if saved["options"].get(name) != value:
            raise TrainingError(
                f"{name}: a resumed run keeps its options: started with {saved['options'].get(name)}, found {value}"
            )
    return saved


def _load_content(path: Path) -> dict[str, Any]:
    saved = load_tensors(path)
    if KEYS - saved.keys():
        raise TrainingError(f"{path}: no checkpoint of a GAN: expected {', '.join(sorted(KEYS))}")
    return saved


def _take_steps(
    state: GanState,
    pixels: torch.Tensor,
    options: GanOptions,
    out: Path,
    processes: Processes,
    take_snapshot: Snapshot | None,
) -> None:
    path = out / CHECKPOINT_NAME
    request = StopRequest(options.max_minutes)
    has_bar = processes.is_first and wants_bar(options.progress)
    saved_s = time.monotonic()
    with contextlib.ExitStack() as stack:
        stack.enter_context(watch_signals(request))
        log = None
        if processes.is_first:
            log = TrainingLog(out, start_step=state.step, to_stdout=not has_bar)
            stack.enter_context(contextlib.closing(log))
        bar = stack.enter_context(show_bar(has_bar, state.step, options.steps))
        while state.step < options.steps:
            start_s = time.monotonic()
            terms = take_step(state, pixels, options, processes)
            state.seconds += time.monotonic() - start_s
            seen = state.step * options.batch_size
            is_last = state.step == options.steps
            reason = None if is_last else request.reason
            should_stop = processes.agrees(reason is not None)
            is_due = seen // options.snapshot_images > (seen - options.batch_size) // options.snapshot_images
            if log is not None:
                log.add(terms)
                s_per_kimg = 1000 * state.seconds / seen
                bar.move(state.step, {**terms, "s/kimg": s_per_kimg})
                if state.step % LOG_EVERY_STEPS == 0 or is_last:
                    log.write(state.step, images=seen, s_per_kimg=round(s_per_kimg, 2))
                if take_snapshot is not None and (is_due or is_last):
                    state.snapshots.append({"images": seen, **take_snapshot(state.averaged.eval(), seen)})
                if is_due or is_last or should_stop or time.monotonic() - saved_s > SAVE_EVERY_S:
                    state.save(path, options)
                    saved_s = time.monotonic()
            if should_stop:
                raise TrainingStopped(reason or "another process", state.step, options.steps, again="the same command")


def take_step(state: GanState, pixels: torch.Tensor, options: GanOptions, processes: Processes) -> dict[str, float]:
    """Train the discriminator, then the generator, on one batch.

    Returns:
        The losses, for the log.

    Raises:
        TrainingError: one of them is not finite; the weights are those before it.
    """
    device, count = processes.device, options.batch_size // processes.count
    chance = torch.Generator(device).manual_seed(_seed_of(options.seed, state.step, processes.rank))
    generator, discriminator = state.gan
    real = _draw_real(pixels, options, state.step, processes)
    terms: dict[str, float] = {}

    def generate() -> tuple[torch.Tensor, torch.Tensor]:
        z, other_z = (torch.randn(count, Z_DIM, generator=chance, device=device) for _ in range(2))
        crossovers = draw_crossovers(
            count, generator.mapping.n_blocks, probability=options.style_mixing, generator=chance
        )
        return generator(z, noise=chance, other_z=other_z, crossovers=crossovers)

    def judge(images: torch.Tensor) -> torch.Tensor:
        if options.augment != "none":
            images = augment_images(images, chance, probability=state.adaptive.probability)
        return discriminator(images)

    def update(name: str, network: nn.Module, loss: torch.Tensor) -> None:
        if not math.isfinite(loss.item()):
            raise TrainingError(f"step {state.step}: {name}: the loss is not finite ({loss.item()})")
        terms[name] = loss.item()
        optimizer = state.optimizers["generator" if network is generator else "discriminator"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        processes.average_gradients(network)
        optimizer.step()

    generator.requires_grad_(False)
    discriminator.requires_grad_(True)
    with autocast(options.precision, device):
        fake, _ = generate()
        real_logits, fake_logits = judge(real), judge(fake)
        loss = discriminator_loss(real_logits, fake_logits)
    update("discriminator", discriminator, loss)
    state.adaptive = observe_logits(state.adaptive, processes.gather(real_logits.detach()))
    if options.r1_interval and state.step % options.r1_interval == 0:
        real = real.requires_grad_(True)
        gamma = (
            default_r1_gamma(options.canvas_px, options.batch_size) if options.r1_gamma is None else options.r1_gamma
        )
        update("r1", discriminator, r1_penalty(judge(real), real, gamma=gamma, interval=options.r1_interval))

    generator.requires_grad_(True)
    discriminator.requires_grad_(False)
    with autocast(options.precision, device):
        fake, ws = generate()
        loss = generator_loss(judge(fake))
    update("generator", generator, loss)
    generator.mapping.track_mean(processes.average(ws.detach().mean(0, keepdim=True)))
    if options.path_length_interval and state.step % options.path_length_interval == 0:
        images, ws = generate()
        penalty = path_length_penalty(
            images,
            ws,
            state.mean_length,
            chance,
            weight=options.path_length_weight,
            interval=options.path_length_interval,
        )
        update("path_length", generator, penalty.penalty)
        state.mean_length = processes.average(penalty.mean_length)

    state.step += 1
    if options.augment == "ada" and state.step % ADAPT_EVERY_STEPS == 0:
        state.adaptive = adapt_probability(state.adaptive, ramp_images=options.ada_ramp_images)
    _move_average(state, options)
    return {**terms, "augment_probability": state.adaptive.probability}


def _draw_real(pixels: torch.Tensor, options: GanOptions, step: int, processes: Processes) -> torch.Tensor:
    """The real images of one process's step, half of them mirrored if the options say so."""
    rng = np.random.default_rng([options.seed, step, processes.rank, 1])
    count = options.batch_size // processes.count
    chosen = pixels[torch.from_numpy(rng.integers(len(pixels), size=count))]
    is_mirrored = torch.from_numpy(rng.random(count) < 0.5 * options.is_mirrored)
    chosen = torch.where(is_mirrored[:, None, None, None], chosen.flip(2), chosen)
    return encode_images(chosen.to(processes.device))


def _move_average(state: GanState, options: GanOptions) -> None:
    """Move the averaged generator; source: Karras et al. 2020, arXiv 2006.06676, its half-life grows at the start."""
    seen = state.step * options.batch_size
    half_life = max(min(options.average_images, seen * RAMP_UP), 1e-8)
    decay = 0.5 ** (options.batch_size / half_life)
    with torch.no_grad():
        for mean, value in zip(state.averaged.parameters(), state.gan.generator.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)
        for mean, value in zip(state.averaged.buffers(), state.gan.generator.buffers(), strict=True):
            mean.copy_(value)


def _seed_of(seed: int, step: int, rank: int) -> int:
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> np.uint64(1))
