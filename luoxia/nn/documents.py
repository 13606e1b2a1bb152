"""Several documents in one row of tokens, none of which sees another: what packed training rows are made of.

Token i attends to token j when both are of the same document and j <= i. Documents lie one behind the other, so
that attention is computed document by document and costs nothing for what no token sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

LONG = 512  # tokens of a document from which on its scores are not kept for the backward pass


class Documents:
    """``lengths`` of the documents of one row, in order; together they are the row."""

    def __init__(self, lengths: Sequence[int]) -> None:
        if not lengths or min(lengths) < 1:
            raise ValueError(f"documents of {list(lengths)[:8]} tokens: each needs at least one")
        self.lengths = list(lengths)

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
            again = checkpoint(self._attend, q, k, v, band, use_reentrant=False, preserve_rng_state=False)
            return cast(Tensor, again)
        return self._attend(q, k, v, band)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, band: int | None) -> Tensor:
        parts = (x.split(self.lengths, dim=2) for x in (q, k, v))
        masks: dict[int, Tensor] = {}
        return torch.cat([_attend(*part, band, masks) for part in zip(*parts, strict=True)], dim=2)


def _attend(q: Tensor, k: Tensor, v: Tensor, band: int | None, masks: dict[int, Tensor]) -> Tensor:
    n_head, length, hs = q.shape[1:]
    if length > LONG:
        mask = None
        if band is not None and length > band:
            mask = torch.ones(length, length, dtype=torch.bool, device=q.device).tril().triu(1 - band)
        return F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=mask is None, enable_gqa=n_head != k.shape[1]
        )
    if length not in masks:
        hidden = torch.ones(length, length, dtype=torch.bool, device=q.device).tril()
        hidden = ~(hidden if band is None else hidden.triu(1 - band))
        masks[length] = torch.zeros(length, length, dtype=q.dtype, device=q.device).masked_fill_(
            hidden, -torch.inf
        )
    n_kv = k.shape[1]  # the heads that share keys go through one product
    queries = (q * hs**-0.5).reshape(n_kv, -1, hs)
    scores = torch.bmm(queries, k[0].mT).view(-1, length, length) + masks[length]
    weights = scores.softmax(-1, dtype=torch.float32).to(v.dtype).view(n_kv, -1, length)
    return torch.bmm(weights, v[0]).view(1, n_head, length, hs)
