"""Muon: momentum whose every matrix is made orthogonal (Jordan et al. 2024, "Muon: an optimizer for hidden layers").

    M <- mu M + (1 - mu) G;   U = orthogonal((1 - mu) G + mu M);   W <- (1 - lr decay) W - lr 0.2 sqrt(max(m, n)) U

``orthogonal(X)`` is U V^T of X = U S V^T, come near to by five steps of a Newton-Schulz iteration. The factor gives the
update of an (m, n) matrix the root mean square that AdamW's has, so that one learning rate and one decay serve both
(Liu et al. 2025, arXiv:2502.16982, equation 4). What is no matrix of a hidden layer, as tables and gains, moves by Adam
(Kingma and Ba 2015, algorithm 1).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from luoxia.train import shard

QUINTIC = (3.4445, -4.7750, 2.0315)
STEPS, LIKE_ADAM = 5, 0.2


def orthogonal(x: Tensor, steps: int = STEPS) -> Tensor:
    """The orthogonal matrix near ``x`` (m, n): its singular values, however far apart, come to lie about 1.

    X <- a X + (b A + c A^2) X with A = X X^T, from X = x / |x|; the coefficients raise small singular values fastest and
    let them end between 0.7 and 1.2. In bf16, which is exact enough for it.
    """
    a, b, c = QUINTIC
    tall = x.shape[0] > x.shape[1]
    y = (x.mT if tall else x).bfloat16()
    y = y / (y.norm() + 1e-7)
    for _ in range(steps):
        gram = y @ y.mT
        y = a * y + (b * gram + c * gram @ gram) @ y
    return (y.mT if tall else y).to(x.dtype)


class Muon(torch.optim.Optimizer):
    """``matrices`` move by Muon with ``weight_decay``, ``others`` by Adam, at one rate."""

    def __init__(
        self,
        matrices: Iterable[Tensor],
        others: Iterable[Tensor],
        lr: float,
        *,
        momentum: float = 0.95,
        weight_decay: float = 0.1,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
    ) -> None:
        groups = [
            {"params": list(matrices), "orthogonal": True},
            {"params": list(others), "orthogonal": False},
        ]
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "betas": betas, "eps": eps}
        super().__init__([group for group in groups if group["params"]], defaults)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step; ``closure`` is not used."""
        assert closure is None
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    (self._by_muon if group["orthogonal"] else self._by_adam)(weight, weight.grad, group)

    def _by_muon(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, mu = self.state[weight], group["momentum"]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        momentum = state["momentum"].lerp_(gradient, 1 - mu)
        ahead = shard.whole(gradient.lerp(momentum, mu))  # a part of a matrix is orthogonal to nothing
        update = shard.like(orthogonal(ahead), weight)
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(update, alpha=-group["lr"] * LIKE_ADAM * max(ahead.shape) ** 0.5)

    def _by_adam(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, (beta1, beta2) = self.state[weight], group["betas"]
        if not state:
            state["step"] = torch.zeros(())
            state["mean"], state["square"] = torch.zeros_like(weight), torch.zeros_like(weight)
        state["step"] += 1
        mean = state["mean"].lerp_(gradient, 1 - beta1)
        square = state["square"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        step = float(state["step"])
        root = (square / (1 - beta2**step)).sqrt_().add_(group["eps"])
        weight.addcdiv_(mean, root, value=-group["lr"] / (1 - beta1**step))
