"""Resampling by two with a small low-pass filter, so that nothing finer than the new grid folds back as a pattern.

The filter is the outer product of [1, 3, 3, 1] with itself, normalised: a binomial window, cheap and close to ideal
(Karras et al. 2019, arXiv:1812.04948, section 2; Zhang 2019, arXiv:1904.11486).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

TAPS = (1.0, 3.0, 3.0, 1.0)


def kernel(like: Tensor, gain: float = 1.0) -> Tensor:
    """The 4 x 4 filter for each channel of ``like`` (B, C, H, W), of its dtype, summing to ``gain``: (C, 1, 4, 4)."""
    taps = torch.tensor(TAPS, dtype=torch.float64) / sum(TAPS)
    weights = (gain * torch.outer(taps, taps)).to(like.device, like.dtype)
    return weights.expand(like.shape[1], 1, 4, 4)


def smooth(x: Tensor, padding: int, gain: float = 1.0) -> Tensor:
    """``x`` filtered: (B, C, H, W) to (B, C, H + 2 padding - 3, W + 2 padding - 3)."""
    return F.conv2d(x, kernel(x, gain), padding=padding, groups=x.shape[1])


def upsample(x: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C, 2 H, 2 W): zeros between the pixels, then the filter, which keeps the mean."""
    return F.conv_transpose2d(x, kernel(x, 4.0), stride=2, padding=1, groups=x.shape[1])


def downsample(x: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C, H / 2, W / 2): the filter, then every other pixel."""
    return F.conv2d(x, kernel(x), stride=2, padding=1, groups=x.shape[1])
