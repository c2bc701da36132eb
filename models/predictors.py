"""From a stored version to a predictor: what serving, evaluation and the CLI load."""

from models.gate.predictor import Gate
from models.localizer.predictor import Localizer
from models.runtime.openvino_runtime import OpenVinoRuntime
from models.segmenter.predictor import Segmenter
from models.store import ModelVersion, StoreError

XML_NAME, BIN_NAME = "model.xml", "model.bin"


def load_runtime(version: ModelVersion, *, precision: str = "f32", threads: int = 0) -> OpenVinoRuntime:
    """Compile a version's network for the CPU.

    Args:
        version: a verified version whose files hold an OpenVINO IR.
        precision: "f32" or "bf16".
        threads: CPU threads for one call; 0 lets OpenVINO use all cores.

    Raises:
        StoreError: the version holds no OpenVINO IR.
        RuntimeError: the IR is damaged.
    """
    if missing := [name for name in (XML_NAME, BIN_NAME) if name not in version.files]:
        raise StoreError(f"{version.card.network}/{version.card.version}: no file {', '.join(missing)}")
    return OpenVinoRuntime(version.files[XML_NAME], version.files[BIN_NAME], precision=precision, threads=threads)


def load_localizer(version: ModelVersion, *, precision: str = "f32", threads: int = 0) -> Localizer:
    """Build the localizer of a version; arguments and errors as load_runtime."""
    return Localizer(load_runtime(version, precision=precision, threads=threads), version.card)


def load_gate(version: ModelVersion, *, precision: str = "f32", threads: int = 0) -> Gate:
    """Build the gate of a version; arguments and errors as load_runtime."""
    return Gate(load_runtime(version, precision=precision, threads=threads), version.card)


def load_segmenter(version: ModelVersion, *, precision: str = "f32", threads: int = 0) -> Segmenter:
    """Build the segmenter of a version; arguments and errors as load_runtime."""
    return Segmenter(load_runtime(version, precision=precision, threads=threads), version.card)
