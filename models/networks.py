"""Networks by name: from what a run or a card records to the torch module that runs.

Must not know: weights' files, photos, thresholds.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from torch import nn

from models.gate.network import DamageGate, GateForExport
from models.localizer.network import LocalizerForExport, build_localizer
from models.segmenter.network import SegmenterForExport, build_segmenter
from models.sr_rcnn.network import FinderForExport, build_finder

_PARTS: Final[dict[str, tuple[Callable[..., nn.Module], Callable[[Any], nn.Module]]]] = {
    "localizer": (build_localizer, LocalizerForExport),
    "gate": (DamageGate, GateForExport),
    "segmenter": (build_segmenter, SegmenterForExport),
    "finder": (build_finder, FinderForExport),
}


def build_for_export(
    network: str, trained: nn.Module | None = None, *, network_options: Mapping[str, Any] | None = None
) -> nn.Module:
    """Wrap a trained network so that probabilities come out; its state dict then begins with "network.".

    Args:
        network: localizer, gate, segmenter or finder.
        trained: None: a freshly built one.
        network_options: how to build it, as the card records it, for example {"encoder": "efficientnet-b0"}; what is
            left out has its default.

    Returns:
        float32 (N, 3, H, W) to one tensor, in evaluation mode.

    Raises:
        ValueError: unknown network, or options that it does not have.
    """
    if network not in _PARTS:
        raise ValueError(f"network: expected one of {', '.join(_PARTS)}, found {network!r}")
    build, wrap = _PARTS[network]
    if trained is None:
        try:
            trained = build(**(network_options or {}))
        except TypeError as error:
            raise ValueError(f"network_options: {network} cannot be built from {network_options}: {error}") from error
    return wrap(trained).eval()
