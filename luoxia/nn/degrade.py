"""From large pictures to small ones as a generator of codes would have drawn them: blurred, noisy, wrong in patches.

An upscaler that learned from clean small pictures alone enlarges a decoder's blur with care; one that saw the like
draws the edge that was meant (Wang et al. 2021, arXiv:2107.10833, section 3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

PATCH = 8  # pixels of a small picture that a code stands for


@dataclass(frozen=True)
class Degrade:
    """(B, C, sH, sW) in [-1, 1] to (B, C, H, W): area means of s by s pixels, then with strengths drawn anew for each
    picture, uniform from 0,

    blur up to ``blur`` pixels (a Gaussian's sigma), colours of patches off by up to ``patches`` (a smooth field of one
    number for each ``PATCH`` pixels), noise of up to ``noise``.

    Pictures go ``through`` an autoencoder's codes with probability ``share`` instead, where one is given.
    """

    scale: int = 4
    blur: float = 0.9
    patches: float = 0.03
    noise: float = 0.03
    through: Callable[[Tensor], Tensor] | None = None
    share: float = 0.5

    @torch.no_grad()
    def __call__(self, pictures: Tensor, generator: torch.Generator) -> Tensor:
        small = F.avg_pool2d(pictures, self.scale)
        count, device = len(small), small.device

        def uniform() -> Tensor:
            return torch.rand(count, 1, 1, 1, generator=generator, device=device)

        made = blurred(small, self.blur * uniform())
        height, width = small.shape[2:]
        field = (count, small.shape[1], max(1, height // PATCH), max(1, width // PATCH))
        coarse = torch.randn(field, generator=generator, device=device)
        off = F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
        made = made + self.patches * uniform() * off
        made = made + self.noise * uniform() * torch.randn(made.shape, generator=generator, device=device)
        chosen = uniform().flatten() < self.share
        if self.through is not None and bool(chosen.any()):
            made[chosen] = self.through(small[chosen]).to(made.dtype)
        return made.clamp(-1, 1)


def blurred(x: Tensor, sigma: Tensor) -> Tensor:
    """``x`` (B, C, H, W) filtered by a Gaussian of its own ``sigma`` (B, 1, 1, 1) in pixels, 7 by 7; edges repeat."""
    reach = 3
    at = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    taps = torch.exp(-0.5 * (at / sigma.clamp_min(1e-3)) ** 2).flatten(1)  # (B, 7)
    taps = taps / taps.sum(1, keepdim=True)
    count, channels = x.shape[:2]
    flat = F.pad(x, (reach,) * 4, mode="replicate").flatten(0, 1)[None]  # (1, B C, H, W)
    each = taps.repeat_interleave(channels, 0)[:, None]  # (B C, 1, 7)
    flat = F.conv2d(flat, each[:, :, :, None], groups=count * channels)
    return F.conv2d(flat, each[:, :, None, :], groups=count * channels).view(x.shape)


def cropped(large: Tensor, small: Tensor, side: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The same random square of both, ``side`` pixels of ``small`` (B, C, H, W) and as much of ``large``."""
    scale, room = large.shape[-1] // small.shape[-1], small.shape[-1] - side
    if room <= 0:
        return large, small
    corner = torch.randint(room + 1, (len(small), 2), generator=generator, device=small.device).tolist()
    parts = [
        (
            a[:, scale * y : scale * (y + side), scale * x : scale * (x + side)],
            b[:, y : y + side, x : x + side],
        )
        for a, b, (y, x) in zip(large, small, corner, strict=True)
    ]
    of_large, of_small = (torch.stack(side_of) for side_of in zip(*parts, strict=True))
    form = torch.channels_last
    return of_large.contiguous(memory_format=form), of_small.contiguous(memory_format=form)
