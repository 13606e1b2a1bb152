"""Two networks against each other: the losses of discriminator and generator, on logits (B,).

With D = sigmoid(logit), the GAN of Goodfellow et al. 2014 (arXiv:1406.2661) reads

    L_D = -E[log D(x)] - E[log(1 - D(G(z)))]          (equation 1 there)
    L_G = -E[log D(G(z))]                             (non-saturating, section 3)

and -log sigmoid(l) = softplus(-l), -log(1 - sigmoid(l)) = softplus(l).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from luoxia.objectives.phase import Draw, Loss

Generate = Callable[[Tensor, Tensor | None], Tensor]
Discriminate = Callable[[Tensor, Tensor | None], Tensor]


@dataclass(frozen=True)
class Game:
    """``discriminator(real, fake)`` and ``generator(fake)``, scalars from logits (B,)."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


GAMES: dict[str, Game] = {
    # At the optimum D = 1/2 everywhere: L_D = 2 ln 2, L_G = ln 2.
    "non-saturating": Game(
        lambda r, f: F.softplus(-r).mean() + F.softplus(f).mean(), lambda f: F.softplus(-f).mean()
    ),
    # L_G = E[log(1 - D(G(z)))]: the game as first written, whose gradient vanishes while D wins.
    "minimax": Game(
        lambda r, f: F.softplus(-r).mean() + F.softplus(f).mean(), lambda f: -F.softplus(f).mean()
    ),
    # Lim and Ye 2017 (arXiv:1705.02894).
    "hinge": Game(lambda r, f: F.relu(1 - r).mean() + F.relu(1 + f).mean(), lambda f: -f.mean()),
    # Mao et al. 2017 (arXiv:1611.04076), equation 9: a = 0, b = c = 1.
    "least-squares": Game(
        lambda r, f: 0.5 * ((r - 1) ** 2).mean() + 0.5 * (f**2).mean(), lambda f: 0.5 * ((f - 1) ** 2).mean()
    ),
    # Arjovsky et al. 2017 (arXiv:1701.07875), equation 2: the critic estimates the earth mover's distance.
    "wasserstein": Game(lambda r, f: f.mean() - r.mean(), lambda f: -f.mean()),
}


@dataclass(frozen=True)
class DiscriminatorLoss:
    """L_D of ``game`` on one batch of real images and as many fakes, plus ``penalty`` (real, fake, labels)."""

    game: Game
    generate: Generate
    discriminate: Discriminate
    latent: int
    penalty: Callable[[Draw, Tensor], Tensor] | None = None

    def __call__(self, draw: Draw) -> Loss:
        with torch.no_grad():
            fake = self.generate(draw.noise(len(draw.images), self.latent), draw.labels)
        real_logits = self.discriminate(draw.images, draw.labels).float()
        fake_logits = self.discriminate(fake, draw.labels).float()
        value = self.game.discriminator(real_logits, fake_logits)
        notes = {"loss_d": value, "logit_real": real_logits.mean(), "logit_fake": fake_logits.mean()}
        if self.penalty is not None:
            penalty = self.penalty(draw, fake)
            value, notes["penalty"] = value + penalty, penalty
        return Loss(value, {k: v.detach() for k, v in notes.items()})


@dataclass(frozen=True)
class GeneratorLoss:
    """L_G of ``game`` on a batch of fakes with the labels of the real batch."""

    game: Game
    generate: Generate
    discriminate: Discriminate
    latent: int

    def __call__(self, draw: Draw) -> Loss:
        fake = self.generate(draw.noise(len(draw.images), self.latent), draw.labels)
        value = self.game.generator(self.discriminate(fake, draw.labels).float())
        return Loss(value, {"loss_g": value.detach()})


def gradient(discriminate: Discriminate, images: Tensor, labels: Tensor | None) -> Tensor:
    """d D(x) / d x of each image, flat: (B, C H W), itself differentiable."""
    images = images.detach().requires_grad_(True)
    logits = discriminate(images, labels)
    (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return slope.flatten(1)


@dataclass(frozen=True)
class GradientPenalty:
    """weight E[(||grad D(x~)||_2 - 1)^2], x~ uniform on lines from real to fake
    (Gulrajani et al. 2017, arXiv:1704.00028, equation 3)."""

    discriminate: Discriminate
    weight: float = 10.0

    def __call__(self, draw: Draw, fake: Tensor) -> Tensor:
        shape = (len(fake), 1, 1, 1)
        along = torch.rand(shape, generator=draw.generator, device=fake.device)
        between = draw.images + along * (fake - draw.images)
        norms = torch.linalg.vector_norm(gradient(self.discriminate, between, draw.labels), dim=1)
        return self.weight * ((norms - 1) ** 2).mean()


@dataclass(frozen=True)
class R1:
    """gamma / 2 E[||grad D(x)||^2] on real images (Mescheder et al. 2018, arXiv:1801.04406, equation 9), taken every
    ``interval`` steps and that much stronger."""

    discriminate: Discriminate
    gamma: float
    interval: int = 1

    def __call__(self, draw: Draw) -> Loss:
        squares = gradient(self.discriminate, draw.images, draw.labels).square().sum(1).mean()
        return Loss(0.5 * self.gamma * self.interval * squares, {"r1": squares.detach()})


def clip_weights(module: torch.nn.Module, bound: float) -> Callable[[], None]:
    """After each critic step: w in [-bound, bound] (Arjovsky et al. 2017, algorithm 1)."""
    parameters = list(module.parameters())

    @torch.no_grad()
    def clip() -> None:
        for parameter in parameters:
            parameter.clamp_(-bound, bound)

    return clip
