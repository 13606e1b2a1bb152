"""What is looked at of a StyleGAN beside what every game shows: how smooth W is, and what truncation costs."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from luoxia.core.images import enlargement
from luoxia.core.pixels import to_bytes
from luoxia.data.images import ImageSet
from luoxia.evaluate.perceptual import Perceptual
from luoxia.evaluate.perceptual_path_length import perceptual_path_length
from luoxia.evaluate.pictures import side_by_side
from luoxia.models.stylegan import StyleGAN
from luoxia.recipes.kernel_score import SMALL, KernelScore, missing
from luoxia.recipes.vitals import Tell, as_it_is
from luoxia.train.engine import Note, Study
from luoxia.train.randomness import generator

PAIRS, STUDIED = 128, 512  # ways whose length is measured at a checkpoint, and in a study
PSIS = (0.0, 0.25, 0.5, 0.7, 0.85, 1.0)
SHOWN = 10  # faces in a row of the sheet of truncations
BATCH = 64


class StyleGANStudy:
    """Looks at generators of ``images``; all that it draws follows from ``seed``."""

    def __init__(self, images: ImageSet, seed: int, z_dim: int, classes: int, tell: Tell = as_it_is) -> None:
        self.tell = tell
        self.images, self.seed, self.z_dim, self.classes = images, seed, z_dim, classes
        self._perceptual: Perceptual | None = None

    def scores(self, model: nn.Module) -> dict[str, float]:
        """``ppl``, with few pairs; nothing where no network sees such pictures."""
        if self.images.size <= SMALL or missing(self.images.size):
            return {}
        return {"ppl": self.path_length(cast(StyleGAN, model), PAIRS)}

    def study(self, model: nn.Module, score: KernelScore, note: Note) -> Study:
        """Distances at each truncation with a row of the same faces, and path lengths at the ends and between them."""
        found, generator = {}, cast(StyleGAN, model)
        if self.images.size > SMALL:
            note("path length", 0, 2)
            found["ppl"] = self.path_length(generator, STUDIED)
            note("path length", 1, 2)
            found["ppl_full"] = self.path_length(generator, STUDIED, ends=False)
            note("path length", 2, 2)
        rows = list[dict[str, Any]]()
        for i, psi in enumerate(PSIS):
            note("truncation", i, len(PSIS))
            rows.append({"psi": psi} | self._truncated(generator, psi, score))
        note("truncation", len(PSIS), len(PSIS))
        z, c = self._drawn(SHOWN, self._noise(generator, 1))
        faces = [to_bytes(self._made(generator, z, c, psi)) for psi in PSIS]
        sheet = side_by_side(*faces, enlarge=2 * enlargement(self.images.size))
        return Study(found, {"truncation": sheet}, {"truncation": rows})

    @torch.no_grad()
    def path_length(self, model: StyleGAN, pairs: int, *, ends: bool = True) -> float:
        """Of ``pairs`` straight ways in W, at their beginning or anywhere on them."""
        noise = self._noise(model, 0)
        first, c = self._drawn(pairs, noise)
        second, _ = self._drawn(pairs, noise)
        t = None if ends else torch.rand(pairs, generator=noise, device=noise.device)
        see = self._see(noise.device)

        def decode(w: Tensor) -> Tensor:
            return model.synthesis(w[:, None].repeat(1, model.config.num_ws, 1), "const")

        found = perceptual_path_length(
            decode,
            model.mapping(first, c)[:, 0],
            model.mapping(second, c)[:, 0],
            lambda a, b: see.distance(b, see.maps(a)),
            t=t,
        )
        return found.mean

    def _truncated(self, model: StyleGAN, psi: float, score: KernelScore) -> dict[str, float]:
        def draw(noise: torch.Generator) -> Tensor:
            z, c = self._drawn(BATCH, noise)
            return self._made(model, z, c, psi)

        with torch.no_grad():
            return score(draw, self._noise(model, 0).device)

    @staticmethod
    def _made(model: StyleGAN, z: Tensor, c: Tensor | None, psi: float) -> Tensor:
        return model(z, c, truncation_psi=psi, noise_mode="const")

    def _drawn(self, count: int, noise: torch.Generator) -> tuple[Tensor, Tensor | None]:
        z = torch.randn(count, self.z_dim, generator=noise, device=noise.device)
        return z, self.tell(torch.arange(count, device=noise.device) % self.classes) if self.classes else None

    def _noise(self, model: StyleGAN, place: int) -> torch.Generator:
        return generator(next(model.parameters()).device, self.seed, 0x53, place)

    def _see(self, device: torch.device) -> Perceptual:
        """Loaded at its first use: many models are opened and never measured."""
        if self._perceptual is None:
            self._perceptual = Perceptual(device)
        return self._perceptual
