"""What a discrete autoencoder learns by: a likelihood or a distance of pixels, how pictures look to a network, and a
game against a discriminator of patches (Ramesh et al. 2021, arXiv:2102.12092; Esser et al. 2021, arXiv:2012.09841).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from luoxia.nn.pixel_map import map_pixels
from luoxia.nn.quantise import Quantised
from luoxia.objectives.patch_game import Adversary
from luoxia.objectives.phase import Draw, Loss

SMALLEST_LOG_SCALE = -7.0  # narrower would reward one grey level without bound
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
