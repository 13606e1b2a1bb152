"""What a discrete autoencoder learns by: a likelihood or a distance of pixels, how pictures look to a network, and a
game against a discriminator of patches (Ramesh et al. 2021, arXiv:2102.12092; Esser et al. 2021, arXiv:2012.09841).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from luoxia.nn.pixel_map import map_pixels
from luoxia.nn.quantise import Quantised
from luoxia.objectives.adversarial import GAMES
from luoxia.objectives.phase import Draw, Loss

SMALLEST_LOG_SCALE = -7.0  # narrower would reward one grey level without bound
HINGE = GAMES["hinge"]
Distance = Callable[[Tensor, Tensor], Tensor]  # of an output and the pictures (B, C, H, W): a scalar a number
Autoencode = Callable[
    [Tensor, torch.Generator], tuple[Tensor, Quantised]
]  # pictures to a decoder's output, and what went through the middle


@dataclass(frozen=True)
class LogitLaplace:
    """-log p a number, where the logit of a pixel y = phi(x) is Laplacian (Ramesh et al. 2021, appendix A.3):

    f(y | mu, b) = 1 / (2 b y (1 - y)) exp(-|logit y - mu| / b),   output = (mu, ln b).
    """

    def __call__(self, output: Tensor, x: Tensor) -> Tensor:
        return -logit_laplace(map_pixels(x), *output.chunk(2, 1)).mean()


def logit_laplace(y: Tensor, mu: Tensor, log_scale: Tensor) -> Tensor:
    """log f(y | mu, b) of y in (0, 1), elementwise, in nats (equation 2 there)."""
    log_scale = log_scale.clamp(min=SMALLEST_LOG_SCALE)
    logit = torch.logit(y)
    return -((logit - mu).abs() * torch.exp(-log_scale)) - log_scale - math.log(2) - torch.log(y * (1 - y))


@dataclass(frozen=True)
class L1L2:
    """|x - x^| + (x - x^)^2 a number: the first for edges, the second against gross errors."""

    def __call__(self, output: Tensor, x: Tensor) -> Tensor:
        return F.l1_loss(output, x) + F.mse_loss(output, x)


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
class DVAELoss:
    """distance(output, x) + quantiser's cost + ``weight`` perceptual(x^, x) + adversary.

    ``picture`` makes x^ of an output; ``perceptual`` gives a distance of each pair, (B,).
    """

    autoencode: Autoencode
    distance: Distance
    picture: Callable[[Tensor], Tensor]
    perceptual: Callable[[Tensor, Tensor], Tensor] | None = None
    weight: float = 0.0
    adversary: Adversary | None = None

    def __call__(self, draw: Draw) -> Loss:
        output, quantised = self.autoencode(draw.images, draw.generator)
        distance = self.distance(output, draw.images)
        value = distance + quantised.cost
        made = self.picture(output)
        notes = {
            "reconstruction": distance,
            "cost": quantised.cost,
            "psnr": 10 * torch.log10(4 / F.mse_loss(made.clamp(-1, 1), draw.images).clamp_min(1e-9)),
        }
        if self.perceptual is not None and self.weight:
            notes["perceptual"] = self.perceptual(made, draw.images).mean()
            value = value + self.weight * notes["perceptual"]
        if self.adversary is not None and self.adversary.strength():
            notes["adversarial"] = self.adversary(made, value)
            value = value + notes["adversarial"]
        return Loss(value, {k: v.detach() for k, v in notes.items()})


@dataclass(frozen=True)
class PatchLoss:
    """The discriminator's side: E[max(0, 1 - D(x))] + E[max(0, 1 + D(x^))].

    ``make`` gives the pictures that are played, without a gradient, of a batch's.
    """

    make: Callable[[Draw], Tensor]
    discriminate: Callable[[Tensor], Tensor]

    def __call__(self, draw: Draw) -> Loss:
        with torch.no_grad():
            made = self.make(draw)
        real, fake = self.discriminate(draw.images), self.discriminate(made)
        value = HINGE.discriminator(real, fake)
        notes = {"loss_d": value, "logit_real": real.mean(), "logit_fake": fake.mean()}
        return Loss(value, {k: v.detach() for k, v in notes.items()})


@dataclass(frozen=True)
class Late:
    """``loss`` from step ``begins`` of the ``clock`` on; before it nothing, of which ``judge`` has a gradient of 0."""

    loss: Callable[[Draw], Loss]
    judge: Callable[[Tensor], Tensor]
    clock: Callable[[], int]
    begins: int

    def __call__(self, draw: Draw) -> Loss:
        if self.clock() < self.begins:
            return Loss(0 * self.judge(draw.images[:1]).sum(), {})
        return self.loss(draw)
