"""Causal self-attention with its cache: dense, grouped-query, or locally banded.

    Attention(Q, K, V) = softmax(Q K^T / sqrt(hs)) V        (Vaswani et al. 2017, equation 1)

Key i is visible to query j when i <= j, and in a banded layer when also j - i < band (Child et al. 2019;
Brown et al. 2020, section 2.1).
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from luoxia.nn.documents import Documents
from luoxia.nn.rotary import rotate
from luoxia.nn.sparse import Sparse


class Branches:
    """New tokens of which each goes on from another of them, or from what the cache holds: a tree, not a line.

    ``depth`` (T,) int64: how many of the new tokens stand before each on its own branch; ``sees`` (T, T) bool:
    whether token i is token j or goes on from it. Both on the device of the cache.
    """

    def __init__(self, depth: Tensor, sees: Tensor) -> None:
        self.depth, self.sees = depth, sees
        self.reach = int(depth.max()) + 1  # places that the longest branch takes
        self._masks: dict[tuple[int, int | None, torch.dtype], Tensor] = {}

    def mask(self, seen: int, band: int | None, dtype: torch.dtype) -> Tensor:
        """(1, 1, T, seen + T) to add to the scores: 0 where a token may look, -inf elsewhere. The layers share it."""
        key = seen, band, dtype
        if key not in self._masks:
            places = torch.cat([torch.arange(seen, device=self.depth.device), seen + self.depth])
            looks = torch.cat([self.sees.new_ones(len(self.depth), seen), self.sees], dim=1)
            if band is not None:
                looks &= places[seen:, None] - places < band
            zero = torch.zeros((), dtype=dtype, device=looks.device)
            self._masks[key] = torch.where(looks, zero, -torch.inf)[None, None]
        return self._masks[key]


class KVCache:
    """Keys and values of the tokens seen so far: (n_layer, B, n_kv, S, hs) each, filled from the left.

    ``start`` (B,) counts the padding at the left of each sample in a batch of prompts of unequal length.
    Pages of memory that no token has reached are not touched. While ``branches`` is set, the next tokens are those of
    that tree.
    """

    def __init__(
        self,
        n_layer: int,
        batch: int,
        n_kv: int,
        size: int,
        head_size: int,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
        start: Tensor | None = None,
    ) -> None:
        shape = (n_layer, batch, n_kv, size, head_size)
        self.k = torch.empty(shape, dtype=dtype, device=device)
        self.v = torch.empty(shape, dtype=dtype, device=device)
        self.start = start
        self.size = size
        self.length = 0
        self.branches: Branches | None = None

    def append(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store k, v (B, n_kv, T, hs) behind what layer ``layer`` has; return all of it in their dtype."""
        end = self.length + k.shape[2]
        assert end <= self.size, "cache overrun"
        self.k[layer, :, :, self.length : end] = k
        self.v[layer, :, :, self.length : end] = v
        if self.length == 0:
            return k, v
        return self.k[layer, :, :, :end].to(k.dtype), self.v[layer, :, :, :end].to(v.dtype)

    def positions(self, new: int) -> Tensor:
        """Position of each of the ``new`` next tokens: (1 or B, new), padding counted as position 0."""
        if self.branches is not None:
            return (self.length + self.branches.depth)[None]
        at = torch.arange(self.length, self.length + new, device=self.k.device)[None]
        return at if self.start is None else (at - self.start[:, None]).clamp(min=0)


def visible(
    new: int, total: int, band: int | None, start: Tensor | None, device: torch.device
) -> Tensor | None:
    """Mask (B or 1, 1, new, total), True where a query may look; None when it would be True throughout."""
    if new == 1 and start is None and (band is None or total <= band):
        return None
    query = torch.arange(total - new, total, device=device)[:, None]
    key = torch.arange(total, device=device)[None, :]
    mask = key <= query
    if band is not None:
        mask = mask & (query - key < band)
    if start is None:
        return mask[None, None]
    # A padding query sees itself, so that its softmax is defined; nobody looks at the outcome.
    return (mask & (key >= start[:, None, None]) | (key == query))[:, None]


def within(documents: Tensor) -> Tensor:
    """Mask (B, 1, T, T), True where a query looks at itself or an earlier token of its own document; ``documents`` (B, T)
    are the numbers of the documents that the tokens are of."""
    size = documents.shape[1]
    earlier = torch.ones(size, size, dtype=torch.bool, device=documents.device).tril()
    return ((documents[:, :, None] == documents[:, None, :]) & earlier)[:, None]


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, causal: bool) -> Tensor:
    """q (B, nh, T, hs), k v (B, n_kv, S, hs) -> (B, nh, T, hs); query head h reads key head h // (nh / n_kv)."""
    grouped = q.shape[1] != k.shape[1]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal, enable_gqa=bool(grouped))


def attend_at_once(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Attention in two products. q (B, nh, T, hs), k v (B, nh, S, hs); ``mask`` (T, S) is added to the scores.

    The softmax is taken in float32, which is faster than in bf16 on a CPU. Forward and backward take a third of the
    time of PyTorch's own kernel there, for sequences whose scores fit into memory.
    """
    scores = torch.matmul(q * q.shape[-1] ** -0.5, k.mT) + mask.to(q.dtype)
    return torch.matmul(scores.softmax(-1, dtype=torch.float32).to(v.dtype), v)


WHOLE = 512  # tokens of a row whose scores are made at once by attend_whole


def attend_whole(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """Attention of rows that are learned from in bf16 on a CPU: two products, the scale and ``bias`` within the first.

    q, k, v (B, nh, T, hs); bias (T, T) or (B, 1, T, T) in their dtype, added to the scores -> (B, nh, T, hs). At 256
    tokens forward and backward take a third of the time of PyTorch's own kernel, and three quarters of that by blocks.
    """
    batch, n_head, size, hs = q.shape
    q, k, v = (x.reshape(batch * n_head, size, hs) for x in (q, k, v))
    bias = bias.expand(batch, n_head, size, size).reshape(-1, size, size) if bias.ndim == 4 else bias
    scores = torch.baddbmm(bias.expand(batch * n_head, size, size), q, k.mT, alpha=hs**-0.5)
    return torch.bmm(scores.softmax(-1), v).view(batch, n_head, size, hs)


QUERIES = 128  # of one product in attend_by_blocks: its scores stay in the second-level cache


def attend_by_blocks(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Dense causal attention of the last T of S positions, the queries taken ``QUERIES`` at a time.

    q (B, nh, T, hs), k v (B, n_kv, S, hs) -> (B, nh, T, hs). In bf16 on a CPU this takes two thirds of the time of
    PyTorch's own kernel, which converts its operands; the heads that share keys go through one product.
    """
    batch, n_head, new, hs = q.shape
    n_kv, seen = k.shape[1], k.shape[2] - new
    q = (q * hs**-0.5).reshape(batch * n_kv, n_head // n_kv, new, hs)
    keys, values = k.reshape(batch * n_kv, -1, hs).mT, v.reshape(batch * n_kv, -1, hs)
    later = torch.full((QUERIES, QUERIES), -torch.inf, dtype=q.dtype, device=q.device).triu(1)
    out = torch.empty_like(q)
    for first in range(0, new, QUERIES):
        last = min(first + QUERIES, new)
        n, total = last - first, seen + last
        scores = torch.bmm(q[:, :, first:last].flatten(1, 2), keys[..., :total]).unflatten(1, (-1, n))
        scores[..., total - n :] += later[:n, :n]
        weights = scores.softmax(-1).flatten(1, 2)
        out[:, :, first:last] = torch.bmm(weights, values[:, :total]).unflatten(1, (-1, n))
    return out.view(batch, n_head, new, hs)


@functools.cache
def _later(size: int, device: torch.device) -> Tensor:
    """(size, size), -inf where the key comes after the query, else 0."""
    return torch.full((size, size), -torch.inf, device=device).triu(1)


class CausalSelfAttention(nn.Module):
    """Multi-head attention over x (B, T, C); norms on q and k, biases and grouping as the model has them."""

    def __init__(
        self,
        n_embd: int,
        n_head: int,
        n_kv_head: int,
        head_size: int,
        *,
        qkv_bias: bool = False,
        out_bias: bool = False,
        band: int | None = None,
        q_norm: nn.Module | None = None,
        k_norm: nn.Module | None = None,
        sparse: Sparse | None = None,
    ) -> None:
        super().__init__()
        self.n_head, self.n_kv_head, self.head_size, self.band = n_head, n_kv_head, head_size, band
        self.q = nn.Linear(n_embd, n_head * head_size, bias=qkv_bias)
        self.k = nn.Linear(n_embd, n_kv_head * head_size, bias=qkv_bias)
        self.v = nn.Linear(n_embd, n_kv_head * head_size, bias=qkv_bias)
        self.o = nn.Linear(n_head * head_size, n_embd, bias=out_bias)
        self.q_norm, self.k_norm, self.sparse = q_norm, k_norm, sparse

    def forward(
        self,
        x: Tensor,
        rotary: tuple[Tensor, Tensor] | None = None,
        cache: KVCache | None = None,
        layer: int = 0,
        sees: Tensor | Documents | None = None,
    ) -> Tensor:
        """``sees``, where it is given, is all that a query sees: a mask (B, 1, T, T), with no cache and no band then, or
        the documents of one row, with no cache."""
        batch, new, _ = x.shape

        def heads(y: Tensor, n: int) -> Tensor:
            return y.view(batch, new, n, self.head_size).transpose(1, 2)  # (B, n, T, hs)

        q, k, v = (
            heads(self.q(x), self.n_head),
            heads(self.k(x), self.n_kv_head),
            heads(self.v(x), self.n_kv_head),
        )
        if self.q_norm is not None and self.k_norm is not None:
            q, k = self.q_norm(q), self.k_norm(k)
        if rotary is not None:
            q, k = rotate(q, *rotary), rotate(k, *rotary)
        start, branches = None, None
        if cache is not None:
            k, v = cache.append(layer, k, v)
            start, branches = cache.start, cache.branches
        total = k.shape[2]
        dense = start is None and (self.band is None or total <= self.band)
        if isinstance(sees, Documents):
            assert cache is None, "documents are learned from, not continued"
            assert self.sparse is None, "sparse patterns know no documents"
            y = sees.attend(q, k, v, self.band)
        elif sees is not None:
            assert cache is None, "a mask is of whole sequences"
            assert self.band is None, "a mask is of dense layers"
            if self._whole(q, new):
                y = attend_whole(
                    q, k, v, torch.zeros_like(sees, dtype=q.dtype).masked_fill_(~sees, -torch.inf)
                )
            else:
                y = attend(q, k, v, sees, causal=False)
        elif self.sparse is not None:
            assert start is None, "sparse patterns know no padding at the left"
            y = self.sparse.attend(q, k, v)
        elif branches is not None:
            y = attend(q, k, v, branches.mask(total - new, self.band, q.dtype), causal=False)
        elif self._at_once(new, total) and dense:
            y = attend_at_once(q, k, v, _later(new, x.device))
        elif dense and new == total and self._whole(q, new):
            y = attend_whole(q, k, v, _later(new, x.device).to(q.dtype))
        elif dense and new > 1 and q.dtype is torch.bfloat16 and q.device.type == "cpu":
            y = attend_by_blocks(q, k, v)
        else:
            plain = dense and new == total
            mask = None if plain else visible(new, total, self.band, start, x.device)
            y = attend(q, k, v, mask, causal=bool(plain and new > 1))
        return self.o(y.transpose(1, 2).reshape(batch, new, -1))

    def _whole(self, q: Tensor, new: int) -> bool:
        """Whether :func:`attend_whole` is what rows of ``new`` tokens are learned from best by."""
        fitting = q.dtype is torch.bfloat16 and q.device.type == "cpu" and self.n_head == self.n_kv_head
        return fitting and torch.is_grad_enabled() and 1 < new <= WHOLE

    def _at_once(self, new: int, total: int) -> bool:
        """Whether a sequence is learned from whose scores are few."""
        return torch.is_grad_enabled() and 1 < new == total <= QUERIES and self.n_head == self.n_kv_head
