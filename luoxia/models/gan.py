"""Generators and discriminators before StyleGAN: DCGAN, and residual networks with upsampling.

``kind`` "dcgan" follows Radford et al. 2016 (arXiv:1511.06434): transposed convolutions with batch normalisation in
the generator, strided ones in the discriminator. "residual" follows Gulrajani et al. 2017 (arXiv:1704.00028,
appendix F): residual blocks, and no batch normalisation in the critic, whose penalty looks at one picture at a time.
With ``classes`` the generator's input carries an embedding of the label and the discriminator's logit the inner
product of its features with one (Miyato and Koyama 2018, arXiv:1802.05637).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class GANConfig:
    """``size`` H = W in pixels, a power of two from 8 on; ``width`` channels at half the full resolution."""

    size: int
    channels: int = 3
    latent: int = 128
    width: int = 64
    kind: str = "residual"
    classes: int = 0
    batch_norm: bool = True  # in the generator; and in a dcgan discriminator

    def __post_init__(self) -> None:
        if self.kind not in ("dcgan", "residual"):
            raise ValueError(f"kind is {self.kind!r}; a GAN here is 'dcgan' or 'residual'")
        if self.size < 8 or self.size & (self.size - 1):
            raise ValueError(f"size is {self.size}; these networks take powers of two from 8 on")
        if min(self.channels, self.latent, self.width) < 1:
            raise ValueError("channels, latent and width are at least 1")

    def to_json(self) -> dict:
        return asdict(self)

    @property
    def widths(self) -> list[int]:
        """Channels from 4 pixels to half the full resolution (dcgan: doubling towards the small side)."""
        doublings = self.size.bit_length() - 3
        if self.kind == "residual":
            return [self.width * 2] * 2 + [self.width] * (doublings - 1)
        return [self.width * min(2 ** (doublings - 1 - i), 8) for i in range(doublings)]


class Upscaling(nn.Module):
    """A residual block that doubles the resolution: nearest neighbour, then 3 x 3."""

    def __init__(self, n_in: int, n_out: int, batch_norm: bool) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(n_in) if batch_norm else nn.Identity()
        self.norm2 = nn.BatchNorm2d(n_out) if batch_norm else nn.Identity()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, padding=1)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1)
        self.skip = nn.Conv2d(n_in, n_out, 1) if n_in != n_out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.interpolate(F.relu(self.norm1(x)), scale_factor=2))
        y = self.conv2(F.relu(self.norm2(y)))
        return y + F.interpolate(self.skip(x), scale_factor=2)


class Downscaling(nn.Module):
    """A residual block that halves the resolution by averaging; ``first`` skips the activation on raw pixels."""

    def __init__(self, n_in: int, n_out: int, *, first: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, padding=1)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1)
        self.skip = nn.Conv2d(n_in, n_out, 1)
        self.first = first

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(x if self.first else F.relu(x))
        return F.avg_pool2d(self.conv2(F.relu(y)), 2) + self.skip(F.avg_pool2d(x, 2))


class Generator(nn.Module):
    """z (B, D), labels (B,) or None -> images (B, C, H, W) in [-1, 1]."""

    def __init__(self, config: GANConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.label = nn.Embedding(config.classes, config.latent) if config.classes else None
        entered = config.latent * (2 if config.classes else 1)
        self.enter = nn.Linear(entered, widths[0] * 16)
        stages: list[nn.Module] = []
        if config.kind == "residual":
            stages = [Upscaling(a, b, config.batch_norm) for a, b in itertools.pairwise(widths)]
            last = widths[-1]
            stages += [nn.BatchNorm2d(last) if config.batch_norm else nn.Identity(), nn.ReLU()]
            stages.append(nn.Conv2d(last, config.channels, 3, padding=1))
        else:
            for a, b in zip(widths, [*widths[1:], None], strict=True):
                stages += [nn.BatchNorm2d(a) if config.batch_norm else nn.Identity(), nn.ReLU()]
                stages.append(nn.ConvTranspose2d(a, b or config.channels, 4, stride=2, padding=1))
        self.stages = nn.Sequential(*stages)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.label is not None:
            z = torch.cat([z, self.label(labels)], dim=1)
        return self.stages(self.enter(z).unflatten(1, (-1, 4, 4))).tanh()


class Discriminator(nn.Module):
    """images (B, C, H, W), labels (B,) or None -> logits (B,); also the critic of a Wasserstein GAN."""

    def __init__(self, config: GANConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths[::-1]
        stages: list[nn.Module] = []
        if config.kind == "residual":
            for i, n_out in enumerate(widths[1:]):
                stages.append(Downscaling(config.channels if i == 0 else widths[i], n_out, first=i == 0))
            stages.append(nn.ReLU())
        else:
            n_in = config.channels
            for i, n_out in enumerate(widths):
                stages.append(nn.Conv2d(n_in, n_out, 4, stride=2, padding=1))
                if i and config.batch_norm:
                    stages.append(nn.BatchNorm2d(n_out))
                stages.append(nn.LeakyReLU(0.2))
                n_in = n_out
        self.stages = nn.Sequential(*stages)
        features = widths[-1] * 16
        self.leave = nn.Linear(features, 1)
        self.label = nn.Embedding(config.classes, features) if config.classes else None

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        features = self.stages(x).flatten(1)
        logits = self.leave(features)[:, 0]
        if self.label is not None:
            logits = logits + (self.label(labels) * features).sum(1) / math.sqrt(features.shape[1])
        return logits
