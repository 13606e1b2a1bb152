"""The variational autoencoder, plain or told the class.

luoxia train vae --data digits        1.5 min on two cores, 1.81 bits per dimension of held-out digits
luoxia train cvae --data digits       the same with labels: draws the digit that is asked for
luoxia train vae --data avatars --set width=16 --set precision=bf16 --steps 6000
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from luoxia.core.errors import UserError
from luoxia.data.images import ImageSet
from luoxia.models.vae import VAE, VAEConfig
from luoxia.objectives.elbo import ELBO
from luoxia.objectives.likelihood import Bernoulli, DiscretisedLogistic, Gaussian, Likelihood
from luoxia.objectives.phase import Phase
from luoxia.recipes.vae_study import VAEStudy
from luoxia.train.engine import Training
from luoxia.train.settings import Settings


@dataclass(frozen=True)
class VAESettings(Settings):
    """``likelihood`` "logistic", "bernoulli" or "gaussian"; ``network`` "conv" or "mlp"."""

    steps: int = 3_000
    learning_rate: float = 2e-3
    warmup: int = 200
    cosine: bool = True
    clip: float = 10.0
    latent: int = 64
    width: int = 32
    network: str = "conv"
    likelihood: str = "logistic"
    beta: float = 1.0
    free_bits: float = 0.0
    conditional: bool = False


def grey_levels(images: ImageSet) -> int:
    """Grey levels that the pictures use: their own number when it is small and even, as in scanned digits, else 256."""
    values = np.unique(images.images[images.train[:2_000]])
    few = len(values) <= 32 and np.ptp(np.diff(values.astype(int))) <= 1
    return len(values) if few else 256


def likelihood_of(settings: VAESettings, images: ImageSet) -> Likelihood:
    kinds = {
        "logistic": DiscretisedLogistic(grey_levels(images)),
        "bernoulli": Bernoulli(),
        "gaussian": Gaussian(),
    }
    if settings.likelihood not in kinds:
        raise UserError(
            f"likelihood is {settings.likelihood!r}; give {', '.join(kinds)}",
            f"likelihood 为 {settings.likelihood!r}；请给 {'、'.join(kinds)}",
        )
    return kinds[settings.likelihood]


def build(settings: VAESettings, images: ImageSet, seed: int) -> Training:
    """The network with weights drawn from ``seed``, its objective, and its scores on held-out pictures."""
    likelihood = likelihood_of(settings, images)
    config = VAEConfig(
        size=images.size,
        channels=images.channels,
        latent=settings.latent,
        width=settings.width,
        kind=settings.network,
        classes=images.told(settings.conditional, "VAE"),
        outputs=likelihood.parameters,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        vae = VAE(config)
    optimizer = torch.optim.AdamW(vae.parameters(), settings.learning_rate, weight_decay=1e-4)
    # Looked up when they are called: splitting the weights over processes wraps them.
    encode, decode = lambda x, y: vae.encode(x, y), lambda z, y: vae.decode(z, y)
    elbo = ELBO(encode, decode, likelihood, settings.beta, settings.free_bits)
    seen = VAEStudy(images, seed, likelihood, config)
    return Training(
        {"vae": vae},
        [Phase("elbo", vae, optimizer, elbo)],
        ("vae",),
        seen.pictures,
        seen.scores,
        ("bits_per_dim", True),
        {"network": config.to_json(), "levels": getattr(likelihood, "levels", None)},
        study=seen.study,
        labels=seen.asked,
        vitals=seen.vitals,
        entrances=("encode", "decode"),
    )
