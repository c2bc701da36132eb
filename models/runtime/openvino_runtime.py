"""Runs an OpenVINO IR on the CPU."""

from typing import Final

import numpy as np
import openvino

from models.structures import check_array

PRECISIONS: Final[tuple[str, ...]] = ("f32", "bf16")


class OpenVinoRuntime:
    """One compiled network; safe to call from several threads, each call with its own infer request."""

    def __init__(self, xml: bytes, weights: bytes, *, precision: str = "f32", threads: int = 0) -> None:
        """Compile a network.

        Args:
            xml: the IR's topology file.
            weights: the IR's .bin file.
            precision: "f32" (default, reproducible) or "bf16" (faster where the CPU has AMX); OpenVINO left alone
                would pick bf16 silently.
            threads: CPU threads for one call; 0 lets OpenVINO use all cores.

        Raises:
            ValueError: unknown precision.
            RuntimeError: not a valid IR, or not a network with one image input and one output.
        """
        if precision not in PRECISIONS:
            raise ValueError(f"precision: expected one of {', '.join(PRECISIONS)}, found {precision!r}")
        core = openvino.Core()
        model = core.read_model(model=xml, weights=weights)
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise RuntimeError(
                f"network: expected one input and one output, found {len(model.inputs)} and {len(model.outputs)}"
            )
        config = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
        if threads:
            config["INFERENCE_NUM_THREADS"] = str(threads)
        shape = model.inputs[0].partial_shape
        if len(shape) != 4 or shape[2].is_dynamic or shape[3].is_dynamic:
            raise RuntimeError(f"network: expected input (N, 3, H, W) with fixed H and W, found {shape}")
        self._input_hw = (shape[2].get_length(), shape[3].get_length())
        self._compiled = core.compile_model(model, "CPU", config)

    @property
    def input_hw(self) -> tuple[int, int]:
        """Height and width of the network's input, pixels."""
        return self._input_hw

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Run the network once.

        Args:
            batch: float32 (N, 3, H, W) of input_hw, N >= 1, normalised as the model's card says.

        Returns:
            float32 (N, …), a copy that the next call does not overwrite.

        Raises:
            ContractError: wrong shape or dtype.
        """
        check_array("batch", batch, (None, 3, *self._input_hw), np.float32)
        request = self._compiled.create_infer_request()
        request.infer({0: batch})
        return request.get_output_tensor(0).data.astype(np.float32, copy=True)
