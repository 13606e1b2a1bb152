"""The learning rate as a function of the step: linear warm-up, then constant or a half cosine to zero."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Factor of the learning rate at ``step`` of ``steps``: (step + 1) / warmup up to 1, then

    floor + (1 - floor) (1 + cos(pi progress)) / 2 where ``cosine``, else 1 (Loshchilov and Hutter 2017, eq. 5)."""

    steps: int
    warmup: int = 0
    cosine: bool = False
    floor: float = 0.0

    def __call__(self, step: int) -> float:
        if step < self.warmup:
            return (step + 1) / self.warmup
        if not self.cosine:
            return 1.0
        progress = min(1.0, (step - self.warmup) / max(1, self.steps - self.warmup))
        return self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * progress))
