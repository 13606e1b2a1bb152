"""What an upscaler learns by: pixels, how pictures look to a network, and the game of patches (Ledig et al. 2017,
arXiv:1609.04802, section 2.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from luoxia.objectives.patch_game import Adversary
from luoxia.objectives.phase import Draw, Loss


@dataclass(frozen=True)
class UpscaleLoss:
    """|x^ - x| + ``weight`` perceptual(x^, x) + adversary. ``pair`` gives of a batch large pictures x and small ones,
    which ``enlarge`` makes x^ of; ``perceptual`` a distance of each pair, (B,)."""

    pair: Callable[[Draw], tuple[Tensor, Tensor]]
    enlarge: Callable[[Tensor], Tensor]
    perceptual: Callable[[Tensor, Tensor], Tensor] | None = None
    weight: float = 0.0
    adversary: Adversary | None = None

    def __call__(self, draw: Draw) -> Loss:
        large, small = self.pair(draw)
        made = self.enlarge(small).float()
        value = F.l1_loss(made, large)
        notes = {
            "reconstruction": value,
            "psnr": 10 * torch.log10(4 / F.mse_loss(made.clamp(-1, 1), large).clamp_min(1e-9)),
        }
        if self.perceptual is not None and self.weight:
            notes["perceptual"] = self.perceptual(made, large).mean()
            value = value + self.weight * notes["perceptual"]
        if self.adversary is not None and self.adversary.strength():
            notes["adversarial"] = self.adversary(made, value)
            value = value + notes["adversarial"]
        return Loss(value, {k: v.detach() for k, v in notes.items()})
