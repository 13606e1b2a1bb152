"""The gated product of SwiGLU, learned through without keeping what can be computed again.

y = silu(g) * u,   dg = silu'(g) * u * dy,   du = silu(g) * dy     (Shazeer 2020, arXiv:2002.05202, equation 6)
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor


def gated(gate: Tensor, up: Tensor) -> Tensor:
    """silu(gate) * up, both (..., F) of one dtype. silu(gate) is not kept for the backward pass."""
    return cast(Tensor, _Gated.apply(gate, up)) if torch.is_grad_enabled() else F.silu(gate) * up


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        ctx.save_for_backward(gate, up)
        return F.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        gate, up = ctx.saved_tensors
        (dy,) = grads
        return torch.ops.aten.silu_backward(dy * up, gate), F.silu(gate).mul_(dy)
