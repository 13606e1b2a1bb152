"""Exponential moving average of weights: what is sampled from, evaluated and shipped."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

_lerp: Any = torch._foreach_lerp_  # type: ignore[attr-defined]  # one call for all weights


class Average:
    """shadow <- lerp(live, shadow, decay_t), decay_t = min(0.5^(batch / half_life), (1 + t) / (10 + t)).

    ``half_life`` in images, so that the average means the same at every batch size; the second term lets it follow
    the fast beginning. Buffers (statistics of batch normalisation) are averaged too when they are floats, else copied.
    """

    def __init__(self, module: nn.Module, half_life: float) -> None:
        self.module, self.half_life = module, half_life
        self.shadow = copy.deepcopy(module).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, step: int, images: int) -> None:
        """After step ``step`` (from 0) of ``images`` images."""
        decay = min(0.5 ** (images / self.half_life), (1 + step) / (10 + step)) if self.half_life else 0.0
        mine, live = self._tensors(self.shadow), self._tensors(self.module)
        floats = [(m, t) for m, t in zip(mine, live, strict=True) if m.is_floating_point()]
        _lerp([m for m, _ in floats], [t for _, t in floats], 1 - decay)
        for m, t in zip(mine, live, strict=True):
            if not m.is_floating_point():
                m.copy_(t)

    @staticmethod
    def _tensors(module: nn.Module) -> list[torch.Tensor]:
        return [*(p.detach() for p in module.parameters()), *module.buffers()]
