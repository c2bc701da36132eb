"""Why a training run ends before its last step.

TrainingError    something stands in its way: the message names it, the last good checkpoint is untouched
TrainingStopped  it was asked to end: the checkpoint holds every step, and --resume goes on
"""


class TrainingError(ValueError):
    """A run cannot start or go on; the message names the option, the file or the step."""


class TrainingStopped(Exception):  # noqa: N818 — nothing went wrong
    """A run ended before its last step because it was asked to.

    Attributes:
        reason: "max_minutes", "SIGTERM" or "SIGINT".
        step: the steps done; the checkpoint holds them.
    """

    def __init__(self, reason: str, step: int, steps: int, *, again: str = "the same command with --resume") -> None:
        super().__init__(f"stopped by {reason} after step {step} of {steps}; {again} goes on")
        self.reason = reason
        self.step = step
