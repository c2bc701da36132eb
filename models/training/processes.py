"""One process or several, as torchrun starts them: who a process is, and sums and means over all of them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed, nn


@dataclass(frozen=True)
class Processes:
    """This process among those of a run.

    Attributes:
        rank: its number, from 0 on; 0 writes files.
        count: how many there are.
        device: what it computes on.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Does this process write files and talk?"""
        return self.rank == 0

    def average_gradients(self, network: nn.Module) -> None:
        """Replace every gradient by its mean over the processes; one that a process lacks counts as 0."""
        if self.count == 1:
            return
        parameters = [p for p in network.parameters() if p.requires_grad]
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters])
        distributed.all_reduce(flat)
        for parameter, part in zip(
            parameters, flat.div_(self.count).split([p.numel() for p in parameters]), strict=True
        ):
            parameter.grad = part.view_as(parameter).clone()

    def average(self, value: torch.Tensor) -> torch.Tensor:
        """Mean of a tensor over the processes."""
        if self.count == 1:
            return value
        summed = value.detach().clone()
        distributed.all_reduce(summed)
        return summed / self.count

    def gather(self, values: torch.Tensor) -> torch.Tensor:
        """Join tensors of the same shape along their first axis, in the order of ranks."""
        if self.count == 1:
            return values
        parts = [torch.empty_like(values) for _ in range(self.count)]
        distributed.all_gather(parts, values.detach().contiguous())
        return torch.cat(parts)

    def share_weights(self, networks: Iterable[nn.Module]) -> None:
        """Give every process the first one's weights and buffers."""
        if self.count > 1:
            for network in networks:
                for value in network.state_dict().values():
                    distributed.broadcast(value, 0)

    def agrees(self, wish: bool) -> bool:
        """Does any process wish it? The same answer everywhere."""
        return bool(self.average(torch.tensor(float(wish), device=self.device)) > 0)


@contextmanager
def join_processes(device: torch.device) -> Iterator[Processes]:
    """Join the processes that torchrun started, if it did; who has joined already stays as he is.

    Args:
        device: cuda takes the GPU of the process's local rank.
    """
    if not distributed.is_torchelastic_launched():
        yield Processes(0, 1, device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", distributed.get_node_local_rank())
        torch.cuda.set_device(device)
    if distributed.is_initialized():
        yield Processes(distributed.get_rank(), distributed.get_world_size(), device)
        return
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size(), device)
    finally:
        distributed.destroy_process_group()
