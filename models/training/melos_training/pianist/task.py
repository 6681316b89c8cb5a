"""The parts of training that the pianist and the prior have in common."""

from typing import TypeVar

from torch import nn

from ..training import Task
from .windows import PianoShards

Network = TypeVar("Network", bound=nn.Module)


class PianoTask(Task[Network]):
    """A task whose windows include notes; new shards can be added during training."""

    def __init__(self, network: Network, training: PianoShards, valid: PianoShards) -> None:
        super().__init__(network)
        self.training_shards, self.valid_shards = training, valid

    def refresh(self) -> None:
        self.training_shards.shards.refresh()
        self.valid_shards.shards.refresh()

    def data_order(self) -> list[str]:
        return self.training_shards.shards.order()
