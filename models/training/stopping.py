"""Asks a run to end: by a signal or by the clock. The loop looks between steps."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Whether a run should end after the step at hand, and why."""

    def __init__(self, max_minutes: float | None) -> None:
        self._start_s, self._max_minutes = time.monotonic(), max_minutes
        self.signal_name: str | None = None

    @property
    def minutes(self) -> float:
        """Since the session began."""
        return (time.monotonic() - self._start_s) / 60

    @property
    def reason(self) -> str | None:
        """SIGTERM, SIGINT, max_minutes, or None: go on."""
        if self.signal_name:
            return self.signal_name
        return "max_minutes" if self._max_minutes is not None and self.minutes >= self._max_minutes else None


@contextlib.contextmanager
def watch_signals(request: StopRequest) -> Iterator[None]:
    """Turn the first SIGTERM or Ctrl-C into a request; the second acts as before. Outside the main thread: nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def note(number: int, _frame: FrameType | None) -> None:
        request.signal_name = signal.Signals(number).name
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in SIGNALS:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
