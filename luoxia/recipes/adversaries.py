"""What every game of a generator and a discriminator shows, is scored by, and is watched for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from luoxia.core.images import enlargement
from luoxia.core.pixels import to_bytes
from luoxia.data.images import ImageSet
from luoxia.evaluate.latent import interpolation
from luoxia.evaluate.pictures import grid
from luoxia.objectives.phase import Phase
from luoxia.recipes.kernel_score import KernelScore, missing
from luoxia.recipes.vitals import GameVitals, Tell, as_it_is
from luoxia.train.engine import Modules, Note, Study, Training
from luoxia.train.randomness import generator

PICTURES = 64
VITALS, WAYS = 0x51, 0x52  # of the latents among all that is drawn from a seed
ROWS, COLUMNS = 6, 12  # of the sheet of ways between latents
Draw = Callable[
    [nn.Module, Tensor, Tensor | None], Tensor
]  # of the generator, latents (B, D) and classes (B,)


@dataclass(frozen=True)
class Besides:
    """What generators of one kind are asked besides: more ``scores`` at checkpoints, and a ``study`` of their own."""

    scores: Callable[[nn.Module], dict[str, float]]
    study: Callable[[nn.Module, KernelScore, Note], Study]


class Adversaries:
    """``draw`` makes pictures of latents z. The study goes from one latent to another, on the arc between z, or
    straight between what ``latents`` makes of z, which ``decode`` turns into pictures. ``tell`` is how the networks
    are told a class."""

    def __init__(
        self,
        images: ImageSet,
        seed: int,
        latent: int,
        classes: int,
        draw: Draw,
        *,
        latents: Draw | None = None,
        decode: Draw | None = None,
        besides: Besides | None = None,
        tell: Tell = as_it_is,
    ) -> None:
        self.images, self.seed, self.latent, self.classes = images, seed, latent, classes
        self.draw, self.latents, self.decode = draw, latents, decode or draw
        self.besides, self.tell = besides, tell
        self._score, self._watched = KernelScore(images, seed), GameVitals(images, seed, tell)
        self.asked = np.arange(PICTURES) % classes if classes else None

    def training(
        self,
        modules: dict[str, nn.Module],
        phases: Sequence[Phase],
        facts: dict[str, Any],
        more: Callable[[], dict[str, float]] = dict,
    ) -> Training:
        """The training of ``modules``, "generator" and "discriminator" among them; ``more`` gives vitals of its own."""
        return Training(
            modules,
            phases,
            averaged=("generator",),
            pictures=self.pictures,
            scores=self.scores,
            best=("kid", True),
            facts=facts | {"scores": self._score.facts},
            warnings=missing(self.images.size),
            study=self.study,
            labels=self.asked,
            vitals=lambda modules: self.vitals(modules) | more(),
        )

    def pictures(self, modules: Modules, noise: torch.Generator) -> Tensor:
        model, z = modules["generator"], self._normal(PICTURES, noise)
        return self.draw(model, z, self._classes(PICTURES, z.device))

    @torch.no_grad()
    def scores(self, modules: Modules) -> dict[str, float]:
        found = self._score(lambda noise: self.pictures(modules, noise), self._device(modules))
        return found | (self.besides.scores(modules["generator"]) if self.besides else {})

    @torch.no_grad()
    def vitals(self, modules: Modules) -> dict[str, float]:
        made = self.pictures(modules, generator(self._device(modules), self.seed, VITALS))
        return self._watched(modules["discriminator"], made, self.asked)

    @torch.no_grad()
    def study(self, modules: Modules, note: Note) -> Study:
        """Ways between latents: a generator that has learned the set has no seam in them."""
        model, device = modules["generator"], self._device(modules)
        z = self._normal(2 * ROWS, generator(device, self.seed, WAYS))
        classes = self._classes(ROWS, device)
        ends = [z[:ROWS], z[ROWS:]]
        if self.latents is not None:
            ends = [self.latents(model, end, classes) for end in ends]
        same = None if classes is None else classes.repeat_interleave(COLUMNS, 0)

        def decode(way: Tensor) -> Tensor:
            return torch.from_numpy(to_bytes(self.decode(model, way, same)))

        ways = interpolation(decode, ends[0], ends[1], COLUMNS, spherical=self.latents is None)
        sheet = {"interpolations": grid(ways, COLUMNS, enlarge=enlargement(self.images.size))}
        if self.besides is None:
            return Study({}, sheet)
        more = self.besides.study(model, self._score, note)
        return Study(more.scores, sheet | more.pictures, more.tables)

    def _normal(self, count: int, noise: torch.Generator) -> Tensor:
        return torch.randn(count, self.latent, generator=noise, device=noise.device)

    def _classes(self, count: int, device: torch.device) -> Tensor | None:
        return self.tell(torch.arange(count, device=device) % self.classes) if self.classes else None

    @staticmethod
    def _device(modules: Modules) -> torch.device:
        return next(modules["generator"].parameters()).device
