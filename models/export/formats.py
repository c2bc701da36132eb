"""One network in every format: OpenVINO IR in f32, fp16 and two kinds of int8, and torch's safetensors.

bfloat16 is no format: any IR and any safetensors run in it when the runtime is told precision="bf16".
"""

import logging
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import nncf
import numpy as np
import openvino
import torch
from safetensors.torch import save
from torch import nn

from models.export.quantize import quantize_ir
from models.predictors import BIN_NAME, SAFETENSORS_NAME, XML_NAME

FORMATS: Final[tuple[str, ...]] = (
    "openvino-f32",
    "openvino-fp16",
    "openvino-int8",
    "openvino-int8-quantized",
    "torch-safetensors",
)
"""f32 weights; fp16 weights; int8 weights per channel, computed in floating point; int8 weights and activations; the
f32 state dict of the wrapped network."""
QUANTIZED: Final = "openvino-int8-quantized"
SAFETENSORS: Final = "torch-safetensors"

nncf.set_log_level(logging.WARNING)  # else a line for every layer that stays in floating point


def split_formats(weights_format: str) -> tuple[str, ...]:
    """Take "a+b" apart and check that one version can hold it.

    Raises:
        ValueError: an unknown format, one twice, or two for OpenVINO, which have the same file names.
    """
    formats = tuple(weights_format.split("+"))
    for name in formats:
        if name not in FORMATS:
            raise ValueError(f"weights_format: expected one of {', '.join(FORMATS)}, found {name!r}")
    if len(set(formats)) < len(formats) or sum(name != SAFETENSORS for name in formats) > 1:
        raise ValueError(
            f"weights_format: expected at most one for OpenVINO and {SAFETENSORS} once, found {' and '.join(formats)}"
        )
    return formats


def convert_network(
    wrapped: nn.Module, input_hw: tuple[int, int], weights_format: str, *, calibration: Sequence[np.ndarray] = ()
) -> dict[str, bytes]:
    """Convert a wrapped network: any batch size, fixed H x W.

    Args:
        wrapped: float32 (N, 3, H, W) to one tensor.
        input_hw: H and W.
        weights_format: one of FORMATS, or two joined by "+".
        calibration: float32 (1, 3, H, W) each, as serving would feed them; for openvino-int8-quantized alone.

    Returns:
        File name to bytes.

    Raises:
        ValueError: unknown format, or nothing to calibrate with.
    """
    files: dict[str, bytes] = {}
    for name in split_formats(weights_format):
        if name == SAFETENSORS:
            files |= {SAFETENSORS_NAME: save_weights(wrapped)}
        else:
            files |= store_ir(convert_to_ir(wrapped, input_hw), name, calibration=calibration)
    return files


def save_weights(wrapped: nn.Module) -> bytes:
    """Write a module's state dict as safetensors."""
    state = {name: value.detach().cpu().contiguous().clone() for name, value in wrapped.state_dict().items()}
    return save(state, {"format": "pt"})


def convert_to_ir(wrapped: nn.Module, input_hw: tuple[int, int]) -> openvino.Model:
    """Trace a wrapped network into an IR with f32 weights: any batch size, fixed H x W."""
    wrapped = wrapped.to(memory_format=torch.contiguous_format).eval()
    example = torch.zeros(2, 3, *input_hw)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # of sizes, which are fixed on purpose
        wrapped(example)  # a detection head builds its grid on first use
        return openvino.convert_model(wrapped, example_input=example, input=[-1, 3, *input_hw])


def store_ir(ir: openvino.Model, weights_format: str, *, calibration: Sequence[np.ndarray] = ()) -> dict[str, bytes]:
    """Write an f32 IR, which stays as it is, in one of the OpenVINO formats.

    Args:
        ir: of convert_to_ir.
        weights_format: one of FORMATS that begins with openvino.
        calibration: as convert_network has it.

    Returns:
        File name to bytes.

    Raises:
        ValueError: no OpenVINO format, or nothing to calibrate with.
    """
    if weights_format not in FORMATS or weights_format == SAFETENSORS:
        raise ValueError(f"weights_format: expected an OpenVINO one of {', '.join(FORMATS)}, found {weights_format!r}")
    if weights_format == "openvino-int8":
        ir = nncf.compress_weights(ir.clone(), mode=nncf.CompressWeightsMode.INT8_ASYM)
    elif weights_format == QUANTIZED:
        ir = quantize_ir(ir, calibration)
    with tempfile.TemporaryDirectory() as folder:
        xml_path = Path(folder) / XML_NAME
        openvino.save_model(ir, str(xml_path), compress_to_fp16=weights_format != "openvino-f32")
        return {XML_NAME: xml_path.read_bytes(), BIN_NAME: (Path(folder) / BIN_NAME).read_bytes()}
