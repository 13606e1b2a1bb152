"""What a network that gives pictures back shows and is scored by: held-out pictures beside what it makes of them."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from luoxia.core.images import enlargement
from luoxia.core.language import Text
from luoxia.core.pixels import to_bytes
from luoxia.data.batches import Batch
from luoxia.data.images import ImageSet
from luoxia.evaluate.codebook import codebook_use
from luoxia.evaluate.perceptual import Perceptual
from luoxia.evaluate.pictures import side_by_side
from luoxia.recipes import kernel_score
from luoxia.train.engine import Modules, Note, Study, to_tensor
from luoxia.weights import catalogue

PICTURES, COLUMNS = 32, 8  # of a sample sheet, each with its original above it
SCORED = 256  # held-out pictures
COUNTED = 1_024  # training pictures whose codes are counted
BATCH = 64

Again = Callable[[nn.Module, Tensor], tuple[Tensor, Tensor | None]]


class Reconstructions:
    """``again`` gives pictures back, and their codes (B, T) of a codebook of ``codes``, or None."""

    def __init__(self, images: ImageSet, seed: int, again: Again, name: str, codes: int = 0) -> None:
        self.images, self.again, self.name, self.codes = images, again, name, codes
        held_out = images.held_out if len(images.held_out) else images.train
        draw = np.random.Generator(np.random.PCG64(seed))
        self._held_out = np.sort(draw.permutation(held_out)[:SCORED])
        self._train = np.sort(draw.permutation(images.train)[:COUNTED])
        self._sheet = draw.permutation(held_out)[:PICTURES]
        self._perceptual = functools.cache(Perceptual)

    @property
    def warnings(self) -> tuple[Text, ...]:
        if self._sees:
            return ()
        return (
            Text(
                f"checkpoints are ranked by pixels alone: `luoxia models get {kernel_score.NETWORK}` brings what sees them",
                f"检查点只按像素排序：`luoxia models get {kernel_score.NETWORK}` 可下载感知图片的网络",
            ),
        )

    @property
    def best(self) -> tuple[str, bool]:
        return ("perceptual", True) if self._sees else ("psnr", False)

    @property
    def _sees(self) -> bool:
        return catalogue.is_here(catalogue.find(kernel_score.NETWORK, "features"))

    @torch.no_grad()
    def pictures(self, modules: Modules, noise: torch.Generator) -> Tensor:
        """Held-out pictures, drawn by ``noise``, given back."""
        model = modules[self.name]
        held_out = self.images.held_out if len(self.images.held_out) else self.images.train
        chosen = torch.randint(len(held_out), (BATCH,), generator=noise, device=noise.device)
        return self.again(model, self._of(held_out[chosen.cpu().numpy()], model))[0]

    @torch.no_grad()
    def beside(self, modules: Modules, _: torch.Generator) -> Tensor:
        """Rows of held-out pictures, each above the row of what is given back."""
        model = modules[self.name]
        x = self._of(self._sheet, model)
        rows = zip(x.split(COLUMNS), self.again(model, x)[0].split(COLUMNS), strict=True)
        return torch.cat([row for pair in rows for row in pair])

    @torch.no_grad()
    def scores(self, modules: Modules) -> dict[str, float]:
        model = modules[self.name]
        found, codes = self._measured(model, self._held_out)
        means = {name: float(torch.cat(values).mean()) for name, values in found.items()}
        if codes:
            use = codebook_use(torch.cat([*codes, *self._codes(model)]), self.codes)
            means |= {"codes_used": use.used, "perplexity": use.perplexity}
        return means

    @torch.no_grad()
    def vitals(self, modules: Modules) -> dict[str, float]:
        """How many of the codes are in use, over how many of evenly used ones as many pictures would show."""
        if not self.codes:
            return {}
        return {"codebook_use": codebook_use(torch.cat(self._codes(modules[self.name])), self.codes).health}

    @torch.no_grad()
    def study(self, modules: Modules, note: Note) -> Study:
        """Held-out pictures: the ones given back best, those given back worst, and a sheet of any."""
        model = modules[self.name]
        places = self._held_out
        found, _ = self._measured(model, places, lambda done: note("reconstructions", done, len(places)))
        error = torch.cat(found["psnr"])
        order = error.argsort(descending=True).cpu().numpy()
        any_of = np.arange(min(len(places), 2 * COLUMNS))
        sheets = {
            "reconstructions": any_of,
            "best_reconstructions": order[: 2 * COLUMNS],
            "worst_reconstructions": order[::-1][: 2 * COLUMNS],
        }
        quartiles = torch.quantile(
            error.double(), torch.tensor([0.05, 0.5], dtype=torch.float64, device=error.device)
        )
        scores = {"psnr_5": float(quartiles[0]), "psnr_50": float(quartiles[1])}
        pictures = {name: self._pairs(model, places[chosen]) for name, chosen in sheets.items()}
        return Study(scores, pictures)

    def _pairs(self, model: nn.Module, places: NDArray[np.int64]):
        x = self._of(places, model)
        return side_by_side(to_bytes(x), to_bytes(self.again(model, x)[0]), enlarge=enlargement(x.shape[-1]))

    def _measured(
        self, model: nn.Module, places: NDArray[np.int64], heard: Callable[[int], None] = lambda _: None
    ) -> tuple[dict[str, list[Tensor]], list[Tensor]]:
        """``psnr`` and ``perceptual`` of each picture at ``places``, and their codes, a batch at a time."""
        found: dict[str, list[Tensor]] = {"psnr": []} | ({"perceptual": []} if self._sees else {})
        codes = []
        for at in range(0, len(places), BATCH):
            x = self._of(places[at : at + BATCH], model)
            made, some = self.again(model, x)
            error = (made.clamp(-1, 1) - x).square().mean((1, 2, 3)).clamp_min(1e-9)
            found["psnr"].append(10 * torch.log10(4 / error))
            if self._sees:
                network = self._perceptual(x.device)
                found["perceptual"].append(network.distance(made, network.maps(x)))
            codes += [] if some is None else [some.flatten()]
            heard(min(at + BATCH, len(places)))
        return found, codes

    def _codes(self, model: nn.Module) -> list[Tensor]:
        """Of training pictures."""
        batches = (self._train[at : at + BATCH] for at in range(0, len(self._train), BATCH))
        found = (self.again(model, self._of(places, model))[1] for places in batches)
        return [codes.flatten() for codes in found if codes is not None]

    def _of(self, places: NDArray[np.int64], model: nn.Module) -> Tensor:
        return to_tensor(Batch.of(self.images, places), next(model.parameters()).device)[0]
