"""One part of a training step: which module moves, by which optimizer, down which loss, and how often."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Draw:
    """What a loss may look at: one batch, and the only randomness it may use.

    ``images`` (B, C, H, W) float32 in [-1, 1]; ``labels`` (B,) int64 or None; ``generator`` is derived from
    (seed, step, rank, phase), so that a resumed run draws what an uninterrupted one would have drawn. ``index`` (B,)
    int64 are the examples' places in their set, by which a loss finds what else is known of them; examples that are no
    pictures are known by it alone, and ``images`` is (B, 0, 0, 0).
    """

    images: Tensor
    labels: Tensor | None
    generator: torch.Generator
    index: Tensor | None = None

    def noise(self, *shape: int) -> Tensor:
        """Standard normal numbers of ``shape``."""
        return torch.randn(*shape, generator=self.generator, device=self.images.device)


@dataclass(frozen=True)
class Loss:
    """``value``, a scalar to descend, and what to note of it: detached scalars by name."""

    value: Tensor
    notes: dict[str, Tensor]


@dataclass(frozen=True)
class Phase:
    """``optimizer`` moves ``module`` down ``loss`` at every ``interval``-th step from ``begins`` on and before ``ends``;
    then ``after`` may bound weights.

    A loss that is taken only every ``interval`` steps multiplies itself by it where its strength should not change
    (lazy regularisation, Karras et al. 2020, section 3.1).
    """

    name: str
    module: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Callable[[Draw], Loss]
    interval: int = 1
    after: Callable[[], None] | None = None
    partial: bool = False  # whether the loss leaves some of the module's weights without a gradient
    begins: int = 0
    ends: float = math.inf

    def __post_init__(self) -> None:
        if self.interval < 1:
            raise ValueError(f"the interval of phase {self.name!r} is {self.interval}; it must be at least 1")

    def due(self, step: int) -> bool:
        return self.begins <= step < self.ends and step % self.interval == 0
