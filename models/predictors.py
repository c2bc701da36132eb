"""From a stored version to a predictor: what serving, evaluation and the CLI load."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from models.damage_mapper import FINDER_USES, DamageMapper
from models.gate.predictor import Gate
from models.localizer.predictor import Localizer
from models.object_store import StoreError
from models.runtime import Runtime
from models.segmenter.predictor import Segmenter
from models.sr_rcnn.predictor import Finder
from models.store import ModelVersion
from models.structures import DAMAGE_CLASSES

XML_NAME, BIN_NAME = "model.xml", "model.bin"
SAFETENSORS_NAME: Final = "model.safetensors"

RUNTIMES: Final[tuple[str, ...]] = ("openvino", "torch")


@dataclass(frozen=True)
class RuntimeOptions:
    """What runs the networks.

    Attributes:
        runtime: "openvino" (CPU) or "torch" (CPU or GPU).
        precision: "f32" or "bf16".
        threads: CPU threads for one call (torch: of the process); 0 leaves the choice to the runtime.
        device: "cpu", or "cuda" with runtime "torch".
    """

    runtime: str = "openvino"
    precision: str = "f32"
    threads: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Refuse what no runtime can do.

        Raises:
            ValueError: unknown runtime, or openvino on a GPU.
        """
        if self.runtime not in RUNTIMES:
            raise ValueError(f"runtime: expected one of {', '.join(RUNTIMES)}, found {self.runtime!r}")
        if self.runtime == "openvino" and self.device != "cpu":
            raise ValueError(f"device: runtime openvino runs on cpu, found {self.device!r}")


DEFAULT_RUNTIME: Final = RuntimeOptions()


def load_runtime(version: ModelVersion, options: RuntimeOptions = DEFAULT_RUNTIME) -> Runtime:
    """Make a version's network ready to run.

    Args:
        version: a verified version whose files hold what the runtime reads: OpenVINO IR, or safetensors.
        options: which runtime; torch is imported only here.

    Raises:
        StoreError: the version lacks the runtime's files.
        ValueError: unknown precision or device, torch is not installed, or the card names no such network.
        RuntimeError: the files are damaged, or not of this network.
    """
    wanted = (XML_NAME, BIN_NAME) if options.runtime == "openvino" else (SAFETENSORS_NAME,)
    if missing := [name for name in wanted if name not in version.files]:
        raise StoreError(f"{version.card.network}/{version.card.version}: no file {', '.join(missing)}")
    if options.runtime == "torch":
        return _load_torch(version, options)
    from models.runtime.openvino_runtime import OpenVinoRuntime  # noqa: PLC0415 - the pages' image has no openvino

    return OpenVinoRuntime(
        version.files[XML_NAME], version.files[BIN_NAME], precision=options.precision, threads=options.threads
    )


def _load_torch(version: ModelVersion, options: RuntimeOptions) -> Runtime:
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
        device=options.device,
        precision=options.precision,
        threads=options.threads,
    )


def load_localizer(version: ModelVersion, options: RuntimeOptions = DEFAULT_RUNTIME) -> Localizer:
    """Build the localizer of a version; arguments and errors as load_runtime."""
    return Localizer(load_runtime(version, options), version.card)


def load_gate(version: ModelVersion, options: RuntimeOptions = DEFAULT_RUNTIME) -> Gate:
    """Build the gate of a version; arguments and errors as load_runtime."""
    return Gate(load_runtime(version, options), version.card)


def load_segmenter(version: ModelVersion, options: RuntimeOptions = DEFAULT_RUNTIME) -> Segmenter:
    """Build the segmenter of a version; arguments and errors as load_runtime."""
    return Segmenter(load_runtime(version, options), version.card)


def load_finder(
    version: ModelVersion,
    options: RuntimeOptions = DEFAULT_RUNTIME,
    *,
    small_only: bool = False,
    policy_thresholds: Mapping[str, float] | None = None,
) -> Finder:
    """Build the finder of a version; arguments and errors as load_runtime and Finder.

    OpenVINO runs it in f32 whatever options say: bf16 moves boxes by pixels and is not faster, measured on two cores
    with AMX.
    """
    if options.runtime == "openvino":
        options = replace(options, precision="f32")
    return Finder(
        load_runtime(version, options), version.card, small_only=small_only, policy_thresholds=policy_thresholds
    )


def load_damage_mapper(
    versions: Mapping[str, ModelVersion], options: RuntimeOptions = DEFAULT_RUNTIME, *, finder: str = "off"
) -> DamageMapper:
    """Build what maps damages from a set's segmenter and finder.

    Args:
        versions: of the set, by network; the segmenter's card has the thresholds of the mask policies in any case.
        options: which runtime.
        finder: one of FINDER_USES.

    Raises:
        StoreError: a version lacks the runtime's files.
        ValueError: an unknown use, a set without the finder that is asked for, a card without a threshold of a class;
            also as load_runtime and Finder.
        RuntimeError: as load_runtime.
    """
    if finder not in FINDER_USES:
        raise ValueError(f"finder: expected one of {', '.join(FINDER_USES)}, found {finder!r}")
    if finder != "off" and "finder" not in versions:
        raise ValueError(f"finder: {finder!r} needs a finder in the promoted set, found {', '.join(versions)}")
    segmenter = versions["segmenter"]
    networks: list[Segmenter | Finder] = []
    if finder != "instead":
        networks.append(load_segmenter(segmenter, options))
    if finder != "off":
        segmenter.card.require_thresholds(*(f"{name}_score_threshold" for name in DAMAGE_CLASSES))
        use = {"small_only": finder == "beside", "policy_thresholds": segmenter.card.thresholds}
        networks.append(load_finder(versions["finder"], options, **use))
    return DamageMapper(*networks)
