"""Resampling by two with a small low-pass filter, so that nothing finer than the new grid folds back as a pattern.

The filter is the outer product of [1, 3, 3, 1] with itself, normalised: a binomial window, cheap and close to ideal
(Karras et al. 2019, arXiv:1812.04948, section 2; Zhang 2019, arXiv:1904.11486).

Each operation is linear and fixed, and its transpose is one of the three again. Autograd is told so: left to itself it
goes through a transposed depthwise convolution in bf16 and, for second derivatives, one convolution a channel, which
take ten to a hundred times as long on a processor.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

TAPS = (1.0, 3.0, 3.0, 1.0)
PHASES = (
    (1.0, 3.0, 0.0),
    (0.0, 3.0, 1.0),
)  # of a doubled line: what even and odd places take of three neighbours


def kernel(like: Tensor, gain: float = 1.0) -> Tensor:
    """The 4 x 4 filter for each channel of ``like`` (B, C, H, W), of its dtype, summing to ``gain``: (C, 1, 4, 4)."""
    return _depthwise(TAPS, TAPS, like, gain)


def smooth(x: Tensor, padding: int, gain: float = 1.0) -> Tensor:
    """``x`` filtered: (B, C, H, W) to (B, C, H + 2 padding - 3, W + 2 padding - 3)."""
    return _Smooth.apply(x, padding, gain)  # type: ignore[no-any-return]


def upsample(x: Tensor, gain: float = 4.0) -> Tensor:
    """(B, C, H, W) to (B, C, 2 H, 2 W): zeros between the pixels, then the filter, which keeps the mean at gain 4."""
    return _Upsample.apply(x, gain)  # type: ignore[no-any-return]


def downsample(x: Tensor, gain: float = 1.0) -> Tensor:
    """(B, C, H, W) to (B, C, H / 2, W / 2): the filter, then every other pixel."""
    return _Downsample.apply(x, gain)  # type: ignore[no-any-return]


class _Smooth(torch.autograd.Function):
    """The filter reads the same from both ends, so that its transpose is itself with the rest of the padding."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, padding: int, gain: float) -> Tensor:
        ctx.padding, ctx.gain = padding, gain
        return F.conv2d(x, kernel(x, gain), padding=padding, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        return smooth(grad, len(TAPS) - 1 - ctx.padding, ctx.gain), None, None


class _Upsample(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: float) -> Tensor:
        ctx.gain = gain
        x = x.contiguous(memory_format=torch.channels_last)
        if x.dtype == torch.float32:
            return F.conv_transpose2d(x, kernel(x, gain), stride=2, padding=1, groups=x.shape[1])
        return _by_phases(x, gain)  # oneDNN has no such convolution in bf16

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        return downsample(grad, ctx.gain), None


class _Downsample(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: float) -> Tensor:
        ctx.gain = gain
        return F.conv2d(x, kernel(x, gain), stride=2, padding=1, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        return upsample(grad, ctx.gain), None


def _by_phases(x: Tensor, gain: float) -> Tensor:
    """:func:`upsample` without the zeros: each of the four kinds of places in the doubled picture has its own filter."""
    count, channels, height, width = x.shape
    y = x.new_empty(count, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)  # channels last
    for i, rows in enumerate(PHASES):
        for j, columns in enumerate(PHASES):
            phase = _depthwise(rows, columns, x, gain / 4)
            y[:, :, i::2, j::2] = F.conv2d(x, phase, padding=1, groups=channels)
    return y


def _depthwise(rows: tuple[float, ...], columns: tuple[float, ...], like: Tensor, gain: float) -> Tensor:
    taps = [torch.tensor(t, dtype=torch.float64) / sum(t) for t in (rows, columns)]
    weights = (gain * torch.outer(*taps)).to(like.device, like.dtype)
    return weights.expand(like.shape[1], 1, *weights.shape)
