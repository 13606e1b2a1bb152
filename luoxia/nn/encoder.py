"""A transformer's pre-norm block over whole sequences, seen both ways or causally: what encoders are made of.

    x <- x + Attention(norm(x));   x <- x + MLP(norm(x))

(Vaswani et al. 2017; pre-norm as in Radford et al. 2019). There is no cache: nothing is generated.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Activation = Literal["gelu", "quick_gelu"]
QUICK = 1.702


def quick_gelu(x: Tensor) -> Tensor:
    """x sigmoid(1.702 x), the approximation of GELU that OpenAI's CLIP was trained with (Hendrycks and Gimpel 2016).

    It is silu(1.702 x) / 1.702, which is one pass over memory less; where no slopes are asked for, in place.
    """
    if torch.is_grad_enabled() and x.requires_grad:
        return F.silu(x * QUICK) / QUICK
    return F.silu(x.mul_(QUICK), inplace=True).mul_(1 / QUICK)


def attend_by_products(q: Tensor, k: Tensor, v: Tensor, *, causal: bool) -> Tensor:
    """Attention of q, k, v (B, nh, T, hs) as two products of matrices: in bf16 on a CPU, where T is some hundred at most,
    it and its backward pass take a fifth of the time of PyTorch's own kernel."""
    batch, n_head, length, hs = q.shape
    q, k, v = (part.reshape(batch * n_head, length, hs) for part in (q * hs**-0.5, k, v))
    scores = torch.bmm(q, k.mT)
    if causal:
        scores = scores + torch.full((length, length), -torch.inf, dtype=q.dtype).triu(1)
    return torch.bmm(scores.softmax(-1).to(v.dtype), v).view(batch, n_head, length, hs)


class EncoderBlock(nn.Module):
    """x (B, T, C) -> (B, T, C). ``causal``: position t sees positions up to t alone."""

    def __init__(
        self,
        n_embd: int,
        n_head: int,
        n_ff: int,
        *,
        causal: bool = False,
        activation: Activation = "gelu",
        norm_eps: float = 1e-5,
    ) -> None:
        super().__init__()
        if n_embd % n_head:
            raise ValueError(f"a width of {n_embd} is not a multiple of {n_head} heads")
        self.n_head, self.causal, self.activation = n_head, causal, activation
        self.attn_norm = nn.LayerNorm(n_embd, norm_eps)
        self.qkv = nn.Linear(n_embd, 3 * n_embd)
        self.out = nn.Linear(n_embd, n_embd)
        self.mlp_norm = nn.LayerNorm(n_embd, norm_eps)
        self.up = nn.Linear(n_embd, n_ff)
        self.down = nn.Linear(n_ff, n_embd)

    @torch.no_grad()
    def initialise(self, layers: int) -> None:
        """Weights as published for CLIP, for one of ``layers`` blocks: normal with C^-1/2 into attention, (2 C)^-1/2 into
        the MLP, and the maps that end a residual branch scaled by (2 layers)^-1/2; biases 0."""
        width = self.out.in_features
        for layer, std in (
            (self.qkv, width**-0.5),
            (self.out, (2 * layers * width) ** -0.5),
            (self.up, (2 * width) ** -0.5),
            (self.down, (2 * layers * width) ** -0.5),
        ):
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.attn_norm(x)).unflatten(-1, (3, self.n_head, -1)).permute(2, 0, 3, 1, 4)
        if q.dtype is torch.bfloat16 and q.device.type == "cpu":
            y = attend_by_products(q, k, v, causal=self.causal)
        else:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)  # (B, nh, T, hs)
        x = x + self.out(y.transpose(1, 2).flatten(2))
        h = self.up(self.mlp_norm(x))
        return x + self.down(quick_gelu(h) if self.activation == "quick_gelu" else F.gelu(h))
