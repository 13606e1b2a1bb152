"""A small network that enlarges pictures four times: all of it at the small size, then sixteen pixels from each place
(Shi et al. 2016, arXiv:1609.05158; residual blocks without normalisation: Lim et al. 2017, arXiv:1707.02921).

What it makes is added to the picture enlarged by a smooth filter, so that it draws edges and leaves flat colour alone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2


@dataclass(frozen=True)
class UpscalerConfig:
    """``scale`` times as many pixels a side; ``blocks`` of two convolutions of ``width`` channels."""

    scale: int = 4
    channels: int = 3
    width: int = 64
    blocks: int = 6

    def __post_init__(self) -> None:
        if self.scale not in (2, 4):
            raise ValueError(f"scale is {self.scale}; an upscaler enlarges 2 or 4 times")
        if min(self.channels, self.width, self.blocks) < 1:
            raise ValueError("channels, width and blocks are at least 1")

    def to_json(self) -> dict:
        return asdict(self)


class Block(nn.Module):
    """x + conv(lrelu(conv(x))), 3 x 3; the last convolution begins at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.leaky_relu(self.conv1(x), SLOPE))


class Upscaler(nn.Module):
    """Pictures (B, C, H, W) in [-1, 1] to (B, C, scale H, scale W) float32, about [-1, 1]."""

    def __init__(self, config: UpscalerConfig = UpscalerConfig()) -> None:
        super().__init__()
        self.config = config
        self.enter = nn.Conv2d(config.channels, config.width, 3, padding=1)
        self.blocks = nn.Sequential(*(Block(config.width) for _ in range(config.blocks)))
        self.leave = nn.Conv2d(config.width, config.channels * config.scale**2, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        first = self.enter(x)
        detail = self.leave(F.leaky_relu(first + self.blocks(first), SLOPE))
        return F.pixel_shuffle(detail.float(), self.config.scale) + smooth(x, self.config.scale)


def smooth(x: Tensor, scale: int) -> Tensor:
    """``x`` enlarged by bicubic interpolation, float32."""
    return F.interpolate(x.float(), scale_factor=scale, mode="bicubic", align_corners=False)
