"""A discriminator that judges patches: a logit for every place of a coarse map, whose field of view is a part of the
picture (Isola et al. 2017, arXiv:1611.07004, section 3.2.2), as vector-quantised GANs and upscalers play against.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2


@dataclass(frozen=True)
class PatchDiscriminatorConfig:
    """``width`` channels at a ``stem``-th of the picture's side, doubled at each of ``halvings``."""

    channels: int = 3
    width: int = 32
    stem: int = 2
    halvings: int = 2

    def to_json(self) -> dict:
        return asdict(self)


class PatchDiscriminator(nn.Module):
    """Pictures (B, C, H, W) in [-1, 1] to logits (B, h w) float32, h = H / (stem 2^halvings).

    With the defaults a logit sees 30 by 30 pixels. No normalisation: it would tell pictures of a batch of each other.
    """

    def __init__(self, config: PatchDiscriminatorConfig = PatchDiscriminatorConfig()) -> None:
        super().__init__()
        self.config, width = config, config.width
        kernel = 2 * config.stem
        layers: list[nn.Module] = [
            nn.Conv2d(config.channels, width, kernel, config.stem, config.stem // 2),
            nn.LeakyReLU(SLOPE),
        ]
        for _ in range(config.halvings):
            layers += [nn.Conv2d(width, 2 * width, 4, 2, 1), nn.LeakyReLU(SLOPE)]
            width *= 2
        layers += [nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(SLOPE)]
        self.stages, self.leave = nn.Sequential(*layers), nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:  # noqa: ARG002
        if min(x.shape[2:]) < self.config.stem * 2**self.config.halvings:
            side = self.config.stem * 2**self.config.halvings  # a patch at least
            x = F.interpolate(x, (side, side))
        return self.leave(self.stages(x)).float().flatten(1)
