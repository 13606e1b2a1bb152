"""The variational autoencoder, plain or told the class.

luoxia train vae --data digits        1.5 min on two cores, 1.81 bits per dimension of held-out digits
luoxia train cvae --data digits       the same with labels: draws the digit that is asked for
luoxia train vae --data avatars --set width=16 --set precision=bf16 --steps 6000
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from luoxia.core.errors import UserError
from luoxia.core.images import enlargement
from luoxia.data.batches import Batch
from luoxia.data.images import ImageSet
from luoxia.evaluate.latent import active_units, interpolation, traversal
from luoxia.evaluate.pictures import grid, side_by_side
from luoxia.models.vae import VAE, VAEConfig
from luoxia.objectives.elbo import ELBO, importance_weighted_bound
from luoxia.objectives.likelihood import Bernoulli, DiscretisedLogistic, Gaussian, Likelihood
from luoxia.objectives.phase import Phase
from luoxia.train.engine import Modules, Note, Study, Training, to_bytes, to_tensor
from luoxia.train.settings import Settings

PICTURES = 64  # of a sample sheet
STUDIED, SAMPLES = 256, 64  # held-out pictures, and draws of z for each, of the tighter bound
COLUMNS, UNITS = 12, 10  # of the study's sheets


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

    def pictures(modules: Modules, generator: torch.Generator) -> Tensor:
        model = cast(VAE, modules["vae"])
        device = next(model.parameters()).device
        z = torch.randn(PICTURES, settings.latent, generator=generator, device=device)
        labels = torch.arange(PICTURES, device=device) % config.classes if config.classes else None
        return likelihood.mean(model.decode(z, labels))

    def bound(model: VAE, places: NDArray[np.int64], samples: int) -> float:
        """Bits per dimension of the pictures at ``places`` by the importance-weighted bound; no label's cost."""
        device = next(model.parameters()).device
        generator, total = torch.Generator(device).manual_seed(seed), 0.0
        for at in range(0, len(places), 256):
            index = places[at : at + 256]
            x, labels = to_tensor(Batch.of(images, index), device)
            nats = importance_weighted_bound(
                x, labels, model.encode, model.decode, likelihood, samples=samples, generator=generator
            )
            total -= float(nats.sum())
        return total / (max(1, len(places)) * images.images[0].size * math.log(2))

    @torch.no_grad()
    def scores(modules: Modules) -> dict[str, float]:
        return {"bits_per_dim": bound(cast(VAE, modules["vae"]), images.held_out, 1)}

    @torch.no_grad()
    def vitals(modules: Modules) -> dict[str, float]:
        """The share of the latent's dimensions that tell held-out pictures apart."""
        model = cast(VAE, modules["vae"])
        places = images.held_out[:STUDIED] if len(images.held_out) > 1 else images.train[:STUDIED]
        mu, _ = model.encode(*to_tensor(Batch.of(images, places), next(model.parameters()).device))
        return {"used_latent": float(active_units(mu).double().mean())}

    @torch.no_grad()
    def study(modules: Modules, note: Note) -> Study:  # noqa: ARG001
        """The tighter bound, what is kept of a picture, and what each unit of the latent means."""
        model = cast(VAE, modules["vae"])
        device = next(model.parameters()).device
        x, labels = to_tensor(Batch.of(images, images.held_out[:STUDIED]), device)
        mu, _ = model.encode(x, labels)
        again = likelihood.mean(model.decode(mu, labels))
        error = (again.clamp(-1, 1) - x).square().mean((1, 2, 3))
        first = None if labels is None else labels[:1]

        def decode(z: Tensor) -> Tensor:
            same = None if first is None else first.expand(len(z))
            return torch.from_numpy(to_bytes(likelihood.mean(model.decode(z, same))))

        # A picture of 64 pixels is decoded as often as one of 8, and takes a hundred times as long.
        bounded = max(16, min(STUDIED, STUDIED * 16**2 // images.size**2))
        used = mu.var(0).argsort(descending=True)[:UNITS].tolist()
        found = {
            "active_units": float(active_units(mu).sum()),
            "reconstruction_psnr": float((10 * torch.log10(4 / error)).mean()),
            f"bits_per_dim_of_{SAMPLES}_samples": bound(model, images.held_out[:bounded], SAMPLES),
        }
        ways = traversal(decode, mu[0], used)
        half, tall = COLUMNS // 2, enlargement(images.size)
        between = interpolation(decode, mu[:half], mu[half : 2 * half], COLUMNS)
        pictures = {
            "reconstructions": side_by_side(to_bytes(x[:COLUMNS]), to_bytes(again[:COLUMNS]), enlarge=tall),
            "traversals": grid(ways, len(ways) // len(used), enlarge=tall),
            "interpolations": grid(between, COLUMNS, enlarge=tall),
        }
        return Study(found, pictures)

    return Training(
        {"vae": vae},
        [Phase("elbo", vae, optimizer, elbo)],
        ("vae",),
        pictures,
        scores,
        ("bits_per_dim", True),
        {"network": config.to_json(), "levels": getattr(likelihood, "levels", None)},
        study=study,
        labels=np.arange(PICTURES) % config.classes if config.classes else None,
        vitals=vitals,
        entrances=("encode", "decode"),
    )
