"""AdamW of a transformer (Loshchilov and Hutter 2019, arXiv:1711.05101): what is pulled towards 0, and what is not."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def split(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """The matrices of the linear maps, which decay; and all others, as tables, biases and gains, which do not."""
    matrices = [m.weight for m in model.modules() if isinstance(m, nn.Linear)]
    pulled = {id(p) for p in matrices}
    return matrices, [p for p in model.parameters() if id(p) not in pulled]


def adamw(model: nn.Module, learning_rate: float, decay: float) -> torch.optim.AdamW:
    """AdamW with the betas of GPT-3 (Brown et al. 2020, appendix B)."""
    matrices, others = split(model)
    groups = [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, learning_rate, betas=(0.9, 0.95), fused=True)
