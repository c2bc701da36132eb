"""From a stored version to a predictor: what serving, evaluation and the CLI load."""

from typing import Final

from models.gate.predictor import Gate
from models.localizer.predictor import Localizer
from models.runtime import Runtime
from models.runtime.openvino_runtime import OpenVinoRuntime
from models.segmenter.predictor import Segmenter
from models.store import ModelVersion, StoreError

XML_NAME, BIN_NAME = "model.xml", "model.bin"
SAFETENSORS_NAME: Final = "model.safetensors"

RUNTIMES: Final[tuple[str, ...]] = ("openvino", "torch")


def load_runtime(
    version: ModelVersion,
    *,
    runtime: str = "openvino",
    precision: str = "f32",
    threads: int = 0,
    device: str = "cpu",
) -> Runtime:
    """Make a version's network ready to run.

    Args:
        version: a verified version whose files hold what the runtime reads: OpenVINO IR, or safetensors.
        runtime: "openvino" (CPU) or "torch" (CPU or GPU; torch is imported only here).
        precision: "f32" or "bf16".
        threads: CPU threads for one call (torch: of the process); 0 leaves the choice to the runtime.
        device: "cpu", or "cuda" with runtime "torch".

    Raises:
        StoreError: the version lacks the runtime's files.
        ValueError: unknown runtime, precision or device, torch is not installed, or the card names no such network.
        RuntimeError: the files are damaged, or not of this network.
    """
    if runtime not in RUNTIMES:
        raise ValueError(f"runtime: expected one of {', '.join(RUNTIMES)}, found {runtime!r}")
    wanted = (XML_NAME, BIN_NAME) if runtime == "openvino" else (SAFETENSORS_NAME,)
    if missing := [name for name in wanted if name not in version.files]:
        raise StoreError(f"{version.card.network}/{version.card.version}: no file {', '.join(missing)}")
    if runtime == "torch":
        return _load_torch(version, precision=precision, threads=threads, device=device)
    if device != "cpu":
        raise ValueError(f"device: runtime openvino runs on cpu, found {device!r}")
    return OpenVinoRuntime(version.files[XML_NAME], version.files[BIN_NAME], precision=precision, threads=threads)


def _load_torch(version: ModelVersion, *, precision: str, threads: int, device: str) -> Runtime:
    """Import torch, which serving does without unless asked for it, and build what the card describes."""
    try:
        from models.networks import build_for_export  # noqa: PLC0415
        from models.runtime.torch_runtime import TorchRuntime  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ValueError(f"runtime: torch needs vehicle-damage[train]: {error}") from error
    card = version.card
    return TorchRuntime(
        version.files[SAFETENSORS_NAME],
        lambda: build_for_export(card.network, network_options=card.network_options),
        input_hw=card.input_hw,
        device=device,
        precision=precision,
        threads=threads,
    )


def load_localizer(
    version: ModelVersion, *, runtime: str = "openvino", precision: str = "f32", threads: int = 0, device: str = "cpu"
) -> Localizer:
    """Build the localizer of a version; arguments and errors as load_runtime."""
    opened = load_runtime(version, runtime=runtime, precision=precision, threads=threads, device=device)
    return Localizer(opened, version.card)


def load_gate(
    version: ModelVersion, *, runtime: str = "openvino", precision: str = "f32", threads: int = 0, device: str = "cpu"
) -> Gate:
    """Build the gate of a version; arguments and errors as load_runtime."""
    opened = load_runtime(version, runtime=runtime, precision=precision, threads=threads, device=device)
    return Gate(opened, version.card)


def load_segmenter(
    version: ModelVersion, *, runtime: str = "openvino", precision: str = "f32", threads: int = 0, device: str = "cpu"
) -> Segmenter:
    """Build the segmenter of a version; arguments and errors as load_runtime."""
    opened = load_runtime(version, runtime=runtime, precision=precision, threads=threads, device=device)
    return Segmenter(opened, version.card)
