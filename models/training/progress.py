"""What a run shows while it works: a line of JSON, TensorBoard's curves, a bar on a terminal."""

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

LOG_NAME: Final = "log.jsonl"
TENSORBOARD_NAME: Final = "tensorboard"


class TrainingLog:
    """Means of the terms since the last line: to log.jsonl and to TensorBoard; to stdout where no bar is shown."""

    def __init__(self, run_dir: Path, *, start_step: int, to_stdout: bool) -> None:
        """Open the run's log; lines of steps that the checkpoint does not hold are dropped, since they come again."""
        self._path = run_dir / LOG_NAME
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        kept = [line for line in lines if start_step and json.loads(line)["step"] <= start_step]
        self._path.write_text("".join(f"{line}\n" for line in kept))
        self._writer = SummaryWriter(str(run_dir / TENSORBOARD_NAME), purge_step=start_step)
        self._to_stdout = to_stdout
        self._sums: dict[str, float] = {}
        self._steps = 0

    def add(self, terms: dict[str, float]) -> None:
        """Note one step's terms."""
        self._steps += 1
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def write(self, step: int, **values: Any) -> None:
        """Write the means since the last line, and values, under a step."""
        means = {name: round(total / self._steps, 4) for name, total in self._sums.items()}
        for name, value in {**means, **values}.items():
            self._writer.add_scalar(name, value, step)
        text = json.dumps({"step": step, **values, **means})
        with self._path.open("a") as file:
            file.write(text + "\n")
        if self._to_stdout:
            print(text, flush=True)
        self._sums, self._steps = {}, 0

    def close(self) -> None:
        """Write out TensorBoard's queue."""
        self._writer.close()


class ProgressBar:
    """A bar of steps on stderr; hidden it does nothing."""

    def __init__(self, progress: Progress | None, start_step: int, steps: int) -> None:
        self._progress = progress
        self._task = progress.add_task("", completed=start_step, total=steps) if progress else None

    def move(self, step: int, terms: dict[str, float]) -> None:
        """Show a step and its terms."""
        if self._progress is not None and self._task is not None:
            text = " ".join(f"{name} {value:.3f}" for name, value in terms.items())
            self._progress.update(self._task, completed=step, description=text)


def wants_bar(wanted: bool | None) -> bool:
    """Is a bar shown? None: on a terminal only."""
    return sys.stderr.isatty() if wanted is None else wanted


@contextlib.contextmanager
def show_bar(is_shown: bool, start_step: int, steps: int) -> Iterator[ProgressBar]:
    """Lend a bar of steps."""
    if not is_shown:
        yield ProgressBar(None, start_step, steps)
        return
    columns = (
        BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True, force_terminal=True)) as progress:
        yield ProgressBar(progress, start_step, steps)
