"""The randomness of one step, from where it stands alone: nothing to save, nothing to restore."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def step_seed(seed: int, *place: int) -> int:
    """64 bits from ``seed`` and a ``place`` such as (step, rank, phase, part)."""
    words = [seed & 0xFFFFFFFF, seed >> 32, *place]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0])


def generator(device: torch.device, seed: int, *place: int) -> torch.Generator:
    return torch.Generator(device).manual_seed(step_seed(seed, *place))


@contextmanager
def fixed(seed: int, *place: int) -> Iterator[None]:
    """PyTorch's own generator, which dropout reads, set for a while and put back."""
    number = step_seed(seed, *place)
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(number)
        if (
            torch.cuda.is_initialized()
        ):  # torch.manual_seed would write a stack trace for devices that may come
            torch.cuda.manual_seed_all(number)
        yield
