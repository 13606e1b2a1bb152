"""Several documents in one row of tokens, none of which sees another: what packed training rows are made of.

Token i attends to token j when both are of the same document and j <= i. Documents lie one behind the other, so
that attention is computed document by document and costs little for what no token sees. A document is computed as if it had
a multiple of ``BUCKET`` tokens: kernels are compiled for each size they meet, and for every length there is they would be
compiled without end, which takes longer than they do, and more memory.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

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
        """q (1, nh, T, hs), k v (1, n_kv, T, hs) -> (1, nh, T, hs). ``band``: how many tokens back a query sees.

        The scores are computed again in the backward pass: of all that a block keeps they would be the most."""
        if torch.is_grad_enabled():
            later: Any = checkpoint
            return later(self._attend, q, k, v, band, use_reentrant=False, preserve_rng_state=False)
        return self._attend(q, k, v, band)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, band: int | None) -> Tensor:
        parts = zip(*(x.split(self.lengths, dim=2) for x in (q, k, v)), strict=True)
        return torch.cat(
            [
                torch.zeros_like(part[0]) if i in self.silent else _attend(*part, band)
                for i, part in enumerate(parts)
            ],
            dim=2,
        )


def _attend(q: Tensor, k: Tensor, v: Tensor, band: int | None) -> Tensor:
    n_head, length, hs = q.shape[1:]
    if length > LONG:
        mask = None if band is None else torch.isfinite(_hidden(length, band, q.dtype, q.device))
        return F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=mask is None, enable_gqa=n_head != k.shape[1]
        )
    size = -(-length // BUCKET) * BUCKET  # what is added comes last, where no query looks
    q, k, v = (F.pad(x[0], (0, 0, 0, size - length)) for x in (q * hs**-0.5, k, v))
    n_kv, hidden, rows = k.shape[0], _hidden(size, band, q.dtype, q.device), []
    for first in range(0, size, QUERIES):
        last = min(first + QUERIES, size)
        # The heads that share keys go through one product.
        queries = q[:, first:last].reshape(n_kv, -1, hs)
        scores = torch.bmm(queries, k[:, :last].mT).view(-1, last - first, last) + hidden[first:last, :last]
        weights = scores.softmax(-1, dtype=torch.float32).to(v.dtype).view(n_kv, -1, last)
        rows.append(torch.bmm(weights, v[:, :last]).view(n_head, last - first, hs))
    return torch.cat(rows, dim=1)[None, :, :length]


@functools.lru_cache(64)
def _hidden(size: int, band: int | None, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(size, size), 0 where a query sees a key, else -inf."""
    seen = torch.ones(size, size, dtype=torch.bool, device=device).tril()
    seen = seen if band is None else seen.triu(1 - band)
    return torch.zeros(size, size, dtype=dtype, device=device).masked_fill_(~seen, -torch.inf)
