"""Weights, gradients and moments split over processes, with PyTorch's FSDP2, for models that one device cannot hold.

What is written is whole: a checkpoint of a split run is that of any other, and may be gone on with on any number of
processes. PyTorch's modules for it take as long to import as half of PyTorch: only what splits imports them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn


def split(module: nn.Module, entrances: Sequence[str], device: torch.device, world: int) -> None:
    """Split the weights of ``module``, which is entered by the methods ``entrances`` alone, in its place."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

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
    parts: Any = tensor
    return parts.full_tensor() if _is_split(tensor) else tensor


def own(tensor: Tensor) -> Tensor:
    """This process's part."""
    parts: Any = tensor
    return parts.to_local() if _is_split(tensor) else tensor


def like(tensor: Tensor, other: Tensor) -> Tensor:
    """``tensor``, which all processes hold whole, split as ``other`` is."""
    if not _is_split(other) or _is_split(tensor):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    parts: Any = other
    return distribute_tensor(tensor.to(other.device), parts.device_mesh, parts.placements)


def _is_split(tensor: Tensor) -> bool:
    """Whether it is a ``DTensor``, the one kind that knows the whole it is of."""
    return hasattr(tensor, "full_tensor")
