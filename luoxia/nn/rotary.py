"""Rotary position embedding (Su et al. 2021, arXiv:2104.09864), in the half-split form of Llama's published weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def llama3_factors(
    head_size: int,
    theta: float,
    factor: float,
    low_freq_factor: float,
    high_freq_factor: float,
    original_context: int,
) -> tuple[float, ...]:
    """What Llama 3.1 divides each frequency by, to reach ``factor`` times the context it was trained on: long waves
    by ``factor``, short ones by 1, those in between by a blend."""
    frequency = theta ** (-torch.arange(0, head_size, 2, dtype=torch.float64) / head_size)
    turns = original_context * frequency / (2 * math.pi)
    kept = ((turns - low_freq_factor) / (high_freq_factor - low_freq_factor)).clamp(0, 1)
    return tuple((1 / (kept + (1 - kept) / factor)).tolist())


def rotary_table(
    length: int, head_size: int, theta: float, factors: tuple[float, ...] | None = None
) -> tuple[Tensor, Tensor]:
    """cos and sin (length, head_size / 2) float32 of the angles t * theta^(-2i / head_size) / factors[i]."""
    frequency = theta ** (-torch.arange(0, head_size, 2, dtype=torch.float32) / head_size)
    if factors is not None:
        frequency = frequency / torch.tensor(factors, dtype=torch.float32)
    angles = torch.outer(torch.arange(length, dtype=torch.float32), frequency)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair (x_i, x_{i+hs/2}) by its angle. x (B, nh, T, hs); cos, sin (B or 1, 1, T, hs) as :func:`spread`
    gives them."""
    a, b = x.chunk(2, dim=-1)
    return torch.addcmul(x * cos, torch.cat([b, a], dim=-1), sin).to(x.dtype)


def spread(cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    """cos and sin (..., hs / 2) to the (cos, cos) and (-sin, sin) that :func:`rotate` multiplies by."""
    return torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1)
