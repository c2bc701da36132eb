"""int8 weights and activations by post-training quantization, calibrated on photos as serving sees them.

Must not know: which network it is.
"""

from collections.abc import Sequence
from typing import Final

import nncf
import numpy as np
import openvino

CONVOLUTIONS: Final = frozenset({"Convolution", "GroupConvolution", "ConvolutionBackpropData"})


def quantize_ir(ir: openvino.Model, calibration: Sequence[np.ndarray]) -> openvino.Model:
    """Quantize a network's body; its tail stays in floating point.

    Args:
        ir: f32, one output; stays as it is.
        calibration: float32 (1, 3, H, W) each, at least one.

    Returns:
        The quantized network.

    Raises:
        ValueError: no calibration input.
    """
    if not len(calibration):
        raise ValueError("calibration: expected at least one input for openvino-int8-quantized, found none")
    ir = ir.clone()
    return nncf.quantize(
        ir,
        nncf.Dataset(list(calibration)),
        preset=nncf.QuantizationPreset.MIXED,  # activations that are never negative keep all 8 bits
        subset_size=len(calibration),
        fast_bias_correction=True,
        ignored_scope=nncf.IgnoredScope(names=list_tail(ir)),
    )


def list_tail(ir: openvino.Model) -> list[str]:
    """Name the operations from the output back to the last convolutions, those included.

    That is a sigmoid and the layer before it, a log-sum-exp, a box decode: few multiplications, and what they round
    shows in every score.
    """
    names: dict[str, None] = {}
    waiting = [ir.get_results()[0].input_value(0).get_node()]
    while waiting:
        node = waiting.pop()
        name = node.get_friendly_name()
        if name in names or node.get_type_name() in ("Constant", "Parameter"):
            continue
        names[name] = None
        if node.get_type_name() not in CONVOLUTIONS:
            waiting += [node.input_value(index).get_node() for index in range(node.get_input_size())]
    return list(names)
