"""Variational autoencoders (Kingma and Welling 2014): an encoder to q(z | x), a decoder to p(x | z).

The convolutional one halves the picture down to 4 pixels a side and doubles it back; the other is one hidden layer
on each side, as in the paper's appendix C. With ``classes`` both sides are told the label y: q(z | x, y) and
p(x | z, y) (Kingma et al. 2014, arXiv:1406.5298).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class VAEConfig:
    """``size`` H = W in pixels; ``outputs`` numbers that the likelihood reads for each channel; ``width`` channels of
    the widest resolution (or hidden units of ``kind`` "mlp")."""

    size: int
    channels: int = 3
    latent: int = 64
    width: int = 32
    kind: str = "conv"
    classes: int = 0
    outputs: int = 2

    def __post_init__(self) -> None:
        if self.kind not in ("conv", "mlp"):
            raise ValueError(f"kind is {self.kind!r}; a VAE is 'conv' or 'mlp'")
        if self.kind == "conv" and (self.size < 8 or self.size & (self.size - 1)):
            raise ValueError(f"size is {self.size}; the convolutional VAE takes powers of two from 8 on")
        if min(self.channels, self.latent, self.width, self.outputs) < 1:
            raise ValueError("channels, latent, width and outputs are at least 1")

    def to_json(self) -> dict:
        return asdict(self)


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(min(8, channels), channels)


class Residual(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), 3 x 3 (He et al. 2016, pre-activation)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = _norm(channels), _norm(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(y)))


def _widths(config: VAEConfig) -> list[int]:
    """Channels at each resolution, widest picture first, down to 4 pixels."""
    halvings = config.size.bit_length() - 3
    return [min(config.width * 2**i, config.width * 8) for i in range(halvings + 1)]


class ConvEncoder(nn.Module):
    """x (B, C, H, W) -> (B, 2 D)."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        widths = _widths(config)
        self.enter = nn.Conv2d(config.channels, widths[0], 3, padding=1)
        self.label = nn.Embedding(config.classes, widths[0]) if config.classes else None
        stages = []
        for i in range(1, len(widths)):
            stages += [nn.Conv2d(widths[i - 1], widths[i], 4, stride=2, padding=1), Residual(widths[i])]
        self.stages = nn.Sequential(*stages)
        self.norm = _norm(widths[-1])
        self.leave = nn.Linear(widths[-1] * 16, 2 * config.latent)

    def forward(self, x: Tensor, labels: Tensor | None) -> Tensor:
        x = self.enter(x)
        if self.label is not None:
            x = x + self.label(labels)[:, :, None, None]
        return self.leave(F.silu(self.norm(self.stages(x))).flatten(1))


class ConvDecoder(nn.Module):
    """z (B, D) -> (B, outputs C, H, W)."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        widths = _widths(config)[::-1]
        self.enter = nn.Linear(config.latent, widths[0] * 16)
        self.label = nn.Embedding(config.classes, widths[0] * 16) if config.classes else None
        stages: list[nn.Module] = [Residual(widths[0])]
        for i in range(1, len(widths)):
            stages += [
                nn.Upsample(scale_factor=2),
                nn.Conv2d(widths[i - 1], widths[i], 3, padding=1),
                Residual(widths[i]),
            ]
        self.stages = nn.Sequential(*stages)
        self.norm = _norm(widths[-1])
        self.leave = nn.Conv2d(widths[-1], config.outputs * config.channels, 3, padding=1)

    def forward(self, z: Tensor, labels: Tensor | None) -> Tensor:
        x = self.enter(z)
        if self.label is not None:
            x = x + self.label(labels)
        x = F.silu(self.norm(self.stages(x.unflatten(1, (-1, 4, 4)))))
        with torch.autocast(x.device.type, enabled=False):  # bf16 cannot tell 256 grey levels apart
            return self.leave(x.float())


class MLPEncoder(nn.Module):
    """x (B, C, H, W) -> (B, 2 D) through one hidden layer."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        pixels = config.channels * config.size**2
        self.enter = nn.Linear(pixels, config.width)
        self.label = nn.Embedding(config.classes, config.width) if config.classes else None
        self.leave = nn.Linear(config.width, 2 * config.latent)

    def forward(self, x: Tensor, labels: Tensor | None) -> Tensor:
        x = self.enter(x.flatten(1))
        if self.label is not None:
            x = x + self.label(labels)
        return self.leave(torch.tanh(x))


class MLPDecoder(nn.Module):
    """z (B, D) -> (B, outputs C, H, W) through one hidden layer."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.shape = (config.outputs * config.channels, config.size, config.size)
        self.enter = nn.Linear(config.latent, config.width)
        self.label = nn.Embedding(config.classes, config.width) if config.classes else None
        self.leave = nn.Linear(config.width, config.outputs * config.channels * config.size**2)

    def forward(self, z: Tensor, labels: Tensor | None) -> Tensor:
        x = self.enter(z)
        if self.label is not None:
            x = x + self.label(labels)
        return self.leave(torch.tanh(x)).unflatten(1, self.shape)


class VAE(nn.Module):
    """``encode`` x (B, C, H, W) in [-1, 1] to mu, logvar (B, D); ``decode`` z (B, D) to what the likelihood reads.

    ``labels`` (B,) int64 are wanted by a model with classes and ignored by one without.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        mlp = config.kind == "mlp"
        self.encoder = MLPEncoder(config) if mlp else ConvEncoder(config)
        self.decoder = MLPDecoder(config) if mlp else ConvDecoder(config)

    def encode(self, x: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        mu, logvar = self.encoder(x, labels).chunk(2, dim=1)
        return mu.contiguous(), logvar.contiguous()

    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.decoder(z, labels)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """The reconstruction through the posterior's mean, as :meth:`decode` gives it."""
        return self.decode(self.encode(x, labels)[0], labels)
