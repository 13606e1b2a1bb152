"""A game beside a reconstruction: a discriminator of patches tells pictures from what was made in their place, and the
maker is paid for passing (Isola et al. 2017, arXiv:1611.07004; Esser et al. 2021, arXiv:2012.09841, section 3.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from luoxia.objectives.adversarial import GAMES
from luoxia.objectives.phase import Draw, Loss

HINGE = GAMES["hinge"]


class Clock(nn.Module):
    """Steps done, as a buffer that a resumed run goes on with: for terms that begin late."""

    step: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def __call__(self) -> int:
        return int(self.step)

    def advance(self) -> None:
        self.step += 1


@dataclass(frozen=True)
class Adversary:
    """``weight`` -E[D(x^)] from step ``begins`` of the ``clock`` on, grown over as many steps as ``grows``.

    With ``last``, the weights that pixels come from, the term is scaled to the slope of the others there:
    lambda = ||grad L_rec|| / (||grad L_adv|| + delta), at most 10^4 (Esser et al. 2021, equation 7).
    """

    discriminate: Callable[[Tensor], Tensor]
    clock: Callable[[], int]
    weight: float
    begins: int
    grows: int = 1
    last: Callable[[], Tensor] | None = None

    def strength(self) -> float:
        return self.weight * min(1.0, max(0, self.clock() - self.begins + 1) / self.grows)

    def __call__(self, made: Tensor, rest: Tensor) -> Tensor:
        """The term for pictures ``made``; ``rest`` is the sum of the others."""
        value = HINGE.generator(self.discriminate(made))
        if self.last is None:
            return self.strength() * value
        weights = self.last()
        (of_rest,) = torch.autograd.grad(rest, weights, retain_graph=True)
        (of_value,) = torch.autograd.grad(value, weights, retain_graph=True)
        balance = (of_rest.norm() / (of_value.norm() + 1e-4)).clamp(0, 1e4).detach()
        return self.strength() * balance * value


@dataclass(frozen=True)
class PatchLoss:
    """The discriminator's side: E[max(0, 1 - D(x))] + E[max(0, 1 + D(x^))].

    ``pair`` gives of a batch the pictures x and what is made in their place, x^; no gradient goes there.
    """

    pair: Callable[[Draw], tuple[Tensor, Tensor]]
    discriminate: Callable[[Tensor], Tensor]

    def __call__(self, draw: Draw) -> Loss:
        with torch.no_grad():
            images, made = self.pair(draw)
        real, fake = self.discriminate(images), self.discriminate(made)
        value = HINGE.discriminator(real, fake)
        notes = {"loss_d": value, "logit_real": real.mean(), "logit_fake": fake.mean()}
        return Loss(value, {k: v.detach() for k, v in notes.items()})
