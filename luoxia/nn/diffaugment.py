"""Differentiable augmentation of a fixed strength (Zhao et al., *Differentiable Augmentation for Data-Efficient GAN
Training*, arXiv:2006.10738, section 3.3): colour, translation and cutout, each on every picture.

Lighter than adaptive augmentation, and without anything to control; what it does may show in what is generated.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SHIFT, CUT = 1 / 8, 1 / 2  # of the side: the farthest translation, and the side of the square that is cut out


class DiffAugment(nn.Module):
    """Pictures (B, C, H, W) about [-1, 1] in, as many out, differentiable in the pictures."""

    def forward(self, pictures: Tensor, generator: torch.Generator) -> Tensor:
        def uniform(low: float, high: float) -> Tensor:
            drawn = torch.rand(len(pictures), 1, 1, 1, generator=generator, device=pictures.device)
            return low + (high - low) * drawn

        x = recoloured(pictures.float(), uniform(-0.5, 0.5), uniform(0, 2), uniform(0.5, 1.5))
        size = x.shape[-1]
        most = round(SHIFT * size)
        x = shifted(x, whole(uniform(-most, most + 1)), whole(uniform(-most, most + 1)))
        return holed(x, whole(uniform(0, size + 1)), whole(uniform(0, size + 1)), round(CUT * size))


def recoloured(x: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    """Light added, colour scaled about each pixel's grey, everything scaled about the picture's mean; (B, 1, 1, 1) each."""
    x = x + brightness
    grey = x.mean(1, keepdim=True)
    x = (x - grey) * saturation + grey
    mean = x.mean((1, 2, 3), keepdim=True)
    return (x - mean) * contrast + mean


def shifted(x: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Moved by whole pixels, each picture by its own (B, 1, 1, 1), zeros where nothing comes from."""
    count, channels, height, width = x.shape
    padded = F.pad(x, (1, 1, 1, 1))
    rows = (torch.arange(height, device=x.device)[:, None] - down.view(-1, 1, 1) + 1).clamp(0, height + 1)
    columns = (torch.arange(width, device=x.device)[None] - right.view(-1, 1, 1) + 1).clamp(0, width + 1)
    places = (rows * (width + 2) + columns).long().flatten(1)[:, None].expand(-1, channels, -1)
    return padded.flatten(2).gather(2, places).view(count, channels, height, width)


def holed(x: Tensor, y: Tensor, across: Tensor, side: int) -> Tensor:
    """With a square of ``side`` pixels around (y, across), (B, 1, 1, 1) each, set to zero."""
    rows = torch.arange(x.shape[-2], device=x.device)[:, None]
    columns = torch.arange(x.shape[-1], device=x.device)[None]
    inside = ((rows - y + side // 2) >= 0) & ((rows - y - (side + 1) // 2) < 0)
    inside = inside & ((columns - across + side // 2) >= 0) & ((columns - across - (side + 1) // 2) < 0)
    return x * ~inside


def whole(values: Tensor) -> Tensor:
    return values.floor()
