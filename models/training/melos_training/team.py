"""The processes that train a network together, started by `torchrun`; usually just one."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed as dist
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Team:
    """Each process computes the gradients of its own windows, and applies the mean over all processes."""

    rank: int = 0
    size: int = 1
    device: torch.device = CPU

    @property
    def leads(self) -> bool:
        """Whether this process evaluates, logs and saves."""
        return self.rank == 0

    def follow_leader(self, module: nn.Module) -> None:
        """Copies the leader's weights and buffers to every process."""
        if self.size > 1:
            for value in module.state_dict().values():
                dist.broadcast(value, 0)

    def average_gradients(self, module: nn.Module) -> None:
        """Averages every gradient over the processes.

        `DistributedDataParallel` would do this too, but its threads outlive the process group, and a process that exits
        while they run may be aborted.
        """
        if self.size > 1:
            gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
            mean = parameters_to_vector(gradients)
            dist.all_reduce(mean)
            vector_to_parameters(mean / self.size, gradients)

    def agree(self, numbers: Sequence[float]) -> list[float]:
        """The leader's numbers, in every process."""
        if self.size == 1:
            return list(numbers)
        values = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        dist.broadcast(values, 0)
        return values.tolist()

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes by rank, in every process."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values


@contextmanager
def joined(device: torch.device) -> Iterator[Team]:
    """A context with the team that `torchrun` set up in the environment, or a team of one without it."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team(device=device)
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Team(dist.get_rank(), size, device)
    finally:
        dist.destroy_process_group()
