"""One process or many: what ``torchrun`` says of this one, and the few words ranks exchange outside of gradients."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist


@dataclass(frozen=True)
class Processes:
    """``rank`` of ``world`` processes that train together."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this one writes files and speaks to the user."""
        return self.rank == 0

    def any(self, flag: bool) -> bool:
        """Whether any process says yes: the same answer in all."""
        if self.world == 1:
            return flag
        word = torch.tensor(float(flag))
        dist.all_reduce(word, op=dist.ReduceOp.MAX)
        return bool(word)

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """The mean over processes of a small tensor."""
        if self.world > 1:
            dist.all_reduce(values)
            values /= self.world
        return values

    def agree(self, value: float) -> float:
        """What the first process says."""
        if self.world == 1:
            return value
        word = torch.tensor(value, dtype=torch.float64)
        dist.broadcast(word, 0)
        return word.item()

    def wait(self) -> None:
        if self.world > 1:
            dist.barrier()


@contextmanager
def together() -> Iterator[Processes]:
    """Join the group that ``torchrun`` describes in the environment; alone without it."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Processes()
        return
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Processes(dist.get_rank(), world)
    finally:
        gc.collect()  # a wrapped module that outlives its group aborts the process at its end
        dist.destroy_process_group()
