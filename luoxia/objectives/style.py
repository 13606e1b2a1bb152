"""The phases of StyleGAN2: its game on augmented pictures, and path-length regularisation
(Karras et al. 2020, arXiv:1912.04958, section 3.2; style mixing: Karras et al. 2019, arXiv:1812.04948, section 3.1);
and what its generator may learn before them, as the decoder of a variational autoencoder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from luoxia.objectives.adversarial import Discriminate, gradient
from luoxia.objectives.elbo import kl_divergence, reparameterise
from luoxia.objectives.phase import Draw, Loss

Augmented = Callable[[Tensor, torch.Generator], Tensor]  # pictures, and what to draw from


class Map(Protocol):
    """z (B, D) and classes to styles w (B, L, W)."""

    def __call__(
        self, z: Tensor, c: Tensor | None = None, *, update_w_avg: bool = False, encoded: bool = False
    ) -> Tensor: ...


class Synthesise(Protocol):
    """Styles to pictures, with random noise from ``generator``."""

    def __call__(self, ws: Tensor, *, generator: torch.Generator | None = None) -> Tensor: ...


@dataclass(frozen=True)
class Styles:
    """Styles of a batch: w from fresh z, and with probability ``mixing`` from a layer on those of a second z."""

    mapping: Map
    z_dim: int
    mixing: float = 0.9

    def __call__(self, draw: Draw, count: int, *, update: bool = False) -> Tensor:
        labels = None if draw.labels is None else draw.labels[:count]
        ws = self.mapping(draw.noise(count, self.z_dim), labels, update_w_avg=update)
        if self.mixing:
            others = self.mapping(draw.noise(count, self.z_dim), labels)
            layers, device = ws.shape[1], ws.device
            cut = torch.randint(1, layers, (count, 1), generator=draw.generator, device=device)
            mixed = torch.rand(count, 1, generator=draw.generator, device=device) < self.mixing
            second = (torch.arange(layers, device=device) >= cut) & mixed  # (B, L)
            ws = torch.where(second[:, :, None], others, ws)
        return ws


@dataclass(frozen=True)
class StyleGeneratorLoss:
    """-E[log D(A(G(w)))], the non-saturating game of section 3 of arXiv:1406.2661, seen through the augmentation A."""

    styles: Styles
    synthesise: Synthesise
    discriminate: Discriminate
    augment: Augmented

    def __call__(self, draw: Draw) -> Loss:
        ws = self.styles(draw, len(draw.images), update=True)
        fake = self.augment(self.synthesise(ws, generator=draw.generator), draw.generator)
        value = F.softplus(-self.discriminate(fake, draw.labels)).mean()
        return Loss(value, {"loss_g": value.detach()})


@dataclass(frozen=True)
class StyleDiscriminatorLoss:
    """-E[log D(A(x))] - E[log(1 - D(A(G(w))))]; ``watch`` hears the logits of real pictures."""

    styles: Styles
    synthesise: Synthesise
    discriminate: Discriminate
    augment: Augmented
    watch: Callable[[Tensor], None] = lambda _: None

    def __call__(self, draw: Draw) -> Loss:
        with torch.no_grad():
            fake = self.synthesise(self.styles(draw, len(draw.images)), generator=draw.generator)
            fake, real = (self.augment(x, draw.generator) for x in (fake, draw.images))
        # One batch each: statistics over a batch must not see which pictures are made.
        of_real, of_fake = self.discriminate(real, draw.labels), self.discriminate(fake, draw.labels)
        self.watch(of_real.detach())
        value = F.softplus(-of_real).mean() + F.softplus(of_fake).mean()
        notes = {
            "loss_d": value,
            "logit_real": of_real.mean(),
            "logit_fake": of_fake.mean(),
            "sign_real": of_real.sign().mean(),
        }
        return Loss(value, {k: v.detach() for k, v in notes.items()})


@dataclass(frozen=True)
class AugmentedR1:
    """gamma / 2 E[||grad D(y)||^2] at what the discriminator sees of real pictures, y = A(x); ``interval`` times as
    strong, as it is taken that seldom. The reference takes the gradient at x, which differs by A's own slope."""

    discriminate: Discriminate
    augment: Augmented
    gamma: float
    interval: int

    def __call__(self, draw: Draw) -> Loss:
        seen = self.augment(draw.images, draw.generator)
        squares = gradient(self.discriminate, seen, draw.labels).square().sum(1).mean()
        return Loss(0.5 * self.gamma * self.interval * squares, {"r1": squares.detach()})


@dataclass(frozen=True)
class StyleDecoding:
    """E_q(z|x)[ |G(f(z, c)) - x| + ``seen`` perceptual(G(f(z, c)), x) ] + ``beta`` KL(q(z|x) || N(0, 1)): the generator
    decodes what an encoder says of pictures x, so that every part of every picture teaches it where to draw what.

    A GAN whose generator is such a decoder: Larsen et al. 2016, arXiv:1512.09300. ``encode`` gives mu and log variance, each (B, D); ``perceptual`` a distance of each pair, (B,).
    """

    encode: Callable[[Tensor], tuple[Tensor, Tensor]]
    mapping: Map
    synthesise: Synthesise
    perceptual: Callable[[Tensor, Tensor], Tensor]
    seen: float
    beta: float

    def __call__(self, draw: Draw) -> Loss:
        mu, logvar = self.encode(draw.images)
        z = reparameterise(mu, logvar, draw.noise(*mu.shape))
        ws = self.mapping(z, draw.labels, update_w_avg=True, encoded=True)
        made = self.synthesise(ws, generator=draw.generator).float()
        notes = {
            "absolute": (made - draw.images).abs().mean(),
            "perceptual": self.perceptual(made, draw.images).mean(),
            "kl": kl_divergence(mu, logvar).sum(1).mean(),
        }
        value = notes["absolute"] + self.seen * notes["perceptual"] + self.beta * notes["kl"]
        return Loss(value, {k: v.detach() for k, v in notes.items()})


@dataclass(frozen=True)
class Together:
    """``first`` + ``weight`` ``second``, both of one batch."""

    first: Callable[[Draw], Loss]
    second: Callable[[Draw], Loss]
    weight: float

    def __call__(self, draw: Draw) -> Loss:
        a, b = self.first(draw), self.second(draw)
        return Loss(a.value + self.weight * b.value, a.notes | b.notes)


class PathLength(nn.Module):
    """weight E[(||J_w^T y||_2 - a)^2]: a step in w is to change the picture by the same amount everywhere
    (section 3.2, equation 4 there). y is normal noise over sqrt(H W), and a follows the mean length.

    Taken on the first 1 / ``shrink`` of a batch, every ``interval`` steps and that much stronger.
    """

    mean: Tensor

    def __init__(
        self, styles: Styles, synthesise: Synthesise, *, weight: float, interval: int, shrink: int = 2
    ) -> None:
        super().__init__()
        self._calls = styles, synthesise  # in a tuple: the generator is no part of this module
        self.weight, self.interval, self.shrink, self.decay = weight, interval, shrink, 0.01
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, draw: Draw) -> Loss:
        styles, synthesise = self._calls
        ws = styles(draw, max(1, len(draw.images) // self.shrink))
        lengths = path_lengths(synthesise, ws, draw)
        with torch.no_grad():
            self.mean.lerp_(lengths.mean(), self.decay)
        penalty = (lengths - self.mean).square().mean()
        value = self.weight * self.interval * penalty
        return Loss(value, {"path_length": lengths.mean().detach(), "path_penalty": penalty.detach()})


def path_lengths(synthesise: Synthesise, ws: Tensor, draw: Draw) -> Tensor:
    """||J_w^T y||_2 of each picture, (B,), differentiable: the mean over layers of the squared gradient's sum."""
    pictures = synthesise(ws, generator=draw.generator).float()
    noise = draw.noise(*pictures.shape) / (pictures.shape[2] * pictures.shape[3]) ** 0.5
    (slopes,) = torch.autograd.grad((pictures * noise).sum(), ws, create_graph=True)
    return slopes.square().sum(2).mean(1).sqrt()
