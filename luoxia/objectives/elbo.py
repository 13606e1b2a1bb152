"""The evidence lower bound of a variational autoencoder (Kingma and Welling 2014, arXiv:1312.6114).

log p(x) >= E_q(z|x)[log p(x|z)] - KL(q(z|x) || p(z)),   q(z|x) = N(mu, diag e^logvar),  p(z) = N(0, I).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from luoxia.objectives.likelihood import Likelihood
from luoxia.objectives.phase import Draw, Loss

Encode = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]]
Decode = Callable[[Tensor, Tensor | None], Tensor]


def kl_divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, e^logvar) || N(0, 1)) of each coordinate, in nats: (B, D) -> (B, D) (equation 10 there).

    1/2 (mu^2 + e^logvar - 1 - logvar)
    """
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar)


def reparameterise(mu: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
    """z = mu + e^(logvar / 2) noise."""
    return mu + torch.exp(0.5 * logvar) * noise


@dataclass(frozen=True)
class ELBO:
    """-ELBO per dimension in nats, with ``beta`` before the KL (Higgins et al. 2017) and ``free_bits``.

    Free bits: each coordinate's mean KL counts at least ``free_bits`` nats, so that none is worth switching off
    (Kingma et al. 2016, arXiv:1606.04934, equation 15).
    """

    encode: Encode
    decode: Decode
    likelihood: Likelihood
    beta: float = 1.0
    free_bits: float = 0.0

    def __call__(self, draw: Draw) -> Loss:
        mu, logvar = (t.float() for t in self.encode(draw.images, draw.labels))
        z = reparameterise(mu, logvar, draw.noise(*mu.shape))
        log_p = self.likelihood.log_prob(draw.images, self.decode(z, draw.labels).float()).mean()
        coordinates = kl_divergence(mu, logvar).mean(0)  # (D,)
        kl = coordinates.sum()
        counted = coordinates.clamp(min=self.free_bits).sum() if self.free_bits else kl
        dims = draw.images[0].numel()
        notes = {
            "bits_per_dim": (kl - log_p) / (dims * math.log(2)),
            "reconstruction": -log_p,
            "kl": kl,
            "active_units": (mu.var(0) > 0.01).sum().float() if len(mu) > 1 else kl.new_zeros(()),
        }
        return Loss((self.beta * counted - log_p) / dims, {k: v.detach() for k, v in notes.items()})


def importance_weighted_bound(
    images: Tensor,
    labels: Tensor | None,
    encode: Encode,
    decode: Decode,
    likelihood: Likelihood,
    *,
    samples: int,
    generator: torch.Generator,
) -> Tensor:
    """log 1/K sum_k p(x, z_k) / q(z_k | x) in nats, (B,): a bound that tightens with K = ``samples``
    (Burda et al. 2016, arXiv:1509.00519, equation 8). K = 1 is the ELBO."""
    mu, logvar = (t.float() for t in encode(images, labels))
    weights = []
    for _ in range(samples):  # one at a time: memory does not grow with K
        noise = torch.randn(mu.shape, generator=generator, device=mu.device)
        z = reparameterise(mu, logvar, noise)
        log_prior = -0.5 * (z**2).sum(1)
        log_posterior = -0.5 * (noise**2 + logvar).sum(1)  # log 2 pi stands in both and goes
        weights.append(likelihood.log_prob(images, decode(z, labels).float()) + log_prior - log_posterior)
    return torch.stack(weights).logsumexp(0) - math.log(samples)
