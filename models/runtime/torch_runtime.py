"""Runs a torch network from safetensors, on the CPU or on a GPU."""

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from models.structures import check_array

PRECISIONS: Final[tuple[str, ...]] = ("f32", "bf16")
DEVICES: Final[tuple[str, ...]] = ("cpu", "cuda")


class TorchRuntime:
    """One network with its weights; safe to call from several threads."""

    def __init__(
        self,
        weights: bytes,
        build: Callable[[], nn.Module],
        *,
        input_hw: tuple[int, int],
        device: str = "cpu",
        precision: str = "f32",
        threads: int = 0,
    ) -> None:
        """Build a network, load its weights and run it once.

        Args:
            weights: a safetensors file, the module's state dict.
            build: makes the module, float32 (N, 3, H, W) to one tensor.
            input_hw: the only size of input taken, as every runtime has it.
            device: "cpu" or "cuda".
            precision: "f32" (default; on cuda it turns TF32 off for the process) or "bf16" (autocast: convolutions in
                bfloat16, weights kept in f32).
            threads: torch's CPU threads, for the whole process; 0 leaves torch's own choice.

        Raises:
            ValueError: unknown precision or device, or no CUDA device here.
            RuntimeError: not safetensors, not this network's weights, or a network that does not take input_hw.
        """
        if precision not in PRECISIONS:
            raise ValueError(f"precision: expected one of {', '.join(PRECISIONS)}, found {precision!r}")
        if device not in DEVICES:
            raise ValueError(f"device: expected one of {', '.join(DEVICES)}, found {device!r}")
        if device == "cuda" and not torch.cuda.is_available():
            raise ValueError("device: cuda was asked for, but torch finds no CUDA device here")
        if threads:
            torch.set_num_threads(threads)
        if device == "cuda" and precision == "f32":
            torch.backends.cudnn.allow_tf32 = False
            torch.backends.cuda.matmul.allow_tf32 = False
        self._input_hw, self._device, self._is_bf16 = input_hw, device, precision == "bf16"
        network = build()
        _load_weights(network, weights)
        self._network = network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
        answer = self._forward(np.zeros((1, 3, *input_hw), np.float32))  # a wrong size fails here; grids are built once
        if not torch.is_tensor(answer):
            raise RuntimeError(f"network: expected one tensor out, found {type(answer).__name__}")

    @property
    def input_hw(self) -> tuple[int, int]:
        """Height and width of the network's input, pixels."""
        return self._input_hw

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Run the network once.

        Args:
            batch: float32 (N, 3, H, W) of input_hw, N >= 1, normalised as the model's card says.

        Returns:
            float32 (N, …), memory of its own that the next call does not overwrite.

        Raises:
            ContractError: wrong shape or dtype.
            MemoryError: the device has no room for the batch.
        """
        check_array("batch", batch, (None, 3, *self._input_hw), np.float32)
        try:
            return np.ascontiguousarray(self._forward(batch).float().cpu().numpy())
        except torch.OutOfMemoryError as error:
            raise MemoryError(f"{self._device}: {str(error).splitlines()[0]}") from error

    @torch.inference_mode()
    def _forward(self, batch: np.ndarray) -> torch.Tensor:
        x = torch.from_numpy(np.ascontiguousarray(batch)).to(self._device, memory_format=torch.channels_last)
        with torch.autocast(self._device, torch.bfloat16, enabled=self._is_bf16):
            return self._network(x)


def _load_weights(network: nn.Module, weights: bytes) -> None:
    """Put a safetensors file into a module; every name must match."""
    try:
        state = load(weights)
    except SafetensorError as error:
        raise RuntimeError(f"weights: not a safetensors file: {error}") from error
    own = network.state_dict()
    for name in sorted({*own, *state}):
        expected, found = own.get(name), state.get(name)
        if expected is None or found is None or expected.shape != found.shape:
            shapes = [str(tuple(t.shape)) if t is not None else "nothing" for t in (expected, found)]
            raise RuntimeError(f"weights: {name}: the network has {shapes[0]}, the file {shapes[1]}")
    network.load_state_dict(state)
