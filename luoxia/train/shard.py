"""Weights, gradients and moments split over processes, with PyTorch's FSDP2, for models that one device cannot hold.

What is written is whole: a checkpoint of a split run is that of any other, and may be gone on with on any number of
processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor


def split(module: nn.Module, entrances: Sequence[str], device: torch.device, world: int) -> None:
    """Split the weights of ``module``, which is entered by the methods ``entrances`` alone, in its place."""
    module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # the only one that is split
    fully_shard(module, mesh=init_device_mesh(device.type, (world,)))
    for name in entrances:
        if name != "forward":
            register_fsdp_forward_method(module, name)


def follow(optimizers: Iterable[torch.optim.Optimizer], old: dict[int, str], module: nn.Module) -> None:
    """Let ``optimizers`` move the split weights of ``module`` in the place of those that ``old`` names by identity."""
    new = dict(module.named_parameters())
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["params"] = [new[old[id(p)]] if id(p) in old else p for p in group["params"]]


def whole(tensor: Tensor) -> Tensor:
    """``tensor`` with the parts of all processes, which call this together; itself where it is not split."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def own(tensor: Tensor) -> Tensor:
    """This process's part."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def like(tensor: Tensor, other: Tensor) -> Tensor:
    """``tensor``, which all processes hold whole, split as ``other`` is."""
    if not isinstance(other, DTensor) or isinstance(tensor, DTensor):
        return tensor
    return distribute_tensor(tensor.to(other.device), other.device_mesh, other.placements)
