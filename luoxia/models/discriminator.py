"""The residual discriminator of StyleGAN2 (Karras et al. 2020, arXiv:1912.04958, section 4.1 and figure 7).

Names are those of the published checkpoints: ``b64`` to ``b4``, ``fromrgb``, ``conv0``, ``conv1``, ``skip``, ``fc``,
``out``, ``mapping``.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from luoxia.models.stylegan import GAIN, SIZES, SLOPE, Dense, Mapping
from luoxia.nn.resample import downsample, smooth

HALF = math.sqrt(0.5)  # of each branch of a residual sum, which keeps its variance


@dataclass(frozen=True)
class DiscriminatorConfig:
    """``size``, ``channels``, ``channel_base``, ``channel_max``, ``classes`` and ``clamp`` as of the generator.
    ``group`` pictures share a minibatch standard deviation in ``group_channels`` maps (0: none)."""

    size: int = 64
    channels: int = 3
    classes: int = 0
    channel_base: int = 32_768
    channel_max: int = 512
    mapping_layers: int = 8
    mapping_rate: float = 0.01
    group: int = 4
    group_channels: int = 1
    clamp: float = 0.0

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise ValueError(f"size is {self.size}; StyleGAN looks at pictures of 8, 16, 32 ... 1024 pixels")
        if self.channel_base < self.size:
            raise ValueError(f"channel_base is {self.channel_base}; it is at least the size, {self.size}")

    def width(self, resolution: int) -> int:
        """Channels at ``resolution``."""
        return min(self.channel_base // resolution, self.channel_max)

    @property
    def resolutions(self) -> list[int]:
        """From the picture's down to 8: those that a block halves."""
        return [2**i for i in range(self.size.bit_length() - 1, 2, -1)]

    def to_json(self) -> dict:
        return asdict(self)


class Conv(nn.Module):
    """A convolution with equalised learning rate, k x k, halving the picture where ``down``; leaky ReLU where ``active``."""

    def __init__(
        self,
        fan_in: int,
        out: int,
        kernel: int,
        *,
        down: bool = False,
        bias: bool = True,
        active: bool = True,
        gain: float = 1.0,
        clamp: float = 0.0,
    ) -> None:
        super().__init__()
        self.down, self.active, self.clamp, self.after = down, active, clamp * gain, gain
        self.gain = 1 / math.sqrt(fan_in * kernel**2)
        self.weight = nn.Parameter(torch.randn(out, fan_in, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(out)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        # The leaky ReLU is linear in positive factors: all gains go into the weights and the bias.
        after = self.after * (GAIN if self.active else 1.0)
        weight = (self.weight * (self.gain * after)).to(x.dtype)
        bias = None if self.bias is None else (self.bias * after).to(x.dtype)
        side = weight.shape[-1]
        if self.down and side == 1:
            x = F.conv2d(downsample(x), weight, bias)
        elif self.down:
            x = F.conv2d(smooth(x, padding=2), weight, bias, stride=2)
        else:
            x = F.conv2d(x, weight, bias, padding=side // 2)
        if self.active:
            x = F.leaky_relu(x, SLOPE)
        return x.clamp(-self.clamp, self.clamp) if self.clamp else x


class DiscriminatorBlock(nn.Module):
    """Two convolutions that halve the picture, and a skip beside them."""

    def __init__(self, config: DiscriminatorConfig, resolution: int) -> None:
        super().__init__()
        width, out, clamp = config.width(resolution), config.width(resolution // 2), config.clamp
        if resolution == config.size:
            self.fromrgb = Conv(config.channels, width, 1, clamp=clamp)
        self.conv0 = Conv(width, width, 3, clamp=clamp)
        self.conv1 = Conv(width, out, 3, down=True, gain=HALF, clamp=clamp)
        self.skip = Conv(width, out, 1, down=True, bias=False, active=False, gain=HALF)

    def forward(self, x: Tensor) -> Tensor:
        if hasattr(self, "fromrgb"):
            x = self.fromrgb(x)
        return self.skip(x) + self.conv1(self.conv0(x))


def minibatch_deviation(x: Tensor, group: int, channels: int) -> Tensor:
    """``x`` (B, C, H, W) with ``channels`` maps more, each the standard deviation over pictures of a group, averaged
    over places and its share of the channels (Karras et al. 2018, arXiv:1710.10196, section 3).

    A group is every (B / group)-th picture; the largest divisor of B up to ``group`` is taken.
    """
    count, width, height, across = x.shape
    size = next(n for n in range(min(group, count), 0, -1) if count % n == 0)
    y = x.float().reshape(size, count // size, channels, width // channels, height, across)
    y = (y - y.mean(0)).square().mean(0).add(1e-8).sqrt().mean((2, 3, 4))  # (B / size, channels)
    y = y.repeat(size, 1)[:, :, None, None].expand(-1, -1, height, across)
    return torch.cat([x, y.to(x.dtype)], 1)


class Epilogue(nn.Module):
    """From 4 pixels to one number, or as many as the class's projection has."""

    def __init__(self, config: DiscriminatorConfig, out: int) -> None:
        super().__init__()
        self.config, width = config, config.width(4)
        extra = config.group_channels if config.group else 0
        self.conv = Conv(width + extra, width, 3, clamp=config.clamp)
        self.fc = Dense(width * 16, width, active=True)
        self.out = Dense(width, out)

    def forward(self, x: Tensor) -> Tensor:
        if self.config.group:
            x = minibatch_deviation(x, self.config.group, self.config.group_channels)
        return self.out(self.fc(self.conv(x).float().flatten(1)))


class Tower(nn.Module):
    """Pictures (B, C, H, W) in [-1, 1] to ``out`` numbers each, (B, out) float32, by residual blocks that halve them."""

    def __init__(self, config: DiscriminatorConfig, out: int) -> None:
        super().__init__()
        self.config = config
        for r in config.resolutions:
            self.add_module(f"b{r}", DiscriminatorBlock(config, r))
        self.b4 = Epilogue(config, out)

    def numbers(self, images: Tensor) -> Tensor:
        kind = images.device.type
        x = images.contiguous(memory_format=torch.channels_last)
        if torch.is_autocast_enabled(kind):
            x = x.to(torch.get_autocast_dtype(kind))
        for r in self.config.resolutions:
            x = cast(DiscriminatorBlock, self.get_submodule(f"b{r}"))(x)
        return self.b4(x)


class StyleDiscriminator(Tower):
    """Pictures (B, C, H, W) in [-1, 1] to logits (B,) float32; with classes, by projection on the mapped class
    (Miyato and Koyama 2018, arXiv:1802.05637)."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        last = config.width(4)
        super().__init__(config, last if config.classes else 1)
        self.mapping = None
        if config.classes:
            layers, rate = config.mapping_layers, config.mapping_rate
            self.mapping = Mapping(0, config.classes, last, 0, layers=layers, rate=rate)

    def forward(self, images: Tensor, c: Tensor | None = None) -> Tensor:
        x = self.numbers(images)
        if self.mapping is None:
            return x[:, 0]
        return (x * self.mapping(None, c)).sum(1) / math.sqrt(x.shape[1])


class StyleEncoder(Tower):
    """Pictures (B, C, H, W) in [-1, 1] to the normal posterior of their z: mu and log variance, each (B, z_dim)."""

    def __init__(self, config: DiscriminatorConfig, z_dim: int) -> None:
        super().__init__(replace(config, classes=0, group=0), 2 * z_dim)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        mu, logvar = self.numbers(images).chunk(2, 1)
        return mu, logvar
