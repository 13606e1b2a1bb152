"""Where and how a model runs, decided once and passed on."""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass
from functools import cache

import torch

from luoxia.core.errors import UserError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # glibc's names of what mallopt sets


@dataclass(frozen=True)
class Runtime:
    """``dtype`` is that of large products; sums, norms and the residual stream stay in float32 on a CPU."""

    device: torch.device
    dtype: torch.dtype
    threads: int
    reason: str


def resolve(device: str | None = None, dtype: str | None = None, threads: int | None = None) -> Runtime:
    """A CUDA or MPS device where there is one, else the CPU; bf16 where the processor multiplies it natively."""
    if device is None:
        device = (
            "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        )
    if dtype is not None and dtype not in DTYPES:
        raise UserError(
            f"dtype {dtype!r} is not known; choose one of {', '.join(DTYPES)}",
            f"不认识的 dtype {dtype!r}；可选 {'、'.join(DTYPES)}",
        )
    if threads is not None and (type(threads) is not int or not 1 <= threads <= 1024):
        raise UserError(
            f"threads is {threads}; give a number from 1 to 1024",
            f"threads 为 {threads}；请给 1 到 1024 的数",
        )
    chosen = _usable(device)
    if chosen.type != "cpu":
        kind, reason = torch.bfloat16, f"{chosen.type} device found"
    elif torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported():
        kind, reason = torch.bfloat16, "CPU; it multiplies bf16 natively"
    else:
        kind, reason = torch.float32, "CPU without native bf16 products"
    if dtype is not None:
        kind, reason = DTYPES[dtype], f"{reason}; dtype {dtype} asked for"
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Runtime(chosen, kind, threads or min(usable, torch.get_num_threads()), reason)


@cache
def keep_freed_memory() -> None:
    """Let glibc keep what is freed, up to a gigabyte at its end, for what is asked for next.

    Left to itself it maps each large tensor anew and the kernel clears every page of it: for convolutions over large
    pictures that is half of the time.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 1 << 30)


def _usable(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:  # which of them depends on how PyTorch was built
        raise UserError(
            f"device {name!r} cannot be used here; give cpu, cuda or mps, or leave the choice to Luoxia",
            f"此处无法使用设备 {name!r}；请给 cpu、cuda 或 mps，或由 Luoxia 自行选择",
        ) from error
    return device
