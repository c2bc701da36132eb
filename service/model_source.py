"""model_source: the pipeline that serves now, and how another promoted set takes its place between two batches.

In:   a model store. Out: one Pipeline at a time.
Must not know: messages, photos.
"""

import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

import numpy as np
import structlog

from models.object_store import StoreError, StoreUnavailableError
from models.store import ModelSet, ModelStore
from models.structures import ContractError
from service import metrics
from service.errors import SetupError, TransientError
from service.pipeline import Decoded, Pipeline

_LOG: Final = structlog.get_logger()
_REFUSED_AGAIN_AFTER: Final = 10
"""A set that was refused is tried again after so many looks, since a store may have been mended."""
_TRIAL_HW: Final = (240, 320)


class PipelineSource(Protocol):
    """Whoever has the pipeline that serves now."""

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline; ask once a batch, so that one batch has one model set."""
        ...


class ModelSource:
    """Loads, tries and swaps model sets; the pipeline may be read from any thread."""

    def __init__(self, store: ModelStore, build: Callable[[ModelSet], Pipeline], *, pinned: str = "") -> None:
        """Load the set to start with.

        Args:
            store: where the sets are.
            build: compiles a set.
            pinned: digest of the set to serve for good; empty: the promoted one.

        Raises:
            SetupError: no such set, a file that its card does not vouch for, or no network.
        """
        self._store, self._build, self._is_pinned = store, build, bool(pinned)
        self._refused: dict[str, int] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        try:
            self._pipeline = build(store.load_set(pinned) if pinned else store.load_promoted())
        except (StoreError, ValueError, RuntimeError, ContractError) as error:
            raise SetupError(f"models: {_first_line(error)}") from error

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline that serves now."""
        return self._pipeline

    def start(self, refresh_s: float) -> None:
        """Look for another promoted set from a thread of its own; a pinned source never does.

        Args:
            refresh_s: time between two looks; 0: never.
        """
        self._tell()
        if refresh_s <= 0 or self._is_pinned:
            return

        def look() -> None:
            while not self._stopping.wait(refresh_s):
                self.refresh()

        self._thread = threading.Thread(target=look, name="models", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop to look."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(5)

    def refresh(self) -> bool:
        """Look once; load, try and swap in what is promoted. What fails leaves the serving set as it is.

        Returns:
            Whether another set serves now.
        """
        try:
            promoted = self._store.read_promoted_digest()
        except StoreError as error:
            _LOG.warning("models_unreadable", reason=_first_line(error))
            return False
        if promoted == self._pipeline.stored_set:
            self._refused.clear()
            return False
        if self._refused.get(promoted, 0) > 0:
            self._refused[promoted] -= 1
            return False
        start = time.perf_counter()
        try:
            candidate = self._build(self._store.load_set(promoted))
            _try_out(candidate)
        except StoreUnavailableError as error:
            _LOG.warning("models_unreadable", stored_set=promoted, reason=_first_line(error))
            return False
        except (StoreError, ValueError, RuntimeError, MemoryError, ContractError, TransientError) as error:
            self._refused[promoted] = _REFUSED_AGAIN_AFTER
            metrics.MODEL_SWAPS.labels("refused").inc()
            _LOG.error("models_refused", stored_set=promoted, error=type(error).__name__, reason=_first_line(error))
            return False
        before, self._pipeline = self._pipeline.digest, candidate
        self._refused.clear()
        metrics.MODEL_SWAPS.labels("swapped").inc()
        self._tell()
        _LOG.info("models_swapped", before=before, after=candidate.digest, s=round(time.perf_counter() - start, 3))
        return True

    def _tell(self) -> None:
        pipeline = self._pipeline
        versions = ",".join(f"{network}/{version}" for network, version in sorted(pipeline.versions.items()))
        metrics.MODEL_SET.clear()
        metrics.MODEL_SET.labels(pipeline.digest, pipeline.stored_set, versions).set(1)


def _try_out(pipeline: Pipeline) -> None:
    """Let a pipeline inspect one grey picture and one of noise, so that NaN or a wrong shape never serves.

    Raises:
        ContractError: a network broke its contract.
        RuntimeExhausted: not enough memory.
    """
    noise = np.random.default_rng(0).integers(0, 256, (*_TRIAL_HW, 3), dtype=np.uint8)
    pipeline.inspect([Decoded(np.full_like(noise, 127), 0.5, 0.0), Decoded(noise, 0.5, 0.0)])


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
