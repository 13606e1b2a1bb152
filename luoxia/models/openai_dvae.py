"""OpenAI's discrete autoencoder as it was published with DALL·E (Ramesh et al. 2021, arXiv:2102.12092, appendix A.3):
256 by 256 pixels as 32 by 32 of 8,192 codes.

Weights have the published names: ``blocks.group_1.block_1.res_path.conv_1.w``, ``id_path.w``, ``output.conv.b``.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from luoxia.nn.pixel_map import map_pixels, unmap_pixels

GROUPS, FACTOR = 4, 8


@dataclass(frozen=True)
class OpenAIDVAEConfig:
    """``n_hid`` channels at full size on either side, ``n_init`` of the decoder's first layer, ``n_blk_per_group``
    blocks at each size, ``vocab_size`` codes; pictures of ``size`` pixels."""

    n_hid: int = 256
    n_init: int = 128
    n_blk_per_group: int = 2
    vocab_size: int = 8192
    channels: int = 3
    size: int = 256

    def __post_init__(self) -> None:
        if self.n_hid < 4 or self.n_hid % 4:
            raise ValueError(f"n_hid is {self.n_hid}; a multiple of 4 has a quarter")
        if min(self.n_init, self.n_blk_per_group, self.channels) < 1 or self.vocab_size < 2:
            raise ValueError("n_init, n_blk_per_group and channels are at least 1, vocab_size at least 2")
        if self.size < FACTOR or self.size % FACTOR:
            raise ValueError(f"size is {self.size}; a code stands for {FACTOR} pixels a side")

    @property
    def side(self) -> int:
        return self.size // FACTOR

    @property
    def codes(self) -> int:
        return self.vocab_size

    @property
    def gain(self) -> float:
        """Of each block's residual: 1 over the square of their number."""
        return 1 / (GROUPS * self.n_blk_per_group) ** 2

    def to_json(self) -> dict:
        return asdict(self)


class Conv(nn.Module):
    """A convolution that keeps the size, with its weights named ``w`` (n_out, n_in, k, k) and ``b``."""

    def __init__(self, n_in: int, n_out: int, k: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(n_out, n_in, k, k) / math.sqrt(n_in * k * k))
        self.b = nn.Parameter(torch.zeros(n_out))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.w, self.b, padding=(self.w.shape[-1] - 1) // 2)


class Block(nn.Module):
    """id(x) + gain path(x): four convolutions, each behind a ReLU, through a quarter of the channels."""

    def __init__(self, n_in: int, n_out: int, kernels: tuple[int, ...], gain: float) -> None:
        super().__init__()
        widths = [n_in, n_out // 4, n_out // 4, n_out // 4, n_out]
        layers: list[tuple[str, nn.Module]] = []
        for i, k in enumerate(kernels):
            layers += [(f"relu_{i + 1}", nn.ReLU()), (f"conv_{i + 1}", Conv(widths[i], widths[i + 1], k))]
        self.gain = gain
        self.id_path = Conv(n_in, n_out, 1) if n_in != n_out else nn.Identity()
        self.res_path = nn.Sequential(OrderedDict(layers))

    def forward(self, x: Tensor) -> Tensor:
        return self.id_path(x) + self.gain * self.res_path(x)


class Blocks(nn.Module):
    """``blocks``: input, four groups with ``between`` all but the last, a ReLU and the last convolution."""

    def __init__(
        self,
        first: Conv,
        widths: list[int],
        kernels: tuple[int, ...],
        between: tuple[str, nn.Module],
        last: Conv,
        config: OpenAIDVAEConfig,
    ) -> None:
        super().__init__()
        stages: list[tuple[str, nn.Module]] = [("input", first)]
        for group in range(GROUPS):
            n_in, n_out = widths[group], widths[group + 1]
            parts: list[tuple[str, nn.Module]] = [
                (f"block_{i + 1}", Block(n_out if i else n_in, n_out, kernels, config.gain))
                for i in range(config.n_blk_per_group)
            ]
            parts += [between] if group < GROUPS - 1 else []
            stages.append((f"group_{group + 1}", nn.Sequential(OrderedDict(parts))))
        stages.append(("output", nn.Sequential(OrderedDict([("relu", nn.ReLU()), ("conv", last)]))))
        self.blocks = nn.Sequential(OrderedDict(stages))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


def encoder_of(config: OpenAIDVAEConfig) -> Blocks:
    """phi(x) (B, 3, H, W) to logits (B, K, H / 8, W / 8)."""
    n = config.n_hid
    return Blocks(
        Conv(config.channels, n, 7),
        [n, n, 2 * n, 4 * n, 8 * n],
        (3, 3, 3, 1),
        ("pool", nn.MaxPool2d(2)),
        Conv(8 * n, config.vocab_size, 1),
        config,
    )


def decoder_of(config: OpenAIDVAEConfig) -> Blocks:
    """One-hot codes (B, K, h, w) to mean and log-scale (B, 6, 8 h, 8 w)."""
    n = config.n_hid
    return Blocks(
        Conv(config.vocab_size, config.n_init, 1),
        [config.n_init, 8 * n, 4 * n, 2 * n, n],
        (1, 3, 3, 3),
        ("upsample", nn.Upsample(scale_factor=2, mode="nearest")),
        Conv(n, 2 * config.channels, 1),
        config,
    )


class OpenAIDVAE(nn.Module):
    """``encode_ids`` x (B, 3, H, W) in [-1, 1] to codes (B, h w) int64; ``decode_ids`` back."""

    def __init__(self, config: OpenAIDVAEConfig = OpenAIDVAEConfig()) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = encoder_of(config), decoder_of(config)

    def logits(self, x: Tensor) -> Tensor:
        return self.encoder(map_pixels(x))

    def encode_ids(self, x: Tensor) -> Tensor:
        return self.logits(x).argmax(1).flatten(1)

    def output(self, codes: Tensor) -> Tensor:
        """Mean and log-scale (B, 6, 8 h, 8 w) of codes (B, h, w). The first layer's product with a one-hot is a row."""
        first = self.decoder.blocks[0]
        assert isinstance(first, Conv)
        x = F.embedding(codes, first.w[:, :, 0, 0].T).permute(0, 3, 1, 2) + first.b[:, None, None]
        return self.decoder.blocks[1:](x)

    def decode_ids(self, codes: Tensor) -> Tensor:
        side = math.isqrt(codes.shape[1])
        mean = self.output(codes.view(len(codes), side, side)).float().chunk(2, 1)[0]
        return unmap_pixels(mean.sigmoid())
