r"""The generator of StyleGAN3, config-t and config-r (Karras et al. 2021, arXiv:2106.12423): details that move with things.

Features are samples of continuous signals, each layer's below a cutoff that its grid holds without aliasing. The first
are sinusoids that the style turns and shifts as a whole; every convolution and filtered nonlinearity after them commutes
with shifts, and in config-r, whose convolutions are 1 x 1 and whose filters are radial, with rotations too.

Names are those of the published checkpoints: ``mapping``, ``w_avg``, ``synthesis``, ``input`` with its ``transform``,
``freqs``, ``phases`` and ``affine``, and ``L{index}_{size}_{channels}`` with ``magnitude_ema``, ``up_filter``,
``down_filter``.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from luoxia.models.stylegan import GAIN, NOISES, SLOPE, Dense, StyleGenerator
from luoxia.nn.filtered import filtered_leaky_relu
from luoxia.nn.lowpass import lowpass
from luoxia.nn.modulated import Kept, modulated_conv2d

SIZES = tuple(2**i for i in range(4, 12))  # pixels
LIMITS = {  # of what a file may ask for, from and to
    "channels": (1, 64),
    "z_dim": (1, 8192),
    "w_dim": (1, 8192),
    "classes": (0, 100_000),
    "mapping_layers": (1, 64),
    "channel_base": (1, 1 << 20),
    "channel_max": (1, 1 << 13),
    "layers": (2, 64),
    "critical": (1, 63),
    "margin": (0, 256),
    "kernel": (1, 15),
    "taps": (2, 64),
    "oversampling": (1, 8),
}


@dataclass(frozen=True)
class StyleGAN3Config:
    """``size`` H = W, a power of two. ``classes`` K: the mapping is told a class.

    ``layers`` N, of which the last ``critical`` use all of the band, and the picture's own after them. Cutoffs go from
    ``first_cutoff`` to H / 2, stopbands from ``first_stopband`` to ``last_stopband`` times that. A cutoff f has
    min(``channel_base`` / 2 f, ``channel_max``) channels. ``margin`` pixels lie around the picture until the end.
    Filters have ``taps`` for each step of resampling, nonlinearities ``oversampling`` times the finer grid. ``radial``
    and ``kernel`` 1 is config-r. ``clamp`` bounds activations (0: not).
    """

    size: int = 256
    channels: int = 3
    z_dim: int = 512
    w_dim: int = 512
    classes: int = 0
    mapping_layers: int = 2
    mapping_rate: float = 0.01
    channel_base: int = 32_768
    channel_max: int = 512
    layers: int = 14
    critical: int = 2
    first_cutoff: float = 2.0
    first_stopband: float = 2**2.1
    last_stopband: float = 2**0.3
    margin: int = 10
    output_scale: float = 0.25
    kernel: int = 3
    taps: int = 6
    oversampling: int = 2
    radial: bool = False
    clamp: float = 256.0
    w_avg_beta: float = 0.998

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise ValueError(f"size is {self.size}; StyleGAN3 makes pictures of 16, 32, 64 ... 2048 pixels")
        for name, (least, most) in LIMITS.items():
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name)}; give {least} to {most}")
        if self.critical >= self.layers:
            raise ValueError(f"critical is {self.critical}; it is less than layers, {self.layers}")
        if not self.kernel % 2:
            raise ValueError(f"kernel is {self.kernel}; give an odd number")
        if self.taps % 2 and self.oversampling % 2:
            raise ValueError(f"taps is {self.taps}; give an even number")
        if not 0.5 <= self.first_cutoff < self.first_stopband < self.size / 2:
            raise ValueError(
                f"first_cutoff is {self.first_cutoff} and first_stopband {self.first_stopband}; give 0.5 or more, "
                f"the second above the first and below half the size, {self.size}"
            )
        if not 1 < self.last_stopband < 4:
            raise ValueError(f"last_stopband is {self.last_stopband}; it is between 1 and 4")
        if not 0 <= self.clamp < math.inf or not math.isfinite(self.output_scale):
            raise ValueError(
                f"clamp is {self.clamp} and output_scale {self.output_scale}; give finite numbers"
            )

    @property
    def num_ws(self) -> int:
        """Styles that one picture reads: the input's, and one a layer."""
        return self.layers + 2

    @property
    def schedule(self) -> list[Band]:
        r"""The band of each layer's output, the picture's last (equation 4 and section 3.2 there).

        f_c[i] = f_c[0] (f_c[N] / f_c[0])^min(i / (N - N_crit), 1), likewise f_t[i]; s[i] = 2^ceil(log2 min(2 f_t[i], H))
        and f_h[i] = max(f_t[i], s[i] / 2) - f_c[i].
        """
        last_cutoff = self.size / 2
        last_stopband = last_cutoff * self.last_stopband
        bands = []
        for i in range(self.layers + 1):
            way = min(i / (self.layers - self.critical), 1.0)
            cutoff = self.first_cutoff * (last_cutoff / self.first_cutoff) ** way
            stopband = self.first_stopband * (last_stopband / self.first_stopband) ** way
            # The last layers' bands are exactly full, which the powers' rounding does not give.
            cutoff, stopband = (last_cutoff, last_stopband) if way == 1 else (cutoff, stopband)
            rate = 2 ** math.ceil(math.log2(min(2 * stopband, self.size)))
            final = i >= self.layers - 1
            bands.append(
                Band(
                    rate=rate,
                    cutoff=cutoff,
                    half_width=max(stopband, rate / 2) - cutoff,
                    size=self.size if final else rate + 2 * self.margin,
                    channels=self.channels
                    if i == self.layers
                    else round(min(self.channel_base / 2 / cutoff, self.channel_max)),
                    critical=i >= self.layers - self.critical,
                )
            )
        return bands

    def to_json(self) -> dict:
        return asdict(self)


@dataclass(frozen=True)
class Band:
    """Signals of a layer: ``channels`` pictures of ``size`` pixels, margins with them, at the sampling ``rate`` to a
    picture's width; frequencies in periods to that width. ``critical``: all of the band is used."""

    rate: int
    cutoff: float
    half_width: float
    size: int
    channels: int
    critical: bool


class FourierInput(nn.Module):
    r"""The style w (B, w_dim) to sinusoids that it turns and shifts, mixed: (B, C, H, H) (section 3.1, appendix F).

    x = A \sin(2 \pi (f M p + phi)) with p in [-1/2, 1/2]^2 inside of the picture, where M first undoes the style's
    rotation, then its shift (r_c, r_s, t_x, t_y), then ``transform``, a 3 x 3 matrix that a user may set. What M makes
    finer than the grid holds fades out.
    """

    freqs: Tensor
    phases: Tensor
    transform: Tensor

    def __init__(self, w_dim: int, band: Band) -> None:
        super().__init__()
        self.band = band
        self.affine = Dense(w_dim, 4)
        self.weight = nn.Parameter(torch.randn(band.channels, band.channels))
        radius, angle = (
            band.cutoff * torch.rand(band.channels).sqrt(),
            2 * torch.pi * torch.rand(band.channels),
        )
        self.register_buffer("freqs", radius[:, None] * torch.stack([angle.cos(), angle.sin()], 1))
        self.register_buffer("phases", torch.rand(band.channels) - 0.5)
        self.register_buffer("transform", torch.eye(3))
        with torch.no_grad():
            self.affine.weight.zero_()
            self.affine.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))

    def forward(self, w: Tensor) -> Tensor:
        band = self.band
        with torch.autocast(w.device.type, enabled=False):  # angles
            t = self.affine(w)
            cos, sin, x, y = (t / t[:, :2].norm(dim=1, keepdim=True)).unbind(1)
            # [c -s; s c] ([I | -t] transform), the upper two rows: (B, 2, 3)
            turn = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
            shift = self.transform[:2] - torch.stack([x, y], 1)[:, :, None] * self.transform[2]
            moved = turn @ shift
            freqs = self.freqs @ moved[:, :, :2]  # (B, C, 2)
            phases = self.phases + (self.freqs @ moved[:, :, 2:])[:, :, 0]  # (B, C)
            room = band.rate / 2 - band.cutoff
            amplitudes = (1 - (freqs.norm(dim=2) - band.cutoff) / room).clamp(0, 1)
            place = (torch.arange(band.size, device=w.device) + 0.5 - band.size / 2) / band.rate
            along, down = freqs[:, :, 0, None] * place, freqs[:, :, 1, None] * place  # (B, C, H)
            angles = down[:, :, :, None] + along[:, :, None, :] + phases[:, :, None, None]
            waves = (2 * torch.pi * angles).sin() * amplitudes[:, :, None, None]
            mixer = self.weight / math.sqrt(band.channels)
            return F.conv2d(waves.contiguous(memory_format=torch.channels_last), mixer[:, :, None, None])


class FilteredConv(nn.Module):
    """One layer: modulated convolution of signals brought to unit size, bias, filtered leaky ReLU, from the band
    ``before`` to ``after``. The ``last`` one makes the picture: 1 x 1, neither demodulated nor filtered."""

    magnitude_ema: Tensor
    up_filter: Tensor
    down_filter: Tensor

    def __init__(self, config: StyleGAN3Config, before: Band, after: Band, *, last: bool) -> None:
        super().__init__()
        self.size, self.clamp, self.last = after.size, config.clamp, last
        kernel = 1 if last else config.kernel
        self.affine = Dense(config.w_dim, before.channels, bias=1.0)
        self.weight, self._kept = (
            nn.Parameter(torch.randn(after.channels, before.channels, kernel, kernel)),
            Kept(),
        )
        self.bias = nn.Parameter(torch.zeros(after.channels))
        self.register_buffer("magnitude_ema", torch.ones(()))  # of the input's squares, while training
        if last:
            return
        between = max(before.rate, after.rate) * config.oversampling
        self.up, self.down = between // before.rate, between // after.rate
        self.register_buffer(
            "up_filter", lowpass(config.taps * self.up, before.cutoff, before.half_width, between)
        )
        # A critical band is the square that the pixels span: no radial filter passes it.
        radial = config.radial and not after.critical
        self.register_buffer(
            "down_filter",
            lowpass(config.taps * self.down, after.cutoff, after.half_width, between, radial=radial),
        )

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """``x`` (B, I, H, H) and ``w`` (B, w_dim) to (B, O, size, size)."""
        styles, scale = self.affine(w), self.magnitude_ema.rsqrt()
        if self.last:
            styles = styles / math.sqrt(self.weight.shape[1])
        padding = self.weight.shape[-1] - 1  # all that the kernel reaches; the filter crops it
        x = modulated_conv2d(
            x, self.weight, styles, demodulate=not self.last, gain=scale, padding=padding, kept=self._kept
        )
        if self.last:
            x = x + self.bias.to(x.dtype)[:, None, None]
            return x.clamp(-self.clamp, self.clamp) if self.clamp else x
        return filtered_leaky_relu(
            x,
            self.bias,
            self.up_filter,
            self.down_filter,
            up=self.up,
            down=self.down,
            size=self.size,
            slope=SLOPE,
            gain=GAIN,
            clamp=self.clamp,
        )


class Synthesis(nn.Module):
    """ws (B, num_ws, w_dim) to pictures (B, C, H, W) float32, about [-1, 1]."""

    def __init__(self, config: StyleGAN3Config) -> None:
        super().__init__()
        self.config = config
        bands = config.schedule
        self.input = FourierInput(config.w_dim, bands[0])
        self.layer_names = [f"L{i}_{band.size}_{band.channels}" for i, band in enumerate(bands)]
        for i, name in enumerate(self.layer_names):
            last = i == config.layers
            self.add_module(name, FilteredConv(config, bands[max(i - 1, 0)], bands[i], last=last))

    def forward(
        self, ws: Tensor, noise_mode: str = "random", generator: torch.Generator | None = None
    ) -> Tensor:
        """There is no noise here: ``noise_mode`` and ``generator`` are StyleGAN2's and change nothing."""
        del generator
        if noise_mode not in NOISES:
            raise ValueError(f"noise_mode is {noise_mode!r}; give {', '.join(NOISES)}")
        if ws.shape[1:] != (self.config.num_ws, self.config.w_dim):
            raise ValueError(
                f"ws has the shape {tuple(ws.shape)}; give (B, {self.config.num_ws}, {self.config.w_dim})"
            )
        kind = ws.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else ws.dtype
        x = self.input(ws[:, 0]).to(dtype)
        for i, name in enumerate(self.layer_names, 1):
            x = cast(FilteredConv, self.get_submodule(name))(x, ws[:, i])
        return x.float() * self.config.output_scale


class StyleGAN3(StyleGenerator):
    """The generator of StyleGAN3."""

    config: StyleGAN3Config
    synthesis: Synthesis

    def __init__(self, config: StyleGAN3Config) -> None:
        super().__init__(config)
        self.synthesis = Synthesis(config)
