"""What DALL·E learns by: the next token of captions and codes (Ramesh et al. 2021, arXiv:2102.12092, section 2.2).

    L = 1/8 mean(-log p(token)) + 7/8 mean(-log p(code))

Captions are dropped now and then, so that the model knows pictures without words too, which classifier-free guidance
compares with (Ho and Salimans 2022, arXiv:2207.12598).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from luoxia.models.captions import PAD
from luoxia.objectives.phase import Draw, Loss

Predict = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass
class NextToken:
    """``texts`` (U, T) are the captions' tokens, ``of`` (N, L) which L of them a picture has, of which one is drawn each
    time; ``codes`` (A, N, n) are those of A appearances, as of the picture and its mirror image, of which one is drawn. ``untold`` (T,) is the caption of
    none, taken with probability ``drop``. ``text_weight`` is the captions' share of the loss. ``noise`` is the share
    of the codes that the model sees exchanged for random ones, while it learns to predict the true ones."""

    predict: Predict
    texts: Tensor
    of: Tensor
    codes: Tensor
    untold: Tensor
    code_count: int
    drop: float = 0.1
    text_weight: float = 1 / 8
    noise: float = 0.0

    def __call__(self, draw: Draw) -> Loss:
        assert draw.index is not None
        ids, codes, dropped = self.drawn(draw.index, draw.generator)
        of_words, of_codes = self.predict(ids, self._noisy(codes, draw.generator))
        image = F.cross_entropy(of_codes.flatten(0, 1).float(), codes.flatten())
        wanted, told = ids[:, 1:], ~dropped[:, None].expand(-1, ids.shape[1] - 1)
        counted = told[wanted != PAD]  # (M,)
        each = F.cross_entropy(of_words.float(), wanted[wanted != PAD], reduction="none")
        text = (each * counted).sum() / counted.sum().clamp(min=1)
        notes = {"nats_per_code": image.detach(), "nats_per_token": text.detach()}
        return Loss(self.text_weight * text + (1 - self.text_weight) * image, notes)

    def drawn(self, index: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Captions (B, T), codes (B, n), and which captions were dropped (B,)."""
        device = index.device
        if self.texts.device != device:
            self.texts, self.of, self.codes, self.untold = (
                t.to(device) for t in (self.texts, self.of, self.codes, self.untold)
            )

        def one_of(count: int) -> Tensor:
            return torch.randint(count, index.shape, generator=generator, device=device)

        ids = self.texts[self.of[index, one_of(self.of.shape[1])]].long()
        dropped = torch.rand(index.shape, generator=generator, device=device) < self.drop
        codes = self.codes[one_of(len(self.codes)), index].long()
        return torch.where(dropped[:, None], self.untold, ids), codes, dropped

    def _noisy(self, codes: Tensor, generator: torch.Generator) -> Tensor:
        if not self.noise:
            return codes
        other = torch.randint(self.code_count, codes.shape, generator=generator, device=codes.device)
        hit = torch.rand(codes.shape, generator=generator, device=codes.device) < self.noise
        return torch.where(hit, other, codes)
