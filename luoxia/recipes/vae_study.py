"""What a variational autoencoder shows, and is scored and watched by."""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor

from luoxia.core.images import enlargement
from luoxia.core.pixels import to_bytes
from luoxia.data.batches import Batch
from luoxia.data.images import ImageSet
from luoxia.evaluate.latent import active_units, interpolation, traversal
from luoxia.evaluate.pictures import grid, side_by_side
from luoxia.models.vae import VAE, VAEConfig
from luoxia.objectives.elbo import importance_weighted_bound
from luoxia.objectives.likelihood import Likelihood
from luoxia.train.engine import Modules, Note, Study, to_tensor

PICTURES = 64  # of a sample sheet
STUDIED, SAMPLES = 256, 64  # held-out pictures, and draws of z for each, of the tighter bound
COLUMNS, UNITS = 12, 10  # of the study's sheets


class VAEStudy:
    """``images`` hold what is compared with; ``likelihood`` makes pictures of what the decoder tells."""

    def __init__(self, images: ImageSet, seed: int, likelihood: Likelihood, config: VAEConfig) -> None:
        self.images, self.seed, self.likelihood, self.config = images, seed, likelihood, config
        self.asked = np.arange(PICTURES) % config.classes if config.classes else None

    def pictures(self, modules: Modules, generator: torch.Generator) -> Tensor:
        model, device = self._model(modules)
        z = torch.randn(PICTURES, self.config.latent, generator=generator, device=device)
        labels = None if self.asked is None else torch.from_numpy(self.asked).to(device)
        return self.likelihood.mean(model.decode(z, labels))

    @torch.no_grad()
    def scores(self, modules: Modules) -> dict[str, float]:
        return {"bits_per_dim": self._bound(modules, self.images.held_out, 1)}

    @torch.no_grad()
    def vitals(self, modules: Modules) -> dict[str, float]:
        """The share of the latent's dimensions that tell held-out pictures apart."""
        model, device = self._model(modules)
        images = self.images
        places = images.held_out[:STUDIED] if len(images.held_out) > 1 else images.train[:STUDIED]
        mu, _ = model.encode(*to_tensor(Batch.of(images, places), device))
        return {"used_latent": float(active_units(mu).double().mean())}

    @torch.no_grad()
    def study(self, modules: Modules, note: Note) -> Study:  # noqa: ARG002
        """The tighter bound, what is kept of a picture, and what each unit of the latent means."""
        model, device = self._model(modules)
        x, labels = to_tensor(Batch.of(self.images, self.images.held_out[:STUDIED]), device)
        mu, _ = model.encode(x, labels)
        again = self.likelihood.mean(model.decode(mu, labels))
        error = (again.clamp(-1, 1) - x).square().mean((1, 2, 3))
        # A picture of 64 pixels is decoded as often as one of 8, and takes a hundred times as long.
        bounded = max(16, min(STUDIED, STUDIED * 16**2 // self.images.size**2))
        scores = {
            "active_units": float(active_units(mu).sum()),
            "reconstruction_psnr": float((10 * torch.log10(4 / error)).mean()),
            f"bits_per_dim_of_{SAMPLES}_samples": self._bound(
                modules, self.images.held_out[:bounded], SAMPLES
            ),
        }
        tall = enlargement(self.images.size)
        beside = side_by_side(to_bytes(x[:COLUMNS]), to_bytes(again[:COLUMNS]), enlarge=tall)
        return Study(scores, {"reconstructions": beside} | self._ways(model, mu, labels, tall))

    def _ways(self, model: VAE, mu: Tensor, labels: Tensor | None, tall: int) -> dict[str, Image]:
        """Sheets of the decoder along its most used units, and from one picture to another."""
        first = None if labels is None else labels[:1]

        def decode(z: Tensor) -> Tensor:
            same = None if first is None else first.expand(len(z))
            return torch.from_numpy(to_bytes(self.likelihood.mean(model.decode(z, same))))

        used = mu.var(0).argsort(descending=True)[:UNITS].tolist()
        along = traversal(decode, mu[0], used)
        half = COLUMNS // 2
        between = interpolation(decode, mu[:half], mu[half : 2 * half], COLUMNS)
        return {
            "traversals": grid(along, len(along) // len(used), enlarge=tall),
            "interpolations": grid(between, COLUMNS, enlarge=tall),
        }

    def _bound(self, modules: Modules, places: NDArray[np.int64], samples: int) -> float:
        """Bits per dimension of the pictures at ``places`` by the importance-weighted bound; no label's cost."""
        model, device = self._model(modules)
        generator, total = torch.Generator(device).manual_seed(self.seed), 0.0
        for at in range(0, len(places), 256):
            x, labels = to_tensor(Batch.of(self.images, places[at : at + 256]), device)
            nats = importance_weighted_bound(
                x, labels, model.encode, model.decode, self.likelihood, samples=samples, generator=generator
            )
            total -= float(nats.sum())
        return total / (max(1, len(places)) * self.images.images[0].size * math.log(2))

    @staticmethod
    def _model(modules: Modules) -> tuple[VAE, torch.device]:
        model = cast(VAE, modules["vae"])
        return model, next(model.parameters()).device
