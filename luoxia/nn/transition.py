"""Classes that come in by and by: a generator told them from the start on few pictures makes one picture of each."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Transition(nn.Module):
    """Labels (B,) int64 to (B, K): (1 - lambda) / K + lambda one_hot(c), what the networks are told instead.

    lambda is 0 for the first half of ``images``, then rises evenly to 1 at their end, so that the networks learn what
    all classes share before they tell them apart (Shahbazi et al. 2022, arXiv:2201.06578, whose section 4 weighs
    the class's embedding and the conditional loss in the same way). With ``images`` 0 it is 1 from the start.
    :meth:`advance` counts; the count is part of the state, and a resumed run goes on from it.
    """

    seen: Tensor

    def __init__(self, classes: int, images: int) -> None:
        super().__init__()
        self.classes, self.images = classes, images
        self.register_buffer("seen", torch.zeros((), dtype=torch.float64))

    @property
    def strength(self) -> Tensor:
        """lambda, a scalar in [0, 1]."""
        if not self.images:
            return torch.ones((), device=self.seen.device)
        return (2 * self.seen / self.images - 1).clamp(0, 1).float()

    def forward(self, labels: Tensor) -> Tensor:
        told = F.one_hot(labels, self.classes).float()
        return torch.lerp(torch.full_like(told, 1 / self.classes), told, self.strength)

    def advance(self, count: int) -> None:
        self.seen += count
