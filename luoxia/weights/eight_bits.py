"""Matrices in 8 bits: w_ij = s q_ij with q in -127..127, and one float32 scale s for each row or for each column."""

from __future__ import annotations

import torch
from torch import Tensor


def pack(matrix: Tensor, *, over: int) -> tuple[Tensor, Tensor]:
    """Codes (n, m) int8 and scales float32, each for a whole line ``over`` that dimension: 0 gives the m columns one each,
    1 the n rows. Off by max |w| / 254 of the line at most."""
    scale = matrix.abs().amax(over, keepdim=True) / 127
    codes = torch.where(scale > 0, matrix / scale, 0.0).round().clamp(-127, 127).to(torch.int8)
    return codes.contiguous(), scale.squeeze(over).float()


def unpack(codes: Tensor, scale: Tensor, *, over: int) -> Tensor:
    """What :func:`pack` took, (n, m) float32. Raises :class:`ValueError` for what it did not make."""
    if codes.dtype is not torch.int8 or codes.ndim != 2 or scale.shape != codes.shape[1 - over : 2 - over]:
        raise ValueError(
            f"{codes.dtype} {tuple(codes.shape)} with scales {tuple(scale.shape)} is no matrix in 8 bits"
        )
    if not bool(scale.isfinite().all()):
        raise ValueError("a scale is no number")
    return codes.float() * scale.unsqueeze(over)
