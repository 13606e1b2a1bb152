"""Several documents in one row of tokens, none of which sees another: what packed training rows are made of.

Token i attends to token j when both are of the same document and j <= i. Documents lie one behind the other, so
that attention is computed document by document and costs little for what no token sees. A document is computed as if it had
a multiple of ``BUCKET`` tokens: kernels are compiled for each size they meet, and for every length there is they would be
compiled without end, which takes longer than they do, and more memory.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

LONG = 512  # tokens of a document from which on PyTorch's own kernel is asked, which keeps no scores
BUCKET, QUERIES = 64, 128


class Documents:
    """``lengths`` of the documents of one row, in order; together they are the row. Those whose places are ``silent`` are
    padding: nothing is attended to in them, and what comes out is 0."""

    def __init__(self, lengths: Sequence[int], silent: Collection[int] = ()) -> None:
        if not lengths or min(lengths) < 1:
            raise ValueError(f"documents of {list(lengths)[:8]} tokens: each needs at least one")
        self.lengths, self.silent = list(lengths), frozenset(silent)

    @property
    def longest(self) -> int:
        return max(self.lengths)

    def positions(self, device: torch.device) -> Tensor:
        """The place of each token in its document, (1, T) int64."""
        return torch.cat([torch.arange(n, device=device) for n in self.lengths])[None]

    def attend(self, q: Tensor, k: Tensor, v: Tensor, band: int | None = None) -> Tensor:
        """q (1, nh, T, hs), k v (1, n_kv, T, hs) -> (1, nh, T, hs). ``band``: how many tokens back a query sees."""
        n = self.lengths
        parts = zip(q.split(n, dim=2), k.split(n, dim=2), v.split(n, dim=2), strict=True)
        return torch.cat(
            [
                torch.zeros_like(a) if i in self.silent else _attend(a, b, c, band)
                for i, (a, b, c) in enumerate(parts)
            ],
            dim=2,
        )


def _attend(q: Tensor, k: Tensor, v: Tensor, band: int | None) -> Tensor:
    n_head, length = q.shape[1:3]
    if length > LONG:
        mask = None if band is None else torch.isfinite(_hidden(length, band, q.dtype, q.device))
        return F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=mask is None, enable_gqa=n_head != k.shape[1]
        )
    return cast(Tensor, _Attention.apply(q[0], k[0], v[0], band))[None]


class _Attention(torch.autograd.Function):
    """One document's attention, ``QUERIES`` queries at a time. With P = softmax(S), S = Q K^T / sqrt(hs):

        dV = P^T dO,   dP = dO V^T,   dS = P * (dP - rowsum(dP * P)),   dQ = dS K / sqrt(hs),   dK = dS^T Q / sqrt(hs).

    q (nh, L, hs), k v (n_kv, L, hs) -> (nh, L, hs). P is kept in the dtype of v; the heads that share keys go through one
    product. A query sees no key behind it, so that the last ones, which fill the bucket, are never looked at."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, band: int | None) -> Tensor:
        (n_head, length, hs), n_kv = q.shape, k.shape[0]
        size = -(-length // BUCKET) * BUCKET
        q, k, v = (F.pad(x, (0, 0, 0, size - length)) for x in (q * hs**-0.5, k, v))
        hidden, kept, out = _hidden(size, band, q.dtype, q.device), [], torch.empty_like(q)
        for first in range(0, size, QUERIES):
            here = slice(first, min(first + QUERIES, size))
            queries = q[:, here].reshape(n_kv, -1, hs)
            scores = torch.bmm(queries, k[:, : here.stop].mT).view(n_head, -1, here.stop)
            beside = slice(
                0 if band else first, here.stop
            )  # without a band, all keys before these queries are seen
            scores[..., beside] += hidden[here, beside]
            weights = scores.softmax(-1, dtype=torch.float32).to(v.dtype).view(n_kv, -1, here.stop)
            out[:, here] = torch.bmm(weights, v[:, : here.stop]).view(n_head, -1, hs)
            kept.append(weights)
        ctx.save_for_backward(q, k, v, *kept)
        ctx.length = length
        return out[:, :length]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, *kept = ctx.saved_tensors
        (n_head, size, hs), n_kv, length = q.shape, k.shape[0], ctx.length
        slope = F.pad(grads[0], (0, 0, 0, size - length))
        dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        for number, weights in enumerate(kept):
            here = slice(number * QUERIES, min((number + 1) * QUERIES, size))
            rows = slope[:, here].reshape(n_kv, -1, hs)
            dp = torch.bmm(rows, v[:, : here.stop].mT)
            ds = torch.ops.aten._softmax_backward_data(dp, weights, -1, weights.dtype)
            dq[:, here] = torch.bmm(ds, k[:, : here.stop]).view(n_head, -1, hs)
            dk[:, : here.stop] += torch.bmm(ds.mT, q[:, here].reshape(n_kv, -1, hs))
            dv[:, : here.stop] += torch.bmm(weights.mT, rows)
        return dq[:, :length] * hs**-0.5, dk[:, :length], dv[:, :length], None


@functools.lru_cache(64)
def _hidden(size: int, band: int | None, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(size, size), 0 where a query sees a key, else -inf."""
    seen = torch.ones(size, size, dtype=torch.bool, device=device).tril()
    seen = seen if band is None else seen.triu(1 - band)
    return torch.zeros(size, size, dtype=dtype, device=device).masked_fill_(~seen, -torch.inf)
