"""The processes that train a network together: usually one, or those that `torchrun` starts."""

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
    """The processes of a run. Each computes gradients on its own windows and applies the mean over all processes."""

    rank: int = 0
    size: int = 1
    device: torch.device = CPU

    @property
    def is_leader(self) -> bool:
        """Whether this process is the one that evaluates, logs and saves."""
        return self.rank == 0

    def broadcast_weights(self, module: nn.Module) -> None:
        """Copies the leader's weights and buffers to every process."""
        if self.size > 1:
            for value in module.state_dict().values():
                dist.broadcast(value, 0)

    def average_gradients(self, module: nn.Module) -> None:
        """Averages every gradient over the processes.

        Does not use `DistributedDataParallel`, because its threads outlive the process group, and a process that exits
        while they run may be aborted.
        """
        if self.size > 1:
            gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
            mean = parameters_to_vector(gradients)
            dist.all_reduce(mean)
            vector_to_parameters(mean / self.size, gradients)

    def broadcast(self, numbers: Sequence[float]) -> list[float]:
        """Returns the leader's numbers, in every process."""
        if self.size == 1:
            return list(numbers)
        values = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        dist.broadcast(values, 0)
        return values.tolist()

    def gather(self, value: Any) -> list[Any]:
        """Returns the values of all processes in order of rank, in every process."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values


@contextmanager
def join(device: torch.device) -> Iterator[Team]:
    """Yields the team that `torchrun` describes in the environment, or a team of one."""
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
