"""The generator of StyleGAN2 (Karras et al. 2020, arXiv:1912.04958): z to w by a mapping network, w to pictures.

Names are those of the published checkpoints: ``mapping``, ``synthesis``, ``b4`` to ``b1024``, ``conv0``, ``conv1``,
``torgb``, ``affine``, ``noise_const``, ``noise_strength``, ``w_avg``.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from luoxia.models.fitted_prior import FittedPrior
from luoxia.nn.modulated import Kept, modulated_conv2d
from luoxia.nn.resample import upsample

SLOPE, GAIN = 0.2, math.sqrt(2.0)  # of the leaky ReLU, and what keeps its output's variance
NOISES = ("random", "const", "none")
OUTPUTS = ("skip", "orig")
SIZES = tuple(2**i for i in range(3, 11))  # pixels


@dataclass(frozen=True)
class StyleGANConfig:
    """``size`` H = W, a power of two from 8 to 1024. A resolution r has min(``channel_base`` / r, ``channel_max``)
    channels. ``classes`` K: the mapping is told a class. ``output`` "skip" adds up the pictures of all resolutions,
    "orig" takes that of the last. ``clamp`` bounds activations (0: not), as half precision of small range needs. ``fitted``:
    z is drawn from a prior that followed an encoder, :class:`luoxia.models.fitted_prior.FittedPrior`."""

    size: int = 64
    channels: int = 3
    z_dim: int = 512
    w_dim: int = 512
    classes: int = 0
    mapping_layers: int = 8
    mapping_rate: float = 0.01
    channel_base: int = 32_768
    channel_max: int = 512
    output: str = "skip"
    clamp: float = 0.0
    w_avg_beta: float = 0.998
    fitted: bool = False

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise ValueError(f"size is {self.size}; StyleGAN makes pictures of 8, 16, 32 ... 1024 pixels")
        if self.output not in OUTPUTS:
            raise ValueError(f"output is {self.output!r}; give {' or '.join(OUTPUTS)}")
        if min(self.channels, self.w_dim, self.mapping_layers, self.channel_max) < 1 or self.z_dim < 0:
            raise ValueError(
                "channels, w_dim, mapping_layers and channel_max are at least 1, z_dim at least 0"
            )
        if self.channel_base < self.size:
            raise ValueError(f"channel_base is {self.channel_base}; it is at least the size, {self.size}")

    @property
    def resolutions(self) -> list[int]:
        return [2**i for i in range(2, self.size.bit_length())]

    def width(self, resolution: int) -> int:
        """Channels at ``resolution``."""
        return min(self.channel_base // resolution, self.channel_max)

    @property
    def num_ws(self) -> int:
        """Styles that one picture reads: one a convolution, and the last picture's own."""
        return 2 * len(self.resolutions)

    def to_json(self) -> dict:
        return asdict(self)


class Dense(nn.Module):
    """y = act(x W^T g + b m), with equalised learning rate (Karras et al. 2018, arXiv:1710.10196, section 4.1).

    Weights are kept at unit variance over ``rate`` m and scaled by g = m / sqrt(fan in) when they are used, so that
    Adam moves layers of all widths alike, and the mapping network ``rate`` times slower.
    """

    def __init__(
        self, fan_in: int, out: int, *, rate: float = 1.0, bias: float = 0.0, active: bool = False
    ) -> None:
        super().__init__()
        self.rate, self.active, self.gain = rate, active, rate / math.sqrt(fan_in)
        self.weight = nn.Parameter(torch.randn(out, fan_in) / rate)
        self.bias = nn.Parameter(torch.full((out,), bias))

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):  # styles are few, and scale everything
            y = F.linear(x.float(), self.weight * self.gain, self.bias * self.rate)
            return F.leaky_relu(y, SLOPE) * GAIN if self.active else y


def normalised(x: Tensor) -> Tensor:
    """x / sqrt(mean x^2) of each row: (B, D) on the sphere of radius sqrt(D)."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def one_hot(c: Tensor | None, classes: int, count: int) -> Tensor:
    """Classes (B,) int64, or (B, K) as published models take them, as (B, K) float32."""
    if c is None:
        raise ValueError("this model is told a class: give c, one class for each picture")
    if c.ndim == 1:
        c = F.one_hot(c, classes)
    if c.shape != (count, classes):
        raise ValueError(
            f"c has the shape {tuple(c.shape)}; {count} pictures of {classes} classes need {(count, classes)}"
        )
    return c.float()


class Mapping(nn.Module):
    """z (B, z_dim) standard normal, and a class where there are any, to w (B, num_ws, w_dim).

    ``num_ws`` 0 gives (B, w_dim). ``w_avg`` follows the mean of w while training. z_dim 0 maps the class alone, as
    the discriminator does. Where it is ``fitted``, the standard normal z becomes one of its class's prior first.
    """

    w_avg: Tensor

    def __init__(
        self,
        z_dim: int,
        classes: int,
        w_dim: int,
        num_ws: int,
        *,
        layers: int,
        rate: float,
        beta: float = 0.998,
        fitted: bool = False,
    ) -> None:
        super().__init__()
        self.prior = FittedPrior(z_dim, classes) if fitted else None
        self.z_dim, self.classes, self.w_dim, self.num_ws = z_dim, classes, w_dim, num_ws
        self.layers, self.beta = layers, beta
        self.embed = Dense(classes, w_dim) if classes else None
        widths = [z_dim + (w_dim if classes else 0)] + [w_dim] * layers
        for i in range(layers):
            self.add_module(f"fc{i}", Dense(widths[i], widths[i + 1], rate=rate, active=True))
        if num_ws:
            self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(
        self,
        z: Tensor | None,
        c: Tensor | None = None,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
        update_w_avg: bool = False,
        encoded: bool = False,
    ) -> Tensor:
        """``truncation_psi`` draws w towards ``w_avg``, for the first ``truncation_cutoff`` styles (all by default).
        ``encoded``: z is an encoder's, which a fitted prior follows with ``update_w_avg``."""
        told = None
        if self.embed is not None:
            told = one_hot(c, self.classes, len(z) if z is not None else len(cast(Tensor, c)))
        if self.prior is not None and z is not None:
            if not encoded:
                z = self.prior(z.float(), told)
            elif update_w_avg:
                self.prior.follow(z.detach(), told)
        parts = [normalised(z.float())] if z is not None and self.z_dim else []
        if self.embed is not None and told is not None:
            parts.append(normalised(self.embed(told)))
        x = torch.cat(parts, 1)
        for i in range(self.layers):
            x = self.get_submodule(f"fc{i}")(x)
        if not self.num_ws:
            return x
        if update_w_avg:
            self.w_avg.copy_(x.detach().mean(0).lerp(self.w_avg, self.beta))
        ws = x[:, None].repeat(1, self.num_ws, 1)
        if truncation_psi == 1:
            return ws
        cutoff = self.num_ws if truncation_cutoff is None else truncation_cutoff
        return torch.cat([self.w_avg.lerp(ws[:, :cutoff], truncation_psi), ws[:, cutoff:]], 1)


class StyledConv(nn.Module):
    """Modulated convolution, noise, bias, leaky ReLU; ``up`` doubles the picture on the way."""

    noise_const: Tensor

    def __init__(self, fan_in: int, out: int, w_dim: int, resolution: int, *, up: bool, clamp: float) -> None:
        super().__init__()
        self.up, self.clamp, self.resolution = up, clamp, resolution
        self.affine = Dense(w_dim, fan_in, bias=1.0)
        self.weight, self._kept = nn.Parameter(torch.randn(out, fan_in, 3, 3)), Kept()
        self.bias = nn.Parameter(torch.zeros(out))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """``noise`` (B or 1, 1, H, W) or None."""
        # The leaky ReLU is linear in positive factors: its gain goes into the demodulation, bias and noise.
        x = modulated_conv2d(x, self.weight, self.affine(w), up=self.up, gain=GAIN, kept=self._kept)
        shift = (self.bias * GAIN)[:, None, None]
        if noise is not None:
            x = x + (noise * (self.noise_strength * GAIN)).to(x.dtype)
        x = F.leaky_relu(x + shift.to(x.dtype), SLOPE)
        return x.clamp(-self.clamp, self.clamp) if self.clamp else x


class ToRGB(nn.Module):
    """A modulated 1 x 1 convolution, not demodulated: what a resolution adds to the picture."""

    def __init__(self, fan_in: int, channels: int, w_dim: int, *, clamp: float) -> None:
        super().__init__()
        self.clamp, self.gain = clamp, 1 / math.sqrt(fan_in)
        self.affine = Dense(w_dim, fan_in, bias=1.0)
        self.weight, self._kept = nn.Parameter(torch.randn(channels, fan_in, 1, 1)), Kept()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        y = modulated_conv2d(
            x, self.weight, self.affine(w), demodulate=False, gain=self.gain, kept=self._kept
        )
        y = y.float() + self.bias[:, None, None]
        return y.clamp(-self.clamp, self.clamp) if self.clamp else y


class Block(nn.Module):
    """One resolution: two styled convolutions (one at 4 pixels, on the learned constant), and its picture."""

    def __init__(self, config: StyleGANConfig, resolution: int) -> None:
        super().__init__()
        width, first = config.width(resolution), resolution == 4
        if first:
            self.const = nn.Parameter(torch.randn(width, 4, 4))
        else:
            before = config.width(resolution // 2)
            self.conv0 = StyledConv(before, width, config.w_dim, resolution, up=True, clamp=config.clamp)
        self.conv1 = StyledConv(width, width, config.w_dim, resolution, up=False, clamp=config.clamp)
        if config.output == "skip" or resolution == config.size:
            self.torgb = ToRGB(width, config.channels, config.w_dim, clamp=config.clamp)

    @property
    def convolutions(self) -> list[StyledConv]:
        return [m for m in (getattr(self, "conv0", None), self.conv1) if m is not None]


class Synthesis(nn.Module):
    """ws (B, num_ws, w_dim) to pictures (B, C, H, W) float32, about [-1, 1]."""

    def __init__(self, config: StyleGANConfig) -> None:
        super().__init__()
        self.config = config
        for r in config.resolutions:
            self.add_module(f"b{r}", Block(config, r))

    def forward(
        self, ws: Tensor, noise_mode: str = "random", generator: torch.Generator | None = None
    ) -> Tensor:
        """``noise_mode`` "random" draws from ``generator`` (PyTorch's own when None), "const" takes the kept noise."""
        if noise_mode not in NOISES:
            raise ValueError(f"noise_mode is {noise_mode!r}; give {', '.join(NOISES)}")
        if ws.shape[1:] != (self.config.num_ws, self.config.w_dim):
            raise ValueError(
                f"ws has the shape {tuple(ws.shape)}; give (B, {self.config.num_ws}, {self.config.w_dim})"
            )
        kind = ws.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else ws.dtype
        place, picture, x = 0, None, None
        for r in self.config.resolutions:
            block = cast(Block, self.get_submodule(f"b{r}"))
            if x is None:
                x = block.const.to(dtype).expand(len(ws), -1, -1, -1)
                x = x.contiguous(memory_format=torch.channels_last)
            for layer in block.convolutions:
                x = layer(x, ws[:, place], self._noise(layer, ws, noise_mode, generator))
                place += 1
            if hasattr(block, "torgb"):  # reads the style that the next convolution reads too
                shown = block.torgb(x, ws[:, place])
                picture = shown if picture is None else upsample(picture) + shown
        return cast(Tensor, picture)

    @staticmethod
    def _noise(layer: StyledConv, ws: Tensor, mode: str, generator: torch.Generator | None) -> Tensor | None:
        if mode == "none":
            return None
        if mode == "const":
            return layer.noise_const[None, None]
        shape = (len(ws), 1, layer.resolution, layer.resolution)
        return torch.randn(shape, device=ws.device, generator=generator)


class StyleGenerator(nn.Module):
    """z (B, z_dim) standard normal, and c where the model is told a class, to pictures (B, C, H, W).

    A subclass adds ``synthesis``, from styles to pictures, after the mapping: so weights are drawn in that order.
    """

    synthesis: Any

    def __init__(self, config: Any, *, fitted: bool = False) -> None:
        super().__init__()
        self.config = config
        self.mapping = Mapping(
            config.z_dim,
            config.classes,
            config.w_dim,
            config.num_ws,
            layers=config.mapping_layers,
            rate=config.mapping_rate,
            beta=config.w_avg_beta,
            fitted=fitted,
        )
        # Under their published names, for programs that were written for those models.
        self.z_dim, self.c_dim, self.w_dim = config.z_dim, config.classes, config.w_dim
        self.num_ws, self.img_resolution, self.img_channels = config.num_ws, config.size, config.channels

    def forward(
        self,
        z: Tensor,
        c: Tensor | None = None,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
        noise_mode: str = "random",
        generator: torch.Generator | None = None,
    ) -> Tensor:
        ws = self.mapping(z, c, truncation_psi, truncation_cutoff)
        return self.synthesis(ws, noise_mode, generator)


class StyleGAN(StyleGenerator):
    """The generator of StyleGAN2."""

    config: StyleGANConfig
    synthesis: Synthesis

    def __init__(self, config: StyleGANConfig) -> None:
        super().__init__(config, fitted=config.fitted)
        self.synthesis = Synthesis(config)
