"""The discrete autoencoder: a picture as a square of codes (Ramesh et al. 2021, arXiv:2102.12092, section 2.1).

64 pixels become 8 by 8 codes by default. The encoder begins with patches of 4 pixels, whose convolution is one matrix
product, so that nothing is computed at full size; the decoder ends at half size with the four pixels of each place.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from luoxia.nn.pixel_map import unmap_pixels
from luoxia.nn.quantise import (
    Annealing,
    FiniteScalar,
    GumbelSoftmax,
    Quantised,
    Quantiser,
    VectorQuantiser,
)

PATCH = 4
QUANTISERS = ("fsq", "vq", "gumbel")


@dataclass(frozen=True)
class DVAEConfig:
    """``size`` H = W in pixels; ``factor`` pixels a side to a code, 4, 8 or 16; ``width`` channels at size / 4, half as
    many more at each halving; ``blocks`` residual blocks at each size, on either side.

    ``quantiser`` "fsq" has the ``levels`` of its channels, "vq" and "gumbel" a ``codebook`` of vectors of
    ``code_width``. ``outputs`` 1: pictures; 2: mean and log-scale of a logit-Laplace distribution.
    """

    size: int = 64
    channels: int = 3
    factor: int = 8
    width: int = 128
    blocks: int = 2
    quantiser: str = "fsq"
    levels: tuple[int, ...] = (8, 5, 5, 5)
    codebook: int = 1024
    code_width: int = 32
    outputs: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", tuple(self.levels))  # JSON has lists alone
        if self.factor not in (4, 8, 16):
            raise ValueError(f"factor is {self.factor}; a code stands for 4, 8 or 16 pixels a side")
        if self.size < self.factor or self.size % self.factor:
            raise ValueError(f"size is {self.size}; it is a multiple of the factor, {self.factor}")
        if self.quantiser not in QUANTISERS:
            raise ValueError(f"quantiser is {self.quantiser!r}; give {', '.join(QUANTISERS)}")
        if self.outputs not in (1, 2) or min(self.channels, self.width, self.blocks) < 1:
            raise ValueError("outputs is 1 or 2; channels, width and blocks are at least 1")

    @property
    def side(self) -> int:
        """h = w of the codes."""
        return self.size // self.factor

    @property
    def codes(self) -> int:
        """K."""
        return math.prod(self.levels) if self.quantiser == "fsq" else self.codebook

    @property
    def widths(self) -> list[int]:
        """Channels at size / 4, and at each half of it down to the codes."""
        return [self.width * (2 + i) // 2 for i in range((self.factor // PATCH).bit_length())]

    def make(self, annealing: Annealing = Annealing()) -> Quantiser:
        """The quantiser that this describes."""
        if self.quantiser == "fsq":
            return FiniteScalar(self.levels)
        if self.quantiser == "vq":
            return VectorQuantiser(self.codebook, self.code_width)
        pixels = self.channels * self.factor**2
        return GumbelSoftmax(self.codebook, self.code_width, pixels=pixels, annealing=annealing)

    def of_size(self, size: int) -> DVAEConfig:
        """The same network for pictures of ``size``: its weights do not depend on it."""
        return replace(self, size=size)

    def to_json(self) -> dict:
        return asdict(self)


class Residual(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), 3 x 3; the last convolution begins at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        groups = _groups(channels)
        self.norm1, self.norm2 = nn.GroupNorm(groups, channels), nn.GroupNorm(groups, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(y)))


class Leave(nn.Module):
    """conv(silu(norm(x))) in float32: bf16 cannot tell 256 grey levels apart."""

    def __init__(self, channels: int, out: int, kernel: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(_groups(channels), channels)
        self.conv = nn.Conv2d(channels, out, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.norm(x))
        with torch.autocast(x.device.type, enabled=False):
            return self.conv(x.float())


def _groups(channels: int) -> int:
    return next(n for n in (8, 4, 2, 1) if channels % n == 0)


class Encoder(nn.Sequential):
    """x (B, C, H, W) -> (B, inputs of the quantiser, h, w)."""

    def __init__(self, config: DVAEConfig, out: int) -> None:
        widths, layers = config.widths, []
        for i, width in enumerate(widths):
            enter = (
                nn.Conv2d(widths[i - 1], width, 2, stride=2)
                if i
                else nn.Conv2d(config.channels, width, PATCH, stride=PATCH)
            )
            layers += [enter, *(Residual(width) for _ in range(config.blocks))]
        super().__init__(*layers, Leave(widths[-1], out, 1))


class Decoder(nn.Sequential):
    """Values of codes (B, outputs of the quantiser, h, w) -> (B, outputs C, H, W)."""

    def __init__(self, config: DVAEConfig, given: int) -> None:
        widths = [*config.widths[::-1], config.width // 2]
        layers: list[nn.Module] = [nn.Conv2d(given, widths[0], 3, padding=1)]
        for i, width in enumerate(widths[:-1]):
            layers += [Residual(width) for _ in range(config.blocks)]
            layers += [nn.Conv2d(width, 4 * widths[i + 1], 1), nn.PixelShuffle(2)]
        layers += [Residual(widths[-1]), Leave(widths[-1], 4 * config.outputs * config.channels, 3)]
        super().__init__(*layers, nn.PixelShuffle(2))


class DiscreteVAE(nn.Module):
    """``encode_ids`` x (B, C, H, W) in [-1, 1] to codes (B, h w) int64, row by row; ``decode_ids`` back."""

    def __init__(self, config: DVAEConfig, annealing: Annealing = Annealing()) -> None:
        super().__init__()
        self.config = config
        self.quantiser = config.make(annealing)
        self.encoder = Encoder(config, self.quantiser.inputs)
        self.decoder = Decoder(config, self.quantiser.outputs)

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Quantised]:
        """What the decoder says of pictures (B, outputs C, H, W) float32, and what went through the middle."""
        quantised = self.quantiser(self.encoder(x), generator)
        return self.decoder(quantised.values).float(), quantised

    def mean(self, output: Tensor) -> Tensor:
        """The picture that a decoder's output stands for, (B, C, H, W) in about [-1, 1]."""
        if self.config.outputs == 1:
            return output
        return unmap_pixels(output.chunk(2, 1)[0].sigmoid())

    def encode_ids(self, x: Tensor) -> Tensor:
        return self.quantiser.code(self.encoder(x)).flatten(1)

    def decode_ids(self, codes: Tensor) -> Tensor:
        side = int(codes.shape[1] ** 0.5)
        values = self.quantiser.value(codes.view(len(codes), side, side))
        return self.mean(self.decoder(values).float()).clamp(-1, 1)

    def last_weight(self) -> Tensor:
        """The weights that pixels come from, which an adaptive weight of losses looks at."""
        return cast(Leave, self.decoder[-2]).conv.weight
