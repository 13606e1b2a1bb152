"""How well a codebook is used: codes that nothing falls to are lost, and a few that take all say little.

Rate: a picture of T codes carries at most T log2(perplexity) bits.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class CodebookUse(NamedTuple):
    """``used`` share of the K codes that were seen; ``expected``, the share that as many uniform draws would show;
    ``perplexity`` e^H of their frequencies, in 1 .. K."""

    used: float
    expected: float
    perplexity: float

    @property
    def health(self) -> float:
        """``used`` over ``expected``, about 1 where every code has its use, however few pictures were looked at."""
        return self.used / self.expected


def codebook_use(codes: Tensor, size: int) -> CodebookUse:
    """Of ``codes``, int64 of any shape, of a codebook of ``size`` K."""
    counts = torch.bincount(codes.flatten(), minlength=size).double()
    shares = counts / counts.sum()
    entropy = -(shares * shares.clamp_min(1e-300).log()).sum()
    expected = 1 - (1 - 1 / size) ** float(counts.sum())
    return CodebookUse(float((counts > 0).double().mean()), expected, float(entropy.exp()))
